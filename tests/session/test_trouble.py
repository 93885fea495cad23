"""Section 7 of the contract: stores that are down, slow or damaged; and what the log says."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from kick.session import Event, SessionEvent, SessionUnavailable
from tests.session.harness import Browser, Site, setting
from tests.session.test_order import BrokenStore

ALL = frozenset({"load", "create", "commit", "touch", "move", "destroy"})


async def broken(**options: Any) -> tuple[BrokenStore, Browser]:
    store = BrokenStore()
    browser = Browser(Site(store, **options))
    await browser.visit(setting(a=1))
    store.broken = ALL
    return store, browser


async def test_a_request_that_touches_the_session_gets_a_503_with_retry_after() -> None:
    _, browser = await broken()
    answer = await browser.visit(lambda session: session.data.get("a"))
    assert answer.status == 503
    assert answer.all("retry-after") == ["1"]
    assert answer.cookies == []


async def test_a_request_that_does_not_touch_it_works() -> None:
    _, browser = await broken()
    answer = await browser.visit(lambda ctx: ctx.path, wants_context=True)
    assert answer.status == 200
    assert answer.cookies == []


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.data,
        lambda session: session.id,
        lambda session: session["a"],
        lambda session: session.principal,
        lambda session: session.flash,
        lambda session: session.is_new,
        lambda session: session.created_at,
        lambda session: session.save(),
        lambda session: session.destroy(),
        lambda session: session.regenerate(),
        lambda session: session.increment("n"),
        lambda session: setattr(session, "data", {}),
        lambda session: setattr(session, "principal", 7),
    ],
)
async def test_every_use_of_an_unavailable_session_says_so(use: Any) -> None:
    _, browser = await broken()
    answer = await browser.visit(use)
    assert isinstance(answer.error, SessionUnavailable)
    assert answer.status == 503


async def test_recovery_needs_no_restart() -> None:
    store, browser = await broken()
    assert (await browser.visit(lambda session: session.data)).status == 503
    store.broken = frozenset()
    assert await browser.data() == {"a": 1}


async def test_anonymous_gives_an_empty_session_that_refuses_writes_and_sends_no_cookie() -> None:
    store, browser = await broken(on_store_error="anonymous")
    answer = await browser.visit(lambda session: (dict(session.data), session.principal))
    assert answer.status == 200
    assert answer.value == ({}, None)
    assert answer.cookies == []
    for write in (
        setting(a=2),
        lambda session: setattr(session, "principal", 7),
        lambda session: session.save(),
        lambda session: session.regenerate(),
        lambda session: session.destroy(),
        lambda session: session.flash.__setitem__("a", 1),
    ):
        refused = await browser.visit(write)
        assert refused.status == 503
        assert refused.cookies == []
    store.broken = frozenset()
    assert await browser.data() == {"a": 1}


async def test_a_store_that_hangs_is_given_up_after_the_time_limit() -> None:
    class Hanging:
        async def get(self, sid: str) -> Any:
            await asyncio.Event().wait()

        async def set(self, sid: str, data: Any, max_age: float) -> None:
            await asyncio.Event().wait()

        async def destroy(self, sid: str) -> None:
            await asyncio.Event().wait()

    site = Site(Hanging(), store_timeout=0.05)
    answer = await Browser(site).visit(setting(a=1))
    assert answer.status == 503
    assert site.events == ["store_error"]


async def test_a_damaged_value_is_missing_with_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    browser = Browser(site)
    await browser.visit(setting(good=1, bad=2))
    (record,) = site.store._entries.values()
    record.fields["bad"] = b'{"$":["uuid","no uuid"]}'
    with caplog.at_level(logging.WARNING, "kick.session"):
        assert await browser.data() == {"good": 1}
    assert len(caplog.records) == 1
    await browser.visit(setting(bad=3))
    assert await browser.data() == {"good": 1, "bad": 3}


@pytest.mark.parametrize("row", [None, [], "text", {}, {"$kick": 5}, {"$kick": {"created": "x"}}, {"a": 1}])
async def test_a_damaged_record_of_a_users_store_is_an_empty_session(row: Any) -> None:
    class Damaged:
        async def get(self, sid: str) -> Any:
            return row

        async def set(self, sid: str, data: Any, max_age: float) -> None: ...

        async def destroy(self, sid: str) -> None: ...

    site = Site(Damaged())
    signed = "s:" + site.layer.engine.options.cookie._signer.sign("a" * 36)
    answer = await Browser(site, signed).visit(lambda session: dict(session.data))
    assert answer.status == 200
    assert answer.value == {}


async def test_more_than_max_size_is_refused_and_nothing_of_it_written(store: Any) -> None:
    browser = Browser(Site(store, max_size=1000))
    await browser.visit(setting(a="x" * 900))
    answer = await browser.visit(setting(b=1, c="y" * 200))
    assert answer.status == 500
    assert answer.cookies == []
    assert await browser.data() == {"a": "x" * 900}
    await browser.visit(setting(a="z" * 950))
    assert await browser.data() == {"a": "z" * 950}, "what replaces is not counted twice"


async def test_a_megabyte_is_stored_by_default_and_not_more(store: Any) -> None:
    browser = Browser(Site(store))
    assert (await browser.visit(setting(a="x" * ((1 << 20) - 2)))).status == 200
    assert len((await browser.data())["a"]) == (1 << 20) - 2
    assert (await Browser(Site(store)).visit(setting(a="x" * (1 << 20)))).status == 500


async def test_events_and_log_lines_carry_a_short_hash_and_never_the_id(caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []
    browser = Browser(Site(on_event=events.append))
    caplog.set_level(logging.DEBUG, "kick.session")
    first = (await browser.visit(lambda session: (session.data.update(a=1), session.id)[1])).value

    async def regenerate(session: Any) -> Any:
        await session.regenerate()
        return session.id

    async def destroy(session: Any) -> None:
        await session.destroy()

    second = (await browser.visit(regenerate)).value
    old = browser.twin()
    await browser.visit(destroy)
    await old.visit()
    await Browser(browser.site, "s:forged.forged").visit()
    assert [event.kind for event in events] == [
        SessionEvent.CREATED,
        SessionEvent.REGENERATED,
        SessionEvent.DESTROYED,
        SessionEvent.UNKNOWN_ID,
        SessionEvent.BAD_SIGNATURE,
    ]
    shown = caplog.text + repr(events)
    for session_id in (first, second):
        assert session_id not in shown
        assert session_id[4:16] not in shown
    assert events[0].session is not None
    assert len(events[0].session) == 8


async def test_a_listener_that_fails_disturbs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Event) -> None:
        raise RuntimeError("a bad listener")

    assert (await Browser(Site(on_event=fail)).visit(setting(a=1))).status == 200
    assert "a bad listener" in caplog.text
