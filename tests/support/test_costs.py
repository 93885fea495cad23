"""Costs that are compared: a comparison ends, also one that fails on a slow machine."""

import pytest

from tests.support import costs
from tests.support.costs import assert_costs_at_most


class Clock:
    """A clock that goes on by the work itself."""

    def __init__(self) -> None:
        self.now = 0.0
        self.works = 0

    def __call__(self) -> float:
        return self.now

    def work(self) -> None:
        self.works += 1
        self.now += 10

    def base(self) -> None:
        self.now += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(costs, "monotonic", clock)
    return clock


def test_one_attempt_is_enough_if_its_ratio_is_low(clock: Clock) -> None:
    assert_costs_at_most(10, clock.work, clock.base, clock=clock)
    assert clock.works == costs.REPEATS


def test_no_attempt_begins_when_the_time_is_over(clock: Clock) -> None:
    with pytest.raises(AssertionError, match=r"10\.00 times as much as its base, and 9 times is the most"):
        assert_costs_at_most(9, clock.work, clock.base, clock=clock)
    attempt = costs.REPEATS * 11
    assert costs.PATIENCE <= clock.now < costs.PATIENCE + attempt


def test_the_number_of_attempts_is_limited_too(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "PATIENCE", 1e9)
    with pytest.raises(AssertionError):
        assert_costs_at_most(9, clock.work, clock.base, clock=clock)
    assert clock.works == costs.ATTEMPTS * costs.REPEATS
