"""How PostgreSQL finds the rows: by the index of the keys, whatever it knows about the table.

A new table has no statistics until PostgreSQL analyses it, which takes it a minute. A plan made before that may be kept
until then, however many sessions arrive meanwhile.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from kick.session.stores.postgres import PostgresStore
from kick.session.stores.postgres.statements import Query, Statements
from tests.support.postgres import PostgresServer

FILL = (
    "INSERT INTO {} SELECT 'k' || i, '{{}}', '{{}}', 1, 1, 1, 4e9, NULL, NULL, NULL, 4e9 "
    "FROM generate_series(1, 3000) AS i"
)
JOBS = json.dumps([{"key": "k7", "set": {"n": "2"}, "names": ["n"], "delete": [], "max_age": 60}])


@pytest.fixture
async def table(postgres_server: PostgresServer) -> str:
    store = PostgresStore(postgres_server.store_url(), timeout=30)
    await store.migrate()
    await store.aclose()
    return store.table


@pytest.fixture
def connection(postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        yield connection


def prepare(connection: psycopg.Connection[Any], query: Query, kind: str) -> None:
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.execute(f"PREPARE statement({kind}) AS {query.dollar}".encode())


def plan(connection: psycopg.Connection[Any], literal: str) -> str:
    return "\n".join(row[0] for row in connection.execute(f"EXPLAIN EXECUTE statement({literal})".encode()))


@pytest.mark.parametrize(
    ("operation", "kind", "literal"),
    [("load", "text[]", "'{k7,k8}'"), ("commit_many", "jsonb", f"'{JOBS}'")],
    ids=["load", "commit"],
)
@pytest.mark.parametrize("size", ["new", "unknown", "known"])
async def test_sessions_are_found_by_the_index(
    connection: psycopg.Connection[Any], table: str, operation: str, kind: str, literal: str, size: str
) -> None:
    if size != "new":
        connection.execute(FILL.format(table).encode())
    if size == "known":
        connection.execute(f"ANALYZE {table}".encode())
    prepare(connection, getattr(Statements(f'"{table}"'), operation), kind)
    found = plan(connection, literal)
    assert f"Index Scan using {table}_pkey" in found
    assert "Seq Scan" not in found
