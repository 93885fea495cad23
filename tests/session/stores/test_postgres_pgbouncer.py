"""Through PgBouncer in transaction mode, which gives each statement another connection of the server."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from kick.session.stores.base import Change, Committed
from kick.session.stores.postgres import PostgresStore
from kick.testing.store_contract import Findings, fields_of, new_key, race
from kick.testing.store_contract.base import started
from tests.support.postgres import PgBouncer, PostgresServer

LONG = 3600


@pytest.fixture
def pooler(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    with PgBouncer(postgres_server) as pooler:
        yield pooler


async def test_a_pooler_is_noticed_and_nothing_is_prepared(pooler: PgBouncer, postgres_server: PostgresServer) -> None:
    store = PostgresStore(pooler.url, table=postgres_server.new_table(), timeout=30)
    keys = [await started(store, {"n": b"0"}) for _ in range(20)]
    for _ in range(10):  # more often than a statement is sent before it is prepared
        change = Change(set={"a": b"1"}, increment={"n": 1})
        results = await asyncio.gather(*(store.commit(key, change, max_age=LONG) for key in keys))
        assert all(isinstance(result, Committed) for result in results)
        results = await asyncio.gather(*(store.commit(key, Change(set={"b": b"2"}), max_age=LONG) for key in keys))
        assert all(isinstance(result, Committed) for result in results)
    assert [await fields_of(store, key) for key in keys] == [{"n": b"10", "a": b"1", "b": b"2"}] * 20
    assert isinstance(await store.move(keys[0], new_key(), max_age=LONG, grace=5), Committed)
    await store.aclose()
    for _ in range(20):  # each on some connection of the server
        with psycopg.connect(pooler.url, autocommit=True) as connection:
            assert connection.execute("SELECT name FROM pg_prepared_statements").fetchall() == []
            assert connection.execute("SHOW statement_timeout").fetchall() == [("0",)]  # it is not the store's alone


async def test_a_race_through_it_loses_and_revives_nothing(pooler: PgBouncer, postgres_server: PostgresServer) -> None:
    table = postgres_server.new_table()
    stores = [PostgresStore(pooler.url, table=table, timeout=60) for _ in range(2)]
    assert await race(stores, clients=12, turns=60) == Findings(operations=720)
    for store in stores:
        await store.aclose()
