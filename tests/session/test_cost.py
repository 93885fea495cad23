"""What sessions cost: calls of the store, commands to Redis, and what a growing memory store adds to a request."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from kick.session import MemoryStore, Sessions
from kick.session.ids import generate_id, key_of
from kick.session.stores.base import Change
from kick.session.stores.redis import RedisStore
from tests.session.harness import Answer, Browser, Site, calls_to, setting
from tests.session.test_expiry import Clock
from tests.support.costs import ATTEMPTS
from tests.support.redis import RedisServer

# Calls of the store


async def increment(session: Any) -> None:
    await session.increment("n")


async def log_in(session: Any) -> None:
    await session.regenerate()
    session.data["user_id"] = session.principal = 7


async def save_twice(session: Any) -> None:
    session.data["a"] = 2
    await session.save()
    await session.save()


async def destroy(session: Any) -> None:
    await session.destroy()


def read_everything(session: Any) -> None:
    assert [session.data["a"], dict(session.data), session.id, session.principal, session.created_at]
    assert [list(session.flash), session.is_new, session.fingerprint, session.expires_at]


COSTS: list[tuple[Callable[[Any], Any], list[str]]] = [
    (lambda session: session.data["a"], ["load"]),
    (
        lambda session: [session.data["a"], dict(session.data), session.id, session.principal, session.expires_at],
        ["load"],
    ),
    (lambda _: None, ["load"]),
    (setting(a=1), ["load"]),
    (setting(a=2), ["load", "commit"]),
    (lambda session: session.data.update({f"k{number}": number for number in range(100)}), ["load", "commit"]),
    (lambda session: session.data.clear(), ["load", "commit"]),
    (lambda session: setattr(session, "principal", 7), ["load", "commit"]),
    (lambda session: session.flash.__setitem__("status", "Saved"), ["load", "commit"]),
    (increment, ["load", "commit"]),
    (save_twice, ["load", "commit", "load"]),
    (destroy, ["load", "destroy"]),
    (log_in, ["load", "move", "commit"]),
]


@pytest.mark.parametrize(("act", "expected"), COSTS)
async def test_a_request_that_reads_costs_one_call_and_one_that_changes_two(
    store: Any, act: Callable[[Any], Any], expected: list[str]
) -> None:
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    calls = calls_to(store)
    assert (await browser.visit(act)).status == 200
    assert calls == expected


async def test_the_first_write_of_a_visitor_costs_one_call(store: Any) -> None:
    browser = Browser(Site(store))
    calls = calls_to(store)
    await browser.visit(setting(a=1))
    assert calls == ["create"]


@pytest.mark.parametrize("cookie", [None, "", "kick.sid=", "kick.sid=forged", "kick.sid=s:x.y", "theme=dark"])
async def test_without_a_cookie_of_ours_reading_costs_no_call(store: Any, cookie: str | None) -> None:
    site = Site(store)
    calls = calls_to(store)
    answer = await site.request(lambda session: session.data.get("a"), cookie=cookie)
    assert (answer.status, answer.cookies) == (200, [])
    assert calls == []


@pytest.mark.parametrize("options", [{}, {"rolling": True, "save_uninitialized": True, "rotate_after": 0.001}])
async def test_a_route_that_is_switched_off_costs_no_call(store: Any, options: dict[str, Any]) -> None:
    site = Site(store, **options)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    calls = calls_to(store)
    assert (await browser.visit(path="/off")).status == 200
    assert (await Browser(site).visit(path="/off")).status == 200
    assert calls == []


async def test_a_cookie_that_leads_nowhere_costs_one_call_and_one_more_if_a_session_begins(store: Any) -> None:
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    old = browser.twin()
    await browser.visit(destroy)
    calls = calls_to(store)
    await old.twin().visit(lambda session: session.data.get("a"))
    assert calls == ["load"]
    await old.visit(setting(a=1))
    assert calls == ["load", "load", "create"]


async def test_a_list_of_devices_costs_one_call_and_so_does_ending_them() -> None:
    store = MemoryStore()
    site = Site(store)
    sessions = Sessions(site.layer.manager)
    for _ in range(3):
        await Browser(site).visit(log_in)
    calls = calls_to(store)
    assert len(await sessions.of(7)) == 3
    assert await sessions.revoke(7) == 3
    assert calls == ["find", "revoke"]


# Commands to Redis


SENT = ("hgetall", "evalsha", "eval", "get", "exists")
"""Commands that could come from a client; those that only scripts call are left out."""


def sent(server: RedisServer) -> dict[str, int]:
    """How often the server was sent each command since its counts were reset."""
    calls = {
        name: stats.removeprefix("calls=").partition(",")[0] for name, stats in server.info("commandstats").items()
    }
    return {name: int(calls[f"cmdstat_{name}"]) for name in SENT if f"cmdstat_{name}" in calls}


@pytest.fixture
async def redis_site(redis_url: str) -> AsyncIterator[Site]:
    """A site over Redis, which knows the scripts already."""
    store = RedisStore(redis_url, timeout=30)
    site = Site(store)
    browser = Browser(site)
    for act in (setting(a=1), setting(a=2), destroy):
        await browser.visit(act)
    yield site
    await store.aclose()


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda session: dict(session.data), {"hgetall": 1}),
        (lambda _: None, {"hgetall": 1}),
        (setting(a=2), {"hgetall": 1, "evalsha": 1}),
        (increment, {"hgetall": 1, "evalsha": 1}),
        (destroy, {"hgetall": 1, "evalsha": 1}),
    ],
)
async def test_a_request_that_reads_sends_redis_one_command_and_one_that_changes_two(
    redis_server: RedisServer, redis_site: Site, act: Callable[[Any], Any], expected: dict[str, int]
) -> None:
    browser = Browser(redis_site)
    await browser.visit(setting(a=1))
    redis_server.command("CONFIG", "RESETSTAT")
    await browser.visit(act)
    assert sent(redis_server) == expected


async def test_a_switched_off_route_and_a_visitor_without_a_cookie_send_redis_nothing(
    redis_server: RedisServer, redis_site: Site
) -> None:
    browser = Browser(redis_site)
    await browser.visit(setting(a=1))
    redis_server.command("CONFIG", "RESETSTAT")
    for _ in range(10):
        await browser.visit(path="/off")
        await Browser(redis_site).visit(lambda session: session.data.get("a"))
    assert sent(redis_server) == {}


# Growth of the memory store

ROUND = 200
"""Requests that are measured at once."""


async def filled(sessions: int, clock: Clock) -> Site:
    """A site whose store has so many sessions; those that begin here live for a minute."""
    store = MemoryStore(max_sessions=4 * sessions, clock=clock)
    for number in range(sessions):
        change = Change(set={"user_id": b"%d" % number}, principal=str(number))
        await store.create(key_of(generate_id()), change, max_age=3600 + number % 100)
    return Site(store, max_age=60)


async def create(site: Site, browsers: list[Browser], clock: Clock) -> None:
    for _ in range(ROUND):
        browser = Browser(site)
        await browser.visit(setting(a=1))
        browsers.append(browser)


async def read(site: Site, browsers: list[Browser], clock: Clock) -> None:
    for browser in browsers:
        answer: Answer = await browser.twin().visit(lambda session: session.data["a"])
        assert answer.value == 1


async def expire(site: Site, browsers: list[Browser], clock: Clock) -> None:
    stored = len(site.store)
    clock.advance(61)
    for browser in browsers:
        assert (await browser.visit(lambda session: len(session.data))).value == 0
    await site.store.purge()
    assert len(site.store) == stored - len(browsers)


STEPS = (create, read, expire)


async def calls_of(work: Awaitable[None]) -> int:
    """How many functions are called on the way, those written in C included."""
    seen = 0

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal seen
        seen += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        await work
    finally:
        sys.setprofile(None)
    return seen


async def seconds_of(work: Awaitable[None]) -> float:
    before = time.thread_time()
    await work
    return time.thread_time() - before


async def best_seconds(site: Site, clock: Clock) -> dict[str, float]:
    """The least processor time of each step, of several attempts."""
    measured = [await costs(site, clock, seconds_of) for _ in range(3)]
    return {name: min(each[name] for each in measured) for name in measured[0]}


async def costs(site: Site, clock: Clock, measure: Callable[[Awaitable[None]], Awaitable[float]]) -> dict[str, float]:
    """What creating, reading and expiring sessions costs in this store."""
    browsers: list[Browser] = []
    return {work.__name__: await measure(work(site, browsers, clock)) for work in STEPS}


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((1_000, 10_000, 100_000), marks=pytest.mark.long),
        pytest.param((1_000, 1_000_000), marks=pytest.mark.nightly),
    ],
)
async def test_creating_reading_and_expiring_cost_the_same_however_many_sessions_are_stored(
    sizes: tuple[int, ...],
) -> None:
    calls: dict[int, dict[str, float]] = {}
    sites: dict[int, tuple[Site, Clock]] = {}
    for size in sizes:
        clock = Clock()
        site = await filled(size, clock)
        await costs(site, clock, seconds_of)  # whatever is worked out at the first request is worked out here
        calls[size] = await costs(site, clock, calls_of)
        sites[size] = site, clock
    few, *more = sizes
    for size in more:
        for name in (work.__name__ for work in STEPS):
            assert calls[size][name] < 1.1 * calls[few][name], (name, calls)
        await assert_steps_cost_at_most(5, sites[size], sites[few])


async def assert_steps_cost_at_most(most: float, large: tuple[Site, Clock], small: tuple[Site, Clock]) -> None:
    """Measure both until each step was cheap enough once: a neighbour on the machine slows one of them alone."""
    lowest: dict[str, float] = {}
    for _ in range(ATTEMPTS):
        base, found = await best_seconds(*small), await best_seconds(*large)
        lowest = {name: min(found[name] / base[name], lowest.get(name, math.inf)) for name in found}
        if max(lowest.values()) < most:
            return
    raise AssertionError(f"times as much as among few sessions: {lowest}")
