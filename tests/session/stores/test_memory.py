"""What is special about the memory store: its bounds, its clock, and what it costs."""

import asyncio
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kick.clock import CLOCK
from kick.session.ids import generate_id, key_of
from kick.session.stores import memory
from kick.session.stores.base import Change, Record
from kick.session.stores.memory import MemoryStore
from kick.testing.store_contract import fields_of, new_key
from tests.support.costs import assert_awaiting_costs_at_most

LONG = 3600.0


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def filled(store: MemoryStore, sessions: int, *, max_age: float = LONG) -> list[str]:
    keys = [new_key() for _ in range(sessions)]
    for key in keys:
        await store.create(key, Change(set={"a": b"1"}, principal="ann"), max_age=max_age)
    return keys


async def alive(store: MemoryStore, keys: list[str]) -> list[bool]:
    return [isinstance(await store.load(key), Record) for key in keys]


# how much it holds


@pytest.mark.parametrize("max_sessions", [0, -1])
def test_a_store_for_nothing_is_refused(max_sessions: int) -> None:
    with pytest.raises(ValueError, match="max_sessions must be at least 1"):
        MemoryStore(max_sessions=max_sessions)


async def test_a_full_store_lets_go_of_the_session_nearest_to_its_expiry(clock: Clock) -> None:
    store, keys = MemoryStore(max_sessions=4, clock=clock), [new_key() for _ in range(6)]
    for key, max_age in zip(keys, (300, 100, 400, 200, 500, 600), strict=True):
        await store.create(key, Change(), max_age=max_age)
    assert await alive(store, keys) == [True, False, True, False, True, True]
    assert len(store) == 4


async def test_a_full_store_knows_of_lives_that_became_longer_or_shorter(clock: Clock) -> None:
    store, keys = MemoryStore(max_sessions=3, clock=clock), [new_key() for _ in range(5)]
    for key, max_age in zip(keys[:3], (100, 200, 300), strict=True):
        await store.create(key, Change(), max_age=max_age)
    await store.touch(keys[0], max_age=1000)
    await store.commit(keys[2], Change(), max_age=50)
    await store.create(keys[3], Change(), max_age=400)
    assert await alive(store, keys[:4]) == [True, True, False, True]
    await store.create(keys[4], Change(), max_age=400)
    assert await alive(store, keys) == [True, False, False, True, True]


async def test_a_full_store_lets_the_expired_go_first(clock: Clock) -> None:
    store = MemoryStore(max_sessions=10, clock=clock)
    expired = await filled(store, 5, max_age=10)
    live = await filled(store, 5)
    clock.now += 10
    more = await filled(store, 5)
    assert await alive(store, expired + live + more) == [False] * 5 + [True] * 10


async def test_an_evicted_session_is_not_found_by_its_principal(clock: Clock) -> None:
    store = MemoryStore(max_sessions=2, clock=clock)
    keys = await filled(store, 1, max_age=10) + await filled(store, 2)
    assert {key for key, _ in await store.find("ann")} == set(keys[1:])


async def test_markers_of_moved_sessions_make_room_too(clock: Clock) -> None:
    store = MemoryStore(max_sessions=10, clock=clock)
    for key in await filled(store, 10):
        await store.move(key, new_key(key), max_age=LONG, grace=60)
    await filled(store, 1)
    assert len(store) == 10


# time


async def test_expired_sessions_are_freed_though_nobody_asks_for_them() -> None:
    store = MemoryStore()
    await filled(store, 300, max_age=0.01)
    async with asyncio.timeout(60):
        while len(store) > 0:  # noqa: ASYNC110 (freeing tells nobody)
            await asyncio.sleep(0.05)
    assert await store.find("ann") == []
    await store.aclose()


