"""The contract of stores, with the clock of kick moved: all that expires is gone, in every store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from kick.clock import CLOCK, Move, exact
from kick.session.stores.base import AtomicStore
from kick.session.stores.memory import MemoryStore
from kick.session.stores.sqlite import SQLiteStore
from kick.testing.store_contract import MakeStore, StoreContract
from tests.support.postgres import PostgresServer


class MovedContract(StoreContract):
    """`advance` moves the clock of kick, which goes on in between."""

    moves_time = True
    short = 60.0

    @pytest.fixture(autouse=True)
    def the_clock_of_the_machine_afterwards(self) -> Iterator[None]:
        yield
        CLOCK.set(None)

    async def advance(self, seconds: float) -> None:
        before = CLOCK.moved or Move(0.0)
        at = None if before.frozen_at is None else before.frozen_at + seconds
        CLOCK.set(Move(before.shift + seconds, at))


class TestMemoryStore(MovedContract):
    @pytest.fixture
    def make_store(self) -> MakeStore:
        async def make() -> AtomicStore:
            return MemoryStore()

        return make


class TestFrozenMemoryStore(MovedContract):
    moves_time = False
    controls_time = True

    @pytest.fixture
    def make_store(self) -> MakeStore:
        CLOCK.set(Move(0.0, frozen_at=exact(CLOCK.time())))

        async def make() -> AtomicStore:
            return MemoryStore()

        return make


class TestSQLiteStore(MovedContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> MakeStore:
        numbers = itertools.count()

        async def make() -> AtomicStore:
            return SQLiteStore(tmp_path / f"{next(numbers)}.db")

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        assert isinstance(store, SQLiteStore)
        return SQLiteStore(store.path)


@pytest.mark.redis
class TestRedisStore(MovedContract):
    """The server has the clock: the shift travels with the scripts."""

    @pytest.fixture
    def make_store(self, redis_url: str) -> MakeStore:
        from kick.session.stores.redis import RedisStore

        numbers = itertools.count()

        async def make() -> AtomicStore:
            return RedisStore(redis_url, prefix=f"moved-{next(numbers)}:", timeout=30)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        from kick.session.stores.redis import RedisStore

        assert isinstance(store, RedisStore)
        return RedisStore(self.url, prefix=store.prefix, timeout=30)

    @pytest.fixture(autouse=True)
    def the_url(self, redis_url: str) -> None:
        self.url = redis_url


@pytest.mark.nightly
class TestPostgresStore(MovedContract):
    """The server has the clock here too."""

    @pytest.fixture
    def make_store(self, postgres_server: PostgresServer) -> MakeStore:
        from kick.session.stores.postgres import PostgresStore

        self.server = postgres_server

        async def make() -> AtomicStore:
            return PostgresStore(postgres_server.url, table=postgres_server.new_table(), timeout=30)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        from kick.session.stores.postgres import PostgresStore

        assert isinstance(store, PostgresStore)
        return PostgresStore(self.server.url, table=store.table, timeout=30)
