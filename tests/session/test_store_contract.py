"""The contract of stores, over each store that needs nothing but this machine; and over several processes."""

import asyncio
import itertools
import multiprocessing
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from kick.session.stores.base import AtomicStore, Change, Committed, Record
from kick.session.stores.memory import MemoryStore
from kick.session.stores.sqlite import SQLiteStore
from kick.testing.store_contract import Findings, MakeStore, StoreContract, fields_of, new_key, race

PROCESSES = 3
TASKS = 8
ROUNDS = 60


class TestMemoryStore(StoreContract):
    controls_time = True
    short = 60.0

    @pytest.fixture
    def make_store(self) -> MakeStore:
        self.now = 1_800_000_000.0

        async def make() -> AtomicStore:
            return MemoryStore(clock=lambda: self.now)

        return make

    async def advance(self, seconds: float) -> None:
        self.now += seconds


class TestSQLiteStore(StoreContract):
    controls_time = True
    short = 60.0

    @pytest.fixture
    def make_store(self, tmp_path: Path) -> MakeStore:
        self.now = 1_800_000_000.0
        numbers = itertools.count()

        async def make() -> AtomicStore:
            return SQLiteStore(tmp_path / f"{next(numbers)}.db", clock=lambda: self.now)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        assert isinstance(store, SQLiteStore)
        return SQLiteStore(store.path, clock=lambda: self.now)

    async def advance(self, seconds: float) -> None:
        self.now += seconds


class TestSQLiteStoreByTheClock(StoreContract):
    """With the clock of the machine, as an author's store without one would be run."""

    short = 0.05

    @pytest.fixture
    def make_store(self, tmp_path: Path) -> MakeStore:
        numbers = itertools.count()

        async def make() -> AtomicStore:
            return SQLiteStore(tmp_path / f"{next(numbers)}.db", durable=True)

        return make


class CarelessStore(MemoryStore):
    """Commits what it has read a moment ago, as a store would that has no transactions."""

    async def commit(self, key: str, change: Change, *, max_age: float):  # type: ignore[no-untyped-def]
        before = self._entries.get(key)
        await asyncio.sleep(0)
        after = self._entries.get(key)
        if before is not None and before is not after:
            self._entries[key] = before
        return await super().commit(key, change, max_age=max_age)


async def test_the_race_finds_out_a_store_that_loses_and_revives() -> None:
    findings = await race([CarelessStore()], clients=12, turns=100)
    assert findings.operations == 1200
    assert findings.lost_updates > 0
    assert findings.resurrections > 0
    assert findings.double_sessions > 0


async def test_the_race_finds_nothing_in_a_store_that_keeps_its_promises(tmp_path: Path) -> None:
    stores = [SQLiteStore(tmp_path / "sessions.db") for _ in range(3)]
    assert await race(stores, clients=12, turns=50, seed=7) == Findings(operations=600)
    for store in stores:
        await store.aclose()


# Several processes on one file. Each does the same to the same sessions, and reports what it was told.


def hammer(path: Path, name: str, keys: Mapping[str, list[str]]) -> Counter[str]:
    """What one process does. `keys` are shared by all of them."""
    return asyncio.run(_hammer(SQLiteStore(path, busy_timeout=60), name, keys))


async def _hammer(store: SQLiteStore, name: str, keys: Mapping[str, list[str]]) -> Counter[str]:
    told: Counter[str] = Counter()

    async def run(task: int) -> None:
        random = Random(f"{name}/{task}")
        for turn in range(ROUNDS):
            key = keys["counted"][turn % len(keys["counted"])]
            own = {f"{name}/{task}": b"%d" % turn}
            result = await store.commit(key, Change(set=own, increment={"n": 1}), max_age=60)
            told[f"counted {key}"] += isinstance(result, Committed)
            for what in ("created", "moved", "destroyed"):
                await quarrel(what, random.choice(keys[what]))

    async def quarrel(what: str, key: str) -> None:
        if what == "created":
            won = isinstance(await store.create(key, Change(set={"by": name.encode()}), max_age=60), Committed)
        elif what == "moved":
            new = new_key(key)
            won = isinstance(await store.move(key, new, max_age=60, grace=60), Committed)
            is_there = isinstance(await store.load(new), Record)
            told["moved and there"] += won and is_there
        else:
            was_over = told[f"destroyed {key}"] > 0
            is_alive = await store.touch(key, max_age=60)
            told["revived"] += was_over and is_alive
            won = await store.destroy(key) is True
        told[f"{what} {key}"] += won
        told[f"all {what}"] += won

    await asyncio.gather(*(run(task) for task in range(TASKS)))
    await store.aclose()
    return told


@pytest.mark.long
async def test_processes_on_one_file_lose_nothing_revive_nothing_and_win_once(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    keys = {what: [new_key() for _ in range(5)] for what in ("counted", "created", "moved", "destroyed")}
    store = SQLiteStore(path)
    for key in [*keys["counted"], *keys["moved"], *keys["destroyed"]]:
        await store.create(key, Change(), max_age=3600)
    names = [f"process {number}" for number in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        told = sum(pool.map(hammer, [path] * PROCESSES, names, [keys] * PROCESSES), Counter[str]())
    assert [told[f"all {what}"] for what in ("created", "moved", "destroyed")] == [5, 5, 5]
    assert max(told[f"{what} {key}"] for what in ("created", "moved", "destroyed") for key in keys[what]) == 1
    assert told["moved and there"] == 5
    assert told["revived"] == 0
    assert sum(told[f"counted {key}"] for key in keys["counted"]) == PROCESSES * TASKS * ROUNDS
    for place, key in enumerate(keys["counted"]):
        fields = await fields_of(store, key)
        last = b"%d" % (ROUNDS - len(keys["counted"]) + place)
        expected = {f"{name}/{task}": last for name in names for task in range(TASKS)}
        assert fields == expected | {"n": b"%d" % told[f"counted {key}"]}
    await store.aclose()


WRITER = """
import asyncio, sys
from pathlib import Path
from kick.session.stores.base import Change
from kick.session.stores.sqlite import SQLiteStore

async def write(path, key):
    store = SQLiteStore(path)

    async def run(name):
        for turn in range(10**9):
            await store.commit(key, Change(set={name: b"%d" % turn}, increment={"n": 1}), max_age=3600)
            print(name, turn, flush=True)

    await asyncio.gather(*(run(name) for name in "abcd"))

asyncio.run(write(Path(sys.argv[1]), sys.argv[2]))
"""


async def test_a_killed_process_loses_nothing_that_it_was_told_is_there(tmp_path: Path) -> None:
    path, key = tmp_path / "sessions.db", new_key()
    store = SQLiteStore(path)
    await store.create(key, Change(), max_age=3600)
    for _ in range(3):
        told = kill_while_writing(path, key, lines=300)
        fields = await fields_of(store, key)
        assert fields is not None
        assert {name: int(fields[name]) >= turn for name, turn in told.items()} == dict.fromkeys("abcd", True)
        assert int(fields["n"]) >= sum(told.values())
    await store.aclose()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def kill_while_writing(path: Path, key: str, *, lines: int) -> dict[str, int]:
    """The last turn that each of the four writers had acknowledged when their process was killed."""
    command = [sys.executable, "-c", WRITER, str(path), key]
    told: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            name, _, turn = line.removesuffix("\n").partition(" ")
            if line.endswith("\n"):
                told[name] = int(turn)
            if number == lines:
                process.kill()
    assert process.returncode == -signal.SIGKILL
    return told
