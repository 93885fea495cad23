"""Sessions in a transaction of the application: stored with its data, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from kick.session.stores.base import Change, CommitResult, Committed, Record, Refused, Superseded
from kick.session.stores.postgres import changes
from kick.session.stores.postgres.errors import bad_postgres_connection, no_postgres_transaction
from kick.session.stores.postgres.pool import Parameters
from kick.session.stores.postgres.rows import Row, entry_of
from kick.session.stores.postgres.statements import Query, Statements


class Transaction:
    """The part of a store that `commit_with()` needs, over a connection of the application.

    The statements run in the transaction that is open there, and begin or end none.
    """

    def __init__(self, connection: Any, statements: Statements, prepare: Callable[[], Awaitable[None]]) -> None:
        self._run = _fetch_of(connection)
        self._statements = statements
        self._prepare = prepare

    async def load(self, key: str) -> Record | Superseded | None:
        """See `AtomicStore.load`."""
        rows = await self._fetch(self._statements.load, {"keys": [key]})
        return entry_of(rows[0]) if rows else None

    async def create(
        self, key: str, change: Change, *, max_age: float, absolute_max_age: float | None = None
    ) -> Committed | Literal[Refused.TAKEN]:
        """See `AtomicStore.create`."""
        return await changes.create(self._fetch, self._statements, key, change, max_age=max_age, most=absolute_max_age)

    async def commit(self, key: str, change: Change, *, max_age: float) -> CommitResult:
        """See `AtomicStore.commit`."""
        return await changes.commit(self._fetch, self.load, self._statements, key, change, max_age=max_age)

    async def _fetch(self, query: Query, parameters: Parameters) -> list[Row]:
        await self._prepare()
        return await self._run(query, parameters)


def _fetch_of(connection: Any) -> changes.Run:
    """Return what runs a statement on a connection.

    Raises `KickError`: `postgres-connection` or `postgres-transaction`.
    """
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}" for kind in type(connection).__mro__}
    if "psycopg.AsyncConnection" in kinds:
        return _over_psycopg(connection)
    if kinds & {"asyncpg.Connection", "asyncpg.PoolConnectionProxy"}:
        return _over_asyncpg(connection)
    if kinds & {"sqlalchemy.AsyncConnection", "sqlalchemy.AsyncSession"}:
        return _over_sqlalchemy(connection)
    raise bad_postgres_connection(connection)


def _over_psycopg(connection: Any) -> changes.Run:
    from psycopg.pq import TransactionStatus
    from psycopg.rows import tuple_row

    if connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
        raise no_postgres_transaction()

    async def fetch(query: Query, parameters: Parameters) -> list[Row]:
        async with connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(query.percent, parameters)
            return list(await cursor.fetchall())

    return fetch


def _over_asyncpg(connection: Any) -> changes.Run:
    if not connection.is_in_transaction():
        raise no_postgres_transaction()

    async def fetch(query: Query, parameters: Parameters) -> list[Row]:
        return list(await connection.fetch(query.dollar, *(parameters[name] for name in query.names)))

    return fetch


def _over_sqlalchemy(connection: Any) -> changes.Run:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    async def fetch(query: Query, parameters: Parameters) -> list[Row]:
        if hasattr(connection, "flush"):  # what an ORM session has still to write goes first: the lock is the last
            await connection.flush()
            core = await connection.connection()
        else:
            core = connection
        if getattr((await core.get_raw_connection()).dbapi_connection, "autocommit", False):
            raise no_postgres_transaction()
        try:
            result = await connection.execute(text(query.text), parameters)
        except DBAPIError as error:  # its text has the parameters, which are the data of a session
            raise (error.orig or error) from None
        return [tuple(row) for row in result]

    return fetch
