"""An application whose clock differs from that of Redis: sessions neither die early nor live for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kick.clock import CLOCK
from kick.session.stores import server_clock
from kick.session.stores.redis import RedisStore
from kick.session.stores.redis.clock import RedisClock
from tests.session.harness import Browser, Site, calls_to, setting
from tests.support.redis import RedisServer

DAY = 86_400.0


def is_off(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the clock of this process, as far as sessions look at it."""
    real = time.time
    monkeypatch.setattr("kick.session.stores.server_clock.time.time", lambda: real() + seconds)
    monkeypatch.setattr(CLOCK, "time", lambda: real() + seconds)


@pytest.fixture(params=[-DAY, -30.0, 30.0, DAY])
async def store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> AsyncIterator[RedisStore]:
    """A store of an application whose clock is behind or ahead."""
    is_off(monkeypatch, request.param)
    store = RedisStore(redis_url, timeout=30)
    yield store
    await store.aclose()


def lives(server: RedisServer, browser: Browser) -> float:
    """For how long Redis keeps the one session that is not a marker, in seconds."""
    keys = server.command("KEYS", "kick:{*")
    assert isinstance(keys, list)
    return max(int(str(server.command("PTTL", str(key)))) for key in keys) / 1000


async def test_the_time_is_that_of_the_server(store: RedisStore, redis_server: RedisServer) -> None:
    await Browser(Site(store)).visit(setting(a=1))
    answer = redis_server.command("TIME")
    assert isinstance(answer, list)
    assert abs(store.now() - int(str(answer[0])) - int(str(answer[1])) / 1e6) < 15


async def test_a_rotation_by_time_comes_when_it_is_due_and_prolongs_nothing(
    store: RedisStore, redis_server: RedisServer
) -> None:
    site = Site(store, max_age=3600, rotate_after=900)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    for _ in range(3):
        await browser.visit(lambda session: session["a"])
    assert site.events.count("rotated") == 0
    at_once = Site(store, max_age=3600, rotate_after=0.001)
    for _ in range(3):
        await browser.twin(at_once).visit(lambda session: session["a"])
        before = lives(redis_server, browser)
        tab = browser.twin(at_once)
        await tab.visit(lambda session: session["a"])
        browser.cookie = tab.cookie
        assert 3500 < lives(redis_server, browser) <= before + 0.5
    assert await browser.data() == {"a": 1}


async def test_touches_come_when_they_are_due(store: RedisStore, redis_server: RedisServer) -> None:
    site = Site(store, max_age=20, rolling=True)  # a touch is due after a tenth of it
    browser = Browser(site)
    begun = time.monotonic()
    await browser.visit(setting(a=1))
    calls = calls_to(store)
    await browser.visit()
    assert calls == ["load"] or time.monotonic() - begun >= 2, "just written"
    async with asyncio.timeout(60):
        while "touch" not in calls:
            await asyncio.sleep(0.05)
            assert (await browser.visit(lambda session: session["a"])).value == 1
    assert lives(redis_server, browser) > 15


async def test_the_cookie_ends_with_the_deadline(store: RedisStore) -> None:
    browser = Browser(Site(store, max_age=3600, absolute_max_age=1800))
    for act in (setting(a=1), lambda session: session.regenerate()):
        (cookie,) = (await browser.visit(act)).cookies
        age = int(cookie.partition("Max-Age=")[2].partition(";")[0])
        assert 1740 <= age <= 1860  # the clocks are compared over a connection that may be slow


async def test_a_process_that_starts_later_knows_the_time_with_its_first_load(
    store: RedisStore, redis_url: str, redis_server: RedisServer
) -> None:
    browser = Browser(Site(store, max_age=3600))
    await browser.visit(setting(a=1))
    later = RedisStore(redis_url, timeout=30)
    site = Site(later, max_age=3600, rotate_after=900)
    assert (await browser.twin(site).visit(lambda session: session["a"])).value == 1
    assert site.events == []
    assert 3500 < lives(redis_server, browser) <= 3600
    await later.aclose()


async def test_the_server_is_asked_once_a_minute_and_never_waited_for(
    redis_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(redis_url, timeout=30)
    browser = Browser(Site(store, max_age=3600, rolling=True))
    asked: list[Any] = []
    ask = RedisClock.ask
    monkeypatch.setattr(RedisClock, "ask", lambda *given: asked.append(1) or ask(*given))
    await browser.visit(setting(a=1))
    for _ in range(20):
        await browser.visit()
    assert len(asked) == 1
    store._clock.due_at -= server_clock.ASK_EVERY
    for _ in range(20):
        await browser.visit()
    assert len(asked) == 2
    await store.aclose()


async def test_until_redis_answers_it_is_the_time_of_this_machine(redis_server: RedisServer, redis_url: str) -> None:
    redis_server.pause()
    store = RedisStore(redis_url, timeout=2)
    try:
        assert (await Browser(Site(store)).visit(setting(a=1))).status == 503
        assert abs(store.now() - time.time()) < 60
    finally:
        redis_server.resume()
    browser = Browser(Site(store))
    while (await browser.visit(setting(a=1))).status != 200:  # it has two seconds for each answer
        pass
    async with asyncio.timeout(60):
        while store._clock._ahead is None:  # it is asked again
            store.now()
            await browser.visit(lambda session: session.get("a"))
    await store.aclose()


def test_outside_of_a_loop_nobody_is_asked() -> None:
    assert abs(RedisStore("redis://localhost:1").now() - time.time()) < 60
