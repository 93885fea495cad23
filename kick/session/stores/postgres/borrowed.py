"""Connections of the application's own pool, of psycopg or asyncpg, or as an engine of SQLAlchemy makes them.

The pool lends one for each statement, which runs in a transaction of its own. The pool of an engine is not used, but
another one like it: handlers hold a connection of the engine while they use the session. If each of them needed a
second one from the same pool, as many requests as it has connections would all wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeAlias

from kick.session.stores.postgres.errors import bad_postgres_client
from kick.session.stores.postgres.pool import Parameters
from kick.session.stores.postgres.rows import Row
from kick.session.stores.postgres.statements import Query

Fetch: TypeAlias = Callable[[Query, Parameters], Awaitable[list[Row]]]


class Lender(NamedTuple):
    """Lends connections."""

    fetch: Fetch
    close: Callable[[], Awaitable[None]] | None = None
    """Closes the connections that are not the application's."""
    discard: Callable[[], None] | None = None
    """Forgets them, because their event loop runs no more."""


class Borrowed:
    """A `Connection` that borrows from a pool for each statement."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender
        self._running: asyncio.Task[list[Row]] | None = None

    async def fetch(self, query: Query, parameters: Parameters) -> list[Row]:
        """See `Connection`."""
        self._running = asyncio.ensure_future(_awaited(self._lender.fetch(query, parameters)))
        try:
            return await self._running
        except asyncio.CancelledError:
            if self._running.cancelled() and not _is_being_cancelled():
                raise TimeoutError("the statement was broken off") from None  # whoever waits has been told
            raise
        finally:
            self._running = None

    def is_lost(self) -> bool:
        """See `Connection`. The pool sees to its connections."""
        return False

    def cancel(self) -> None:
        """See `Connection`. The driver asks the server, and the pool gets its connection back."""
        if self._running is not None:
            self._running.cancel()

    def abort(self) -> None:
        """See `Connection`."""
        self.cancel()

    def discard(self) -> None:
        """See `Connection`."""
        if self._lender.discard is not None:
            self._lender.discard()

    async def close(self) -> None:
        """See `Connection`. A pool of the application stays open."""
        if self._lender.close is not None:
            await self._lender.close()


def lender_of(client: object) -> Lender:
    """Return what runs a statement over a pool or an engine. Raises `postgres-client`."""
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}": kind for kind in type(client).__mro__}
    if "psycopg_pool.AsyncConnectionPool" in kinds:
        return Lender(_of_psycopg(client))
    if "asyncpg.Pool" in kinds:
        return Lender(_of_asyncpg(client))
    if "sqlalchemy.AsyncEngine" in kinds:
        return _of_sqlalchemy(client)
    raise bad_postgres_client(client)


def _of_psycopg(pool: Any) -> Fetch:
    async def fetch(query: Query, parameters: Parameters) -> list[Row]:
        async with pool.connection() as connection:
            before = connection.autocommit
            if not before:  # a setting of the client: it costs no message
                await connection.set_autocommit(True)
            try:
                async with connection.cursor(row_factory=_tuple_row) as cursor:
                    await cursor.execute(query.percent, parameters)
                    return list(await cursor.fetchall()) if cursor.description is not None else []
            finally:
                if not before and not connection.closed:
                    await connection.set_autocommit(False)

    return fetch


def _of_asyncpg(pool: Any) -> Fetch:
    async def fetch(query: Query, parameters: Parameters) -> list[Row]:
        return list(await pool.fetch(query.dollar, *(parameters[name] for name in query.names)))

    return fetch


def _of_sqlalchemy(engine: Any) -> Lender:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine

    own = create_async_engine(engine.url, pool=engine.sync_engine.pool.recreate())
    autocommit: Final = own.execution_options(isolation_level="AUTOCOMMIT")
    texts: dict[str, Any] = {}

    async def fetch(query: Query, parameters: Parameters) -> list[Row]:
        statement = texts.get(query.text)
        if statement is None:
            statement = texts[query.text] = text(query.text)
        async with autocommit.connect() as connection:
            try:
                result = await connection.execute(statement, parameters)
            except DBAPIError as error:  # its text has the parameters, which are the data of a session
                raise (error.orig or error) from None
            return [tuple(row) for row in result] if result.returns_rows else []

    return Lender(fetch, own.dispose, lambda: own.sync_engine.dispose(close=False))


def _tuple_row(cursor: Any) -> Any:
    return lambda values: tuple(values)


async def _awaited(fetching: Awaitable[list[Row]]) -> list[Row]:
    return await fetching


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
