"""The counters in memory, with the strategies of `limits` on top of them and a clock that the tests set."""

from __future__ import annotations

from typing import Any

import pytest
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import STRATEGIES

from kick.middleware.rate_limit.counters import MemoryCounters


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counters(clock: Clock) -> MemoryCounters:
    return MemoryCounters(clock=clock, wall=clock)


async def hits(limiter: Any, count: int, key: str = "a") -> int:
    """How many of so many requests at once are allowed."""
    return sum([await limiter.hit(parse("10/minute"), key) for _ in range(count)])


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_limit_is_exact_and_each_client_has_its_own(strategy: str, counters: MemoryCounters) -> None:
    limiter = STRATEGIES[strategy](counters)
    assert [await hits(limiter, 15), await hits(limiter, 15, "b")] == [10, 10]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_after_two_windows_nothing_is_left(strategy: str, counters: MemoryCounters, clock: Clock) -> None:
    limiter = STRATEGIES[strategy](counters)
    await hits(limiter, 15)
    clock.now += 120
    assert await hits(limiter, 15) == 10


async def test_a_fixed_window_begins_anew_at_its_end(counters: MemoryCounters, clock: Clock) -> None:
    limiter = STRATEGIES["fixed-window"](counters)
    await hits(limiter, 10)
    clock.now += 59.9
    assert await hits(limiter, 1) == 0
    assert (await limiter.get_window_stats(parse("10/minute"), "a")).reset_time == 1_000_060
    clock.now += 0.2
    assert await hits(limiter, 15) == 10


async def test_a_moving_window_forgets_each_request_after_its_time(counters: MemoryCounters, clock: Clock) -> None:
    limiter = STRATEGIES["moving-window"](counters)
    await hits(limiter, 4)
    clock.now += 30
    await hits(limiter, 6)
    clock.now += 30
    assert await hits(limiter, 15) == 4
    reset, remaining = await limiter.get_window_stats(parse("10/minute"), "a")
    assert (reset, remaining) == (1_000_090, 0)


async def test_a_sliding_window_weighs_the_one_before(counters: MemoryCounters, clock: Clock) -> None:
    limiter = STRATEGIES["sliding-window-counter"](counters)
    await hits(limiter, 10)
    clock.now += 60 + 30
    assert await hits(limiter, 15) == 5
    clock.now += 15
    assert await hits(limiter, 15) == 3


async def test_a_request_that_is_refused_does_not_count(counters: MemoryCounters) -> None:
    for strategy in ("moving-window", "sliding-window-counter"):
        limiter = STRATEGIES[strategy](counters)
        assert not await limiter.hit(parse("10/minute"), strategy, cost=11)
        assert await hits(limiter, 15, strategy) == 10


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_it_counts_as_the_storage_of_the_library_does(strategy: str, clock: Clock) -> None:
    ours, theirs = STRATEGIES[strategy](MemoryCounters()), STRATEGIES[strategy](MemoryStorage())
    item = parse("7/day")
    for cost in (1, 3, 2, 2, 1):
        assert await ours.hit(item, "a", cost=cost) == await theirs.hit(item, "a", cost=cost)
        mine, other = await ours.get_window_stats(item, "a"), await theirs.get_window_stats(item, "a")
        assert mine.remaining == other.remaining


async def test_what_has_expired_goes_away(counters: MemoryCounters, clock: Clock) -> None:
    limiter = STRATEGIES["fixed-window"](counters)
    for number in range(500):
        await hits(limiter, 1, str(number))
    assert len(counters) == 500
    clock.now += 61
    for number in range(300):
        await hits(limiter, 1, f"new {number}")
    assert len(counters) == 300


async def test_there_are_never_more_than_max_keys(clock: Clock) -> None:
    counters = MemoryCounters(max_keys=10, clock=clock, wall=clock)
    limiter = STRATEGIES["fixed-window"](counters)
    for number in range(50):
        await hits(limiter, 1, str(number))
    assert len(counters) == 10
    assert await counters.check()
    assert await counters.reset() == 10
    assert len(counters) == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_nobody_pushes_his_own_count_out_with_many_addresses(strategy: str, clock: Clock) -> None:
    counters = MemoryCounters(max_keys=1000, clock=clock, wall=clock)
    limiter = STRATEGIES[strategy](counters)
    assert await hits(limiter, 11) == 10
    for number in range(3000):
        await hits(limiter, 1, f"2001:db8::{number:x}")
    assert len(counters) == 1000
    assert await hits(limiter, 11) == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_client_can_be_forgotten(strategy: str, counters: MemoryCounters) -> None:
    limiter = STRATEGIES[strategy](counters)
    await hits(limiter, 15)
    await limiter.clear(parse("10/minute"), "a")
    assert await hits(limiter, 15) == 10
