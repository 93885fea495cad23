"""How PostgreSQL finds the rows: by an index, whatever it knows about the table.

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
    "INSERT INTO {} SELECT 'k' || i, '{{}}', '{{}}', 1, 1, 1, 4e9, NULL, 'p' || (i % 1000), NULL, 4e9 "
    "FROM generate_series(1, 3000) AS i"
)
JOBS = json.dumps([{"key": "k7", "set": {"n": "2"}, "names": ["n"], "delete": [], "max_age": 60}])
VALUES = {
    **dict.fromkeys(("key", "new_key", "principal"), "'k7'"),
    **dict.fromkeys(("max_age", "grace", "most"), "60"),
    **dict.fromkeys(("names", "delete", "absent", "counters"), "'{n}'"),
    **dict.fromkeys(("set", "expect"), "'{}'"),
    "gives": "false",
    "jobs": f"'{JOBS}'",
    "keys": "'{k7,k8}'",
    "steps": "'{1}'",
    "successor": "''",
}
"""A value for each parameter of a statement, as SQL has it."""


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


def plan(connection: psycopg.Connection[Any], query: Query, **values: str) -> str:
    """The plan that is made once, for all values of the parameters."""
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.execute(f"PREPARE statement AS {query.dollar}".encode())
    given = ", ".join({**VALUES, **values}[name] for name in query.names)
    found = connection.execute(f"EXPLAIN EXECUTE statement{f'({given})' if given else ''}".encode())
    return "\n".join(row[0] for row in found)


@pytest.fixture(params=["new", "unknown", "known"])
def statements(request: pytest.FixtureRequest, connection: psycopg.Connection[Any], table: str) -> Statements:
    """Those for a table that is empty, or that has sessions of which PostgreSQL knows nothing, or all."""
    if request.param != "new":
        connection.execute(FILL.format(table).encode())
    if request.param == "known":
        connection.execute(f"ANALYZE {table}".encode())
    return Statements(f'"{table}"')


@pytest.mark.parametrize("name", ["load", "commit_many", "commit", "count", "touch", "move", "move_part", "destroy"])
async def test_sessions_are_found_by_the_index(
    connection: psycopg.Connection[Any], statements: Statements, table: str, name: str
) -> None:
    found = plan(connection, getattr(statements, name), keep="'{n}'")
    assert f"Index Scan using {table}_pkey" in found
    assert "Seq Scan" not in found


@pytest.mark.parametrize("name", ["find", "revoke"])
async def test_sessions_of_a_principal_are_found_by_the_index(
    connection: psycopg.Connection[Any], statements: Statements, table: str, name: str
) -> None:
    found = plan(connection, getattr(statements, name), keep="NULL")
    assert f"{table}_principal" in found
    assert "Seq Scan" not in found


async def test_what_has_expired_is_found_by_the_index(
    connection: psycopg.Connection[Any], statements: Statements, table: str
) -> None:
    found = plan(connection, statements.purge)
    assert f"{table}_due" in found
    assert "Seq Scan" not in found
