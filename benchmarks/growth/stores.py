"""Stores of sessions that hold more and more of them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from benchmarks.growth.points import Points, least
from benchmarks.results import Panel
from kick.session import MemoryStore
from kick.session.stores.base import AtomicStore, Change, Committed
from kick.session.stores.url import open_store

SESSIONS: Final = (1_000, 10_000, 100_000, 1_000_000)
LOOKS: Final = 2000
"""Sessions that are read, or added, for one timing."""
A_DAY: Final = 86_400.0
CHANGE: Final = Change(set={"user_id": b"7", "role": b'"editor"', "n": b"0"})
VISIT: Final = Change(set={"n": b"1"})


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 1e-4  # no two sessions end at the same time
        return self.now


def _key(number: int) -> str:
    return f"{number % 9973:04d}:{number:039d}"


async def _fill(store: AtomicStore, first: int, last: int, *, at_once: int = 1) -> None:
    """Add sessions; those of a store that is elsewhere go there several `at_once`."""
    if at_once == 1:
        for number in range(first, last):
            await store.create(_key(number), CHANGE, max_age=A_DAY)
        return
    for start in range(first, last, at_once):
        numbers = range(start, min(start + at_once, last))
        await asyncio.gather(*(store.create(_key(number), CHANGE, max_age=A_DAY) for number in numbers))


async def _reading(store: AtomicStore, count: int, looks: int | None = None) -> float:
    """Microseconds of a load, of sessions from all over the store."""
    looks = looks or LOOKS
    step = max(1, count // looks)
    numbers = [number % count for number in range(0, looks * step, step)]
    began = time.perf_counter()
    for number in numbers:
        assert await store.load(_key(number)) is not None
    return (time.perf_counter() - began) / len(numbers) * 1e6


async def _changing(store: AtomicStore, count: int, looks: int) -> float:
    """Microseconds of a commit, of sessions from all over the store."""
    step = max(1, count // looks)
    keys = [_key(number % count) for number in range(0, looks * step, step)]
    began = time.perf_counter()
    for key in keys:
        assert isinstance(await store.commit(key, VISIT, max_age=A_DAY), Committed)
    return (time.perf_counter() - began) / looks * 1e6


async def _adding(store: AtomicStore, numbers: Iterator[int]) -> float:
    """Microseconds of a create."""
    keys = [_key(number) for number in itertools.islice(numbers, LOOKS)]
    began = time.perf_counter()
    for key in keys:
        await store.create(key, CHANGE, max_age=A_DAY)
    return (time.perf_counter() - began) / LOOKS * 1e6


async def _expiring(store: MemoryStore, clock: Clock, numbers: Iterator[int]) -> tuple[float, float]:
    """Microseconds of a create while all that the store holds has expired and is freed bit by bit: mean and 99%."""
    clock.now += 2 * A_DAY
    times = []
    for number in itertools.islice(numbers, LOOKS):
        began = time.perf_counter()
        await store.create(_key(number), CHANGE, max_age=A_DAY)
        times.append((time.perf_counter() - began) * 1e6)
    return sum(times) / LOOKS, sorted(times)[LOOKS * 99 // 100]


async def memory(most: int) -> list[Panel]:
    """The memory store with more and more sessions."""
    read: Points = []
    added: Points = []
    mean: Points = []
    slow: Points = []
    sizes: Points = []
    for count in _up_to(most):
        sizes.append((count, await _bytes_each(count)))
        clock = Clock()
        store = MemoryStore(max_sessions=count * 2 + 1_000_000, clock=clock)
        await _fill(store, 0, count)
        numbers = itertools.count(10 * most)
        read.append((count, await least(partial(_reading, store, count))))
        added.append((count, await least(partial(_adding, store, numbers))))
        for points, found in zip((mean, slow), await _expiring(store, clock, numbers), strict=True):
            points.append((count, found))
        await store.aclose()
        del store
        gc.collect()
        print(f"  memory store, {count:,} sessions", flush=True)
    near = "constant, except that the processor caches hold ten thousand sessions, but not a million"
    bounded = "bounded: each create frees at most 32 sessions, and a larger heap makes each of them slower"
    expired = {"mean": mean, "99% within": slow}
    return [
        Panel("Sessions in memory: one operation", "sessions", "µs", {"load": read, "create": added}, note=near),
        Panel("Sessions in memory: a create, all have expired", "sessions", "µs", expired, note=bounded),
        Panel("Sessions in memory: size", "sessions", "bytes each", {"three keys": sizes}, note="constant"),
    ]


async def _bytes_each(count: int) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        store = MemoryStore(max_sessions=count)
        await _fill(store, 0, count)
        size, _ = tracemalloc.get_traced_memory()
        await store.aclose()
    finally:
        tracemalloc.stop()
    return size / count


async def outside(most: int, urls: Mapping[str, str]) -> list[Panel]:
    """Sessions in SQLite and on servers, more and more of them; `urls` are those of the stores, by name."""
    loads: dict[str, Points] = {}
    commits: dict[str, Points] = {}
    for name, url in urls.items():
        store: Any = open_store(url, timeout=30)  # a machine that is busy is no error
        held = 0
        for count in _up_to(most):
            await _fill(store, held, count, at_once=100)
            held = count
            loads.setdefault(name, []).append((count, await least(partial(_reading, store, count, 500))))
            commits.setdefault(name, []).append((count, await least(partial(_changing, store, count, 500))))
            print(f"  {name}, {count:,} sessions", flush=True)
        await store.aclose()
    constant = "nearly constant: a B-tree"
    return [
        Panel("Sessions outside the process: a load", "sessions", "µs", loads, note=constant),
        Panel("Sessions outside the process: a commit", "sessions", "µs", commits, note=constant),
    ]


def _up_to(most: int) -> list[int]:
    return [count for count in SESSIONS if count <= most]
