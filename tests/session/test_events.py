"""Events of sessions: who hears of them, and of what."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from kick.session import Event, MemoryStore, Sessions
from kick.session.events import Events, SessionEvent
from kick.session.ids import key_of
from tests.session.harness import Browser, Site, setting
from tests.session.test_devices import logging_in

KEY = key_of("abcdefghijklmnopqrstuvwxyz0123456789")


def hearing(name: str, heard: list[str]) -> Any:
    return lambda event: heard.append(f"{name}: {event.kind.value}")


class TestListeners:
    def test_each_hears_every_event_and_the_one_that_came_last_hears_it_first(self) -> None:
        heard: list[str] = []
        events = Events()
        for name in ("first", "second", "third"):
            events.also(hearing(name, heard))
        events.emit(SessionEvent.CREATED, KEY)
        events.emit(SessionEvent.DESTROYED, KEY)
        assert heard == [
            f"{name}: {kind}" for kind in ("created", "destroyed") for name in ("third", "second", "first")
        ]

    async def test_one_that_is_added_takes_no_event_from_that_of_the_application(self) -> None:
        site = Site(MemoryStore())
        heard: list[Event] = []
        site.layer.manager.events.also(heard.append)
        await Browser(site).visit(setting(a=1))
        assert site.events == [event.kind.value for event in heard] == ["created"]

    def test_one_hears_what_the_log_leaves_out(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, logger="kick.session")
        heard: list[str] = []
        Events(hearing("one", heard)).emit(SessionEvent.CREATED, KEY)
        assert heard == ["one: created"]
        assert caplog.records == []


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        (SessionEvent.CREATED, "DEBUG"),
        (SessionEvent.GONE, "INFO"),
        (SessionEvent.WITHHELD, "WARNING"),
        (SessionEvent.STORE_ERROR, "ERROR"),
    ],
)
def test_without_a_listener_the_log_has_each_event(
    caplog: pytest.LogCaptureFixture, kind: SessionEvent, level: str
) -> None:
    caplog.set_level(logging.DEBUG, logger="kick.session")
    Events().emit(kind, KEY)
    Events().emit(kind, None, ValueError("no"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (level, f"session AR_CmU45: {kind.value}"),
        (level, f"session -: {kind.value}: ValueError: no"),
    ]


async def test_a_revocation_is_one_event_and_none_if_it_ends_nothing() -> None:
    site = Site(MemoryStore())
    sessions = Sessions(site.layer.manager)
    await Browser(site).visit(logging_in(7))
    await Browser(site).visit(logging_in(7))
    site.events.clear()
    assert await sessions.revoke(8) == 0
    assert site.events == []
    assert await sessions.revoke(7) == 2
    assert site.events == ["revoked"]
