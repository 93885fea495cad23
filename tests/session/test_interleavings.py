"""Requests that have all loaded one session, finished in every order, compared with a model of what must become of it.

Pairs run over every store, and a part of the triples in memory. `make nightly` adds all of the triples, quadruples, and
further options.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import pytest

from kick.session import MemoryStore, Sessions
from kick.session.ids import key_of
from kick.session.stores.base import Record
from kick.session.stores.custom import BasicStore
from tests.session.harness import Browser, Site
from tests.session.test_parallel import destroy, log_in_again, paused, rotate


async def count(session: Any) -> None:
    await session.increment("n")


async def log_in_without_the_data(session: Any) -> None:
    await session.regenerate(keep=False)
    session.data["user_id"] = 8


async def rotate_twice(session: Any) -> None:
    await session.rotate()
    await session.rotate()
    session.data["rotated"] = True


async def save_and_write(session: Any) -> None:
    session.data["saved"] = True
    await session.save()
    session.data["written"] = True


REQUESTS: dict[str, Callable[[Any], Any]] = {
    "write": lambda session: session.data.update(a=1),
    "count": count,
    "login": log_in_again,
    "login without the data": log_in_without_the_data,
    "rotate": rotate,
    "rotate twice": rotate_twice,
    "logout": destroy,
    "save": save_and_write,
    "read": lambda session: session.data.get("user_id"),
    "change the principal": lambda session: setattr(session, "principal", "8"),
}
"""And "revoke", which ends the sessions of the one who began the session."""

NAMES = [*REQUESTS, "revoke"]


@dataclasses.dataclass
class Live:
    """A session as it must be in the store."""

    data: dict[str, Any]
    principal: str | None = None

    @property
    def form(self) -> tuple[dict[str, Any], str | None]:
        return self.data, self.principal


class Model:
    """What must become of one session, and of the browser that has it, as one request after the other finishes.

    All requests loaded the session before the first of them finished.
    """

    def __init__(self, person: str, *, always_sends: bool) -> None:
        self.person = person
        self.always_sends = always_sends
        """Whether every answer under a live session carries the cookie."""
        self.first = Live({"user_id": 7, "secret": True}, person)
        self.live = [self.first]
        self.opens: Live | None = self.first
        """What the cookie in the browser leads to."""
        self.given_up = False
        """Whether a login has given the first id up: no other request may follow it."""

    def finish(self, name: str) -> tuple[int, str]:
        """The status of the answer, and its cookie: "none", "id" or "removal"."""
        if name == "logout":
            return self._log_out()
        if name == "revoke":
            self.live = [each for each in self.live if each.principal != self.person]
        if self.given_up:
            return (409 if name == "count" else 200), "none"
        if self.first not in self.live:
            return self._finish_under_an_ended_session(name)
        return 200, self._finish_under_the_live_session(name)

    def _log_out(self) -> tuple[int, str]:
        if self.first not in self.live:
            return 200, "none"
        self.live.remove(self.first)
        self.opens = None
        return 200, "removal"

    def _finish_under_an_ended_session(self, name: str) -> tuple[int, str]:
        if name not in ("login", "login without the data"):
            return (409 if name == "count" else 200), "none"
        self.opens = Live({"user_id": 8})
        self.live.append(self.opens)
        return 200, "id"

    def _finish_under_the_live_session(self, name: str) -> str:
        data = self.first.data
        match name:
            case "write":
                data["a"] = 1
            case "count":
                data["n"] = data.get("n", 0) + 1
            case "login":
                data["user_id"] = 8
                self.given_up = True
            case "login without the data":
                self.first.data, self.first.principal = {"user_id": 8}, None
                self.given_up = True
            case "rotate twice":
                data["rotated"] = True
            case "save":
                data.update(saved=True, written=True)
            case "change the principal":
                self.first.principal = "8"
            case "read" | "revoke":
                if not self.always_sends:
                    return "none"
            case _:
                pass
        self.opens = self.first
        return "id"


async def check(store: Any, names: Iterable[str], options: dict[str, Any]) -> None:
    """Let requests load at once and finish in this order, and hold every answer and the end against the model."""
    site = Site(store, **options).showing_writes()
    sessions = Sessions(site.layer.manager)
    stored = records(store)
    person = uuid4().hex
    model = Model(person, always_sends="rotate_after" in options)

    def begin(session: Any) -> None:
        session.data.update(user_id=7, secret=True)
        session.principal = person

    browser = Browser(site)
    await browser.visit(begin)
    await grown_old(site, browser)
    begun = browser.cookie
    waiting = [
        await paused(browser.twin(), REQUESTS.get(name) or (lambda _: sessions.revoke(person))) for name in names
    ]
    sent = {begun}
    for name, request in zip(names, waiting, strict=True):
        answer = await request.finish()
        cookie = {None: "none", "": "removal"}.get(answer.session_cookie, "id")
        status, expected = model.finish(name)
        assert (answer.status, cookie) == (status, expected), name
        if answer.session_cookie is not None:
            browser.cookie = answer.session_cookie or None
            sent.add(answer.session_cookie or None)
    await hold_against(model, Site(store), browser, sent)  # nothing rotates while somebody looks
    if stored is not None:
        assert records(store) == stored + len(model.live), "and no other is stored"


async def grown_old(site: Site, browser: Browser) -> None:
    """Wait until an id that has just begun rotates, if ids rotate: the clock of a store may be behind its records."""
    manager = site.layer.manager
    if manager.options.rotate_after is not None:
        answer = await browser.twin(Site(site.store)).visit(lambda session: session.id)
        record = await site.store.load(key_of(answer.value))
        late = record.issued_at + manager.options.rotate_after - manager.operations.now()
        await asyncio.sleep(late + 0.001 if late > 0 else 0)


def records(store: Any) -> int | None:
    """How many sessions a memory store has."""
    if not isinstance(store, MemoryStore):
        return None
    return sum(isinstance(entry, Record) for entry in store._entries.values())


async def hold_against(model: Model, look: Site, browser: Browser, sent: set[str | None]) -> None:
    opened = {}
    for cookie in sent:
        answer = await Browser(look, cookie).visit(lambda session: (session.id, dict(session.data), session.principal))
        if answer.value[1]:
            opened[answer.value[0]] = answer.value[1:]
    assert _sorted(opened.values()) == _sorted(each.form for each in model.live), "every live session can be reached"
    answer = await browser.twin(look).visit(lambda session: (dict(session.data), session.principal))
    expected = model.opens.form if model.opens in model.live and model.opens is not None else ({}, None)
    assert answer.value == expected, "what the browser has at the end"


def _sorted(forms: Iterable[Any]) -> list[Any]:
    return sorted(forms, key=repr)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"rolling": True, "save_uninitialized": True, "rotate_after": 0.000_001},
    {"rolling": True},
    {"save_uninitialized": True},
]


@pytest.mark.parametrize(
    "options", [*OPTIONS[:2], *(pytest.param(each, marks=pytest.mark.nightly) for each in OPTIONS[2:])]
)
async def test_of_any_two_requests_in_any_order_each_does_what_it_may(
    racing_store: Any, options: dict[str, Any]
) -> None:
    names = list(REQUESTS) if isinstance(racing_store, BasicStore) else NAMES
    for pair in itertools.product(names, repeat=2):
        await check(racing_store, pair, options)


@pytest.mark.parametrize("options", OPTIONS)
async def test_of_three_requests_in_some_orders_each_does_what_it_may(options: dict[str, Any]) -> None:
    some = list(itertools.product(NAMES, repeat=3))[::7]
    assert all(set(places) == set(NAMES) for places in zip(*some, strict=True)), "each request is in each place"
    for names in some:
        await check(MemoryStore(), names, options)


@pytest.mark.nightly
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("number", [3, 4])
async def test_of_several_requests_in_any_order_each_does_what_it_may(number: int, options: dict[str, Any]) -> None:
    for names in itertools.product(NAMES, repeat=number):
        await check(MemoryStore(), names, options)
