"""Ratios of processor time: what one piece of work costs beside another, on a machine that is busy with others too."""

import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic

ATTEMPTS = 12
"""Ratios that are measured until one is low enough: a neighbour takes cache and clock, and slows one side alone."""

PATIENCE = 90.0
"""Seconds after which no further attempt begins: a test that fails must do so before its worker is given up."""

REPEATS = 3
"""Runs of each side in an attempt, in turn; the fastest of each counts."""


def assert_costs_at_most(
    most: float,
    work: Callable[[], object],
    base: Callable[[], object],
    *,
    clock: Callable[[], float] = time.thread_time,
) -> None:
    """Fail if `work` takes more than `most` times the processor time of `base`, at the best of several attempts."""

    def took(call: Callable[[], object]) -> float:
        began = clock()
        call()
        return clock() - began

    ratios: list[float] = []
    since = monotonic()
    while _goes_on(ratios, most, since):
        with _no_collections():
            times = [(took(work), took(base)) for _ in range(REPEATS)]
        ratios.append(_ratio(times))
    _check(ratios, most)


async def assert_awaiting_costs_at_most(
    most: float,
    work: Callable[[], Awaitable[object]],
    base: Callable[[], Awaitable[object]],
    *,
    clock: Callable[[], float] = time.thread_time,
) -> None:
    """The same for coroutines that wait for nobody else."""

    async def took(call: Callable[[], Awaitable[object]]) -> float:
        began = clock()
        await call()
        return clock() - began

    ratios: list[float] = []
    since = monotonic()
    while _goes_on(ratios, most, since):
        with _no_collections():
            times = [(await took(work), await took(base)) for _ in range(REPEATS)]
        ratios.append(_ratio(times))
    _check(ratios, most)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Collect no garbage meanwhile: it takes longer the more objects other tests have left behind."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _goes_on(ratios: list[float], most: float, since: float) -> bool:
    if not ratios:
        return True
    return ratios[-1] > most and len(ratios) < ATTEMPTS and monotonic() - since < PATIENCE


def _ratio(times: list[tuple[float, float]]) -> float:
    works, bases = zip(*times, strict=True)
    return float(min(works) / max(min(bases), 1e-6))


def _check(ratios: list[float], most: float) -> None:
    assert ratios[-1] <= most, f"{min(ratios):.2f} times as much as its base, and {most:g} times is the most"
