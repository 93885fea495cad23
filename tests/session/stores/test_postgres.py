"""The contract of stores over PostgreSQL."""

import pytest

from kick.session.stores.base import AtomicStore, Change
from kick.session.stores.postgres import PostgresStore
from kick.session.stores.url import open_store
from kick.testing.store_contract import MakeStore, StoreContract
from kick.testing.store_contract.base import new_key
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


async def test_lists_of_sessions_have_none_of_their_values(postgres_url: str) -> None:
    """A user with many full sessions can list and limit them: 30 times 1 MB would take longer than a store may."""
    store = open_store(postgres_url, timeout=30)
    values = {"cart": b'"' + b"a" * 1_000_000 + b'"', "$client": b'{"ip":"::1"}', "$login": b'{"id":7}'}
    for _ in range(30):
        await store.create(new_key(), Change(set=values, principal="7"), max_age=60, absolute_max_age=60)
    found = await store.find("7")
    assert [dict(record.fields) for _, record in found] == [{"$client": b'{"ip":"::1"}'}] * 30
    await store.aclose()
