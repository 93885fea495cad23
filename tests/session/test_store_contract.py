"""The contract of stores, over each store that needs nothing but this machine."""

import itertools
from pathlib import Path

import pytest

from kick.session.store import AtomicStore
from kick.session.stores.memory import MemoryStore
from kick.session.stores.sqlite import SQLiteStore
from kick.testing.store_contract import MakeStore, StoreContract


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