async def test_creating_frees_what_has_expired_a_bounded_number_at_a_time(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    await filled(store, 2 * memory.SWEEP_AT_ONCE, max_age=10)
    clock.now += 10
    await filled(store, 1)
    assert len(store) == memory.SWEEP_AT_ONCE + 1
    await filled(store, 1)
    assert len(store) == 2


async def test_a_crowd_that_expired_does_not_wait_a_second_for_each_sweep(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    await filled(store, 3 * memory.SWEEP_AT_ONCE, max_age=10)
    clock.now += 10
    left, waits = [], []
    for _ in range(3):
        store._on_timer()
        left.append(len(store))
        waits.append(0.0 if store._timer is None else store._timer[1].when() - asyncio.get_running_loop().time())
        await store.aclose()
    assert left == [2 * memory.SWEEP_AT_ONCE, memory.SWEEP_AT_ONCE, 0]
    assert all(wait <= memory.SWEEP_PAUSE for wait in waits)


async def test_purge_says_how_many_it_freed(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    await filled(store, 1000, max_age=10)
    await filled(store, 500, max_age=11)
    clock.now += 10
    assert await store.purge() == 1000
    assert await store.purge() == 0
    assert len(store) == 500


async def test_setting_the_clock_of_the_machine_revives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = 50.0
    monkeypatch.setattr(CLOCK, "time", lambda: 1_800_000_000.0)
    monkeypatch.setattr(CLOCK, "monotonic", lambda: passed)
    store, key = MemoryStore(), new_key()
    await store.create(key, Change(), max_age=60)
    record = await store.load(key)
    assert isinstance(record, Record)
    assert record.created_at == 1_800_000_000.0
    passed += 60
    monkeypatch.setattr(CLOCK, "time", lambda: 1_800_000_000.0 - 86_400)
    assert await store.load(key) is None


def test_one_store_serves_one_loop_after_another() -> None:
    store, key = MemoryStore(), new_key()
    asyncio.run(store.create(key, Change(set={"a": b"1"}), max_age=LONG))
    assert asyncio.run(fields_of(store, key)) == {"a": b"1"}
    asyncio.run(store.aclose())


# what it costs


@pytest.mark.long  # its short form, which measures what the system sees, comes next
async def test_a_session_takes_less_than_700_bytes() -> None:
    store, sessions = MemoryStore(max_sessions=100_000), 100_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(sessions):
            change = Change(set={"user_id": b"%d" % number})
            await store.create(key_of(generate_id()), change, max_age=LONG, absolute_max_age=2 * LONG)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(store) == sessions
    assert (after - before) / sessions < 700


MANY = """
import asyncio, os, sys
from kick.session.ids import generate_id, key_of
from kick.session.stores.base import Change
from kick.session.stores.memory import MemoryStore

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

async def fill(sessions):
    store = MemoryStore(max_sessions=sessions)
    before = resident()
    for number in range(sessions):
        change = Change(set={"user_id": b"%d" % number})
        await store.create(key_of(generate_id()), change, max_age=86400, absolute_max_age=30 * 86400)
    assert len(store) == sessions
    print((resident() - before) / sessions)

asyncio.run(fill(int(sys.argv[1])))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux: /proc says what a process takes")
@pytest.mark.process
@pytest.mark.long
@pytest.mark.parametrize("sessions", [100_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
def test_as_the_system_sees_it_many_sessions_take_less_than_700_bytes_each(sessions: int) -> None:
    command = [sys.executable, "-c", MANY, str(sessions)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 100 < float(done.stdout) < 700


async def test_the_heap_stays_small_whatever_comes_and_goes(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    kept = await filled(store, 100)
    for _ in range(3000):
        (key,) = await filled(store, 1)
        await store.move(key, new := new_key(key), max_age=LONG, grace=0)
        await store.destroy(new)
    assert len(store._due) <= 2 * len(store) + memory.SWEEP_AT_ONCE
    assert await alive(store, kept) == [True] * 100


async def test_the_heap_stays_small_though_one_life_gets_longer_and_shorter(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    (key,) = await filled(store, 1)
    for _ in range(3000):
        await store.commit(key, Change(), max_age=2 * LONG)
        await store.commit(key, Change(), max_age=LONG)
    assert len(store._due) <= 2 + memory.SWEEP_AT_ONCE


async def test_no_principal_is_remembered_longer_than_its_sessions(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    for number in range(100):
        key = new_key()
        await store.create(key, Change(principal=f"user {number}"), max_age=LONG)
        await store.commit(key, Change(principal=None if number % 2 else "ann"), max_age=10)
    clock.now += 10
    await store.purge()
    assert store._keys_of == {}


async def test_freeing_looks_at_what_has_expired_and_not_at_what_is_stored(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, looked_at = MemoryStore(clock=clock), list[str]()
    await filled(store, 20_000)
    expired = await filled(store, 10, max_age=10)
    clock.now += 10
    settle = store._settle
    monkeypatch.setattr(store, "_settle", lambda due, key, now: looked_at.append(key) or settle(due, key, now))
    assert await store.purge() == 10
    assert sorted(looked_at) == sorted(expired)


@pytest.mark.long
async def test_an_operation_takes_no_longer_when_a_hundred_times_as_much_is_stored(clock: Clock) -> None:
    async def full(sessions: int) -> Callable[[], Awaitable[None]]:
        store = MemoryStore(max_sessions=sessions, clock=clock)
        await filled(store, sessions)

        async def use() -> None:
            for key in await filled(store, 3000):
                await store.commit(key, Change(set={"a": b"2"}), max_age=LONG)
                await store.destroy(key)

        return use

    await assert_awaiting_costs_at_most(6, await full(100_000), await full(1000))
