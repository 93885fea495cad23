"""How long sessions live: `max_age`, `rolling`, `absolute_max_age`, `rotate_after`, and the touches in between."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kick.clock import CLOCK
from kick.session import MemoryStore
from kick.session.stores.sqlite import SQLiteStore
from tests.session.conftest import DictStore
from tests.session.harness import Browser, Site, later, setting
from tests.session.test_session import writes_of


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def timed_store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Any:
    store = MemoryStore(clock=clock) if request.param == "memory" else SQLiteStore(tmp_path / "s.db", clock=clock)
    yield store
    await store.aclose()


async def test_a_session_of_60_seconds_is_alive_at_59_and_dead_at_61(timed_store: Any, clock: Clock) -> None:
    browser = Browser(Site(timed_store, max_age=60))
    await browser.visit(setting(a=1))
    clock.advance(59)
    assert await browser.data() == {"a": 1}
    clock.advance(2)
    assert await browser.data() == {}


async def test_an_expired_session_is_followed_by_one_with_another_id(timed_store: Any, clock: Clock) -> None:
    browser = Browser(Site(timed_store, max_age=60))
    await browser.visit(setting(a=1))
    before = browser.cookie
    clock.advance(61)
    await browser.visit(setting(b=2))
    assert browser.cookie != before
    assert await browser.data() == {"b": 2}


async def test_a_write_restarts_max_age_and_sends_the_cookie_again(timed_store: Any, clock: Clock) -> None:
    browser = Browser(Site(timed_store, max_age=60))
    await browser.visit(setting(a=1))
    clock.advance(50)
    answer = await browser.visit(setting(a=2))
    assert "Max-Age=60" in answer.cookies[0]
    clock.advance(50)
    assert await browser.data() == {"a": 2}


async def test_a_browser_that_writes_all_the_time_gets_its_cookie_once_in_a_tenth_of_max_age(
    timed_store: Any, clock: Clock
) -> None:
    browser = Browser(Site(timed_store, max_age=60))
    await browser.visit(setting(n=0))
    sent = []
    for second in range(1, 31):
        clock.advance(1)
        answer = await browser.visit(setting(n=second))
        sent.append(bool(answer.cookies))
        assert "cache-control" in dict(answer.headers) or not answer.cookies
    assert sum(sent) == 5
    assert sent[:6].count(True) == 1, "and never longer than a tenth of max_age without it"
    assert await browser.data() == {"n": 30}


async def test_not_rolling_a_read_prolongs_nothing(timed_store: Any, clock: Clock) -> None:
    browser = Browser(Site(timed_store, max_age=60))
    await browser.visit(setting(a=1))
    clock.advance(50)
    assert (await browser.visit(lambda session: session.data["a"])).cookies == []
    clock.advance(11)
    assert await browser.data() == {}


async def test_rolling_a_request_restarts_the_life_and_the_cookies_with_it(timed_store: Any, clock: Clock) -> None:
    browser = Browser(Site(timed_store, max_age=60, rolling=True))
    await browser.visit(setting(a=1))
    for _ in range(5):
        clock.advance(50)
        answer = await browser.visit(lambda session: session.data["a"])
        assert answer.value == 1
        assert "Max-Age=60" in answer.cookies[0]
    clock.advance(61)
    assert await browser.data() == {}


async def test_rolling_an_untouched_new_session_gets_no_cookie(timed_store: Any) -> None:
    assert (await Browser(Site(timed_store, rolling=True)).visit()).cookies == []


async def test_5_7_touches_are_throttled_to_a_tenth_of_max_age(timed_store: Any, clock: Clock) -> None:
    site = Site(timed_store, max_age=100, rolling=True)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    calls = writes_of(site)
    clock.advance(9)
    await browser.visit()
    assert calls == []
    clock.advance(1.5)
    await browser.visit()
    await browser.visit()
    assert calls == ["touch"]
    clock.advance(10.5)
    await browser.visit()
    assert calls == ["touch", "touch"]


async def test_5_7_long_sessions_are_touched_every_minute_at_most(timed_store: Any, clock: Clock) -> None:
    site = Site(timed_store, max_age=timedelta(days=1), rolling=True)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    calls = writes_of(site)
    clock.advance(59)
    await browser.visit()
    assert calls == []
    clock.advance(2)
    await browser.visit()
    assert calls == ["touch"]


async def test_5_7_what_a_request_has_saved_is_not_touched_as_well(timed_store: Any, clock: Clock) -> None:
    site = Site(timed_store, max_age=100, rolling=True)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    calls = writes_of(site)
    clock.advance(10.5)

    async def save(session: Any) -> None:
        session["a"] = 2
        await session.save()

    await browser.visit(save)
    await browser.visit()
    assert calls == ["commit"]


async def test_5_7_a_users_store_with_a_touch_of_its_own_is_touched_as_seldom() -> None:
    class Touching(DictStore):
        touches = 0

        async def touch(self, sid: str, max_age: float) -> None:
            self.touches += 1

    inner = Touching()
    site = Site(inner, rolling=True, max_age=100)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    later(site, 10.5)
    await browser.visit()
    later(site, -10)
    for _ in range(5):
        await browser.visit(lambda session: session["a"])
    assert inner.touches == 1


async def test_5_7_a_touch_after_destroy_revives_nothing(timed_store: Any, clock: Clock) -> None:
    site = Site(timed_store, max_age=60, rolling=True)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    clock.advance(30)
    other = browser.twin()

    async def act(session: Any) -> None:
        assert session.data["a"] == 1

        async def destroy(inner: Any) -> None:
            await inner.destroy()

        await other.visit(destroy)

    answer = await browser.twin().visit(act)
    assert answer.cookies == []
    assert await browser.data() == {}


@pytest.mark.parametrize("way", ["rolling", "writing", "regenerating", "rotating"])
async def test_the_deadline_is_extended_by_nothing(timed_store: Any, clock: Clock, way: str) -> None:
    browser = Browser(Site(timed_store, max_age=60, absolute_max_age=100, rolling=way == "rolling"))
    await browser.visit(setting(n=0))

    async def act(session: Any) -> Any:
        if way == "writing":
            session.data["n"] += 1
        elif way == "regenerating":
            await session.regenerate()
        elif way == "rotating":
            await session.rotate()
        return session.data["n"]

    clock.advance(50)
    answer = await browser.visit(act)
    assert "Max-Age=50" in answer.cookies[0], "the cookie ends with the session"
    clock.advance(40)
    answer = await browser.visit(act)
    assert answer.error is None
    if way == "writing":
        assert answer.cookies == [], "nothing has moved its end"
    else:
        assert "Max-Age=10" in answer.cookies[0]
    clock.advance(11)
    assert await browser.data() == {}


async def test_rolling_alone_ends_after_thirty_days(timed_store: Any, clock: Clock) -> None:
    browser = Browser(Site(timed_store, max_age=timedelta(days=2), rolling=True))
    await browser.visit(setting(a=1))
    for _ in range(29):
        clock.advance(86_400)
        assert await browser.data() == {"a": 1}
    clock.advance(86_401)
    assert await browser.data() == {}


async def test_rotate_after_draws_a_new_id_by_time(timed_store: Any, clock: Clock) -> None:
    browser = Browser(Site(timed_store, rotate_after=timedelta(minutes=15)))
    await browser.visit(setting(a=1))
    first = browser.cookie
    clock.advance(14 * 60)
    await browser.visit()
    assert browser.cookie == first
    clock.advance(2 * 60)
    old_tab = browser.twin()
    await browser.visit()
    assert browser.cookie != first
    assert await old_tab.data() == {"a": 1}, "within the grace"
    clock.advance(31)
    assert await browser.twin().data() == {"a": 1}
    assert await Browser(browser.site, first).data() == {}, "after it"


async def test_the_cookies_life_is_rounded_up(timed_store: Any) -> None:
    answer = await Browser(Site(timed_store, max_age=59.2)).visit(setting(a=1))
    assert "Max-Age=60" in answer.cookies[0]


async def test_expiry_counts_from_the_response_not_from_the_request(timed_store: Any, clock: Clock) -> None:
    browser = Browser(Site(timed_store, max_age=60))

    def slow(session: Any) -> None:
        clock.advance(30)
        session.data["a"] = 1

    await browser.visit(slow)
    clock.advance(59)
    assert await browser.data() == {"a": 1}


async def test_a_clock_that_is_set_back_revives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory store follows the monotonic clock, whatever happens to the time of day."""
    store = MemoryStore()
    browser = Browser(Site(store, max_age=60))
    await browser.visit(setting(a=1))
    monkeypatch.setattr(CLOCK, "time", lambda: 0.0)
    assert await browser.data() == {"a": 1}
    steady = CLOCK.monotonic
    monkeypatch.setattr(CLOCK, "monotonic", lambda: steady() + 61)
    assert await browser.data() == {}


@pytest.mark.parametrize("offset", [-3600, 3600])
async def test_only_the_clock_of_the_store_counts(offset: float) -> None:
    """It may differ from that of the machine: the monotonic clock stands still while a machine sleeps."""
    start = time.time() + offset
    clock = Clock()
    clock.now = start
    browser = Browser(Site(MemoryStore(clock=clock), rolling=True, max_age=60, absolute_max_age=3000))
    assert "Max-Age=60;" in (await browser.visit(setting(a=1))).cookies[0]
    while clock.now < start + 2940:
        clock.advance(30)
        answer = await browser.visit(lambda session: session["a"])
        assert answer.value == 1
        assert "Max-Age=60;" in answer.cookies[0]
    clock.advance(50)
    assert "Max-Age=10;" in (await browser.visit(lambda session: session["a"])).cookies[0]
