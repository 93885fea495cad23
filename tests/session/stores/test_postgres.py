"""The contract of stores over PostgreSQL."""

import pytest

from kick.session.stores.base import AtomicStore
from kick.session.stores.postgres import PostgresStore
from kick.testing.store_contract import MakeStore, StoreContract
from tests.support.postgres import PostgresServer


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def make_store(self, postgres_server: PostgresServer) -> MakeStore:
        self.server = postgres_server

        async def make() -> AtomicStore:
            return PostgresStore(postgres_server.url, table=postgres_server.new_table(), timeout=30)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        assert isinstance(store, PostgresStore)
        return PostgresStore(self.server.url, table=store.table, timeout=30)
