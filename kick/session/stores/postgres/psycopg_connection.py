"""Connections of the store's own, by psycopg 3: libpq's addresses, TLS, service files, and fail-over between hosts."""

from __future__ import annotations

import asyncio
import math
import os
import select
import socket
from time import monotonic
from typing import Any, Final

from kick.errors import missing_extra
from kick.session.stores.postgres.errors import bad_postgres_url
from kick.session.stores.postgres.pool import Parameters
from kick.session.stores.postgres.rows import Row
from kick.session.stores.postgres.statements import Query

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.pq import TransactionStatus
except ImportError as missing:
    raise missing_extra("PostgresStore", missing.name or "psycopg", "postgres") from None

_IN_DOUBT: Final = (TransactionStatus.UNKNOWN, TransactionStatus.ACTIVE)

_GREETING: Final = b"""
SELECT CASE
    WHEN pg_backend_pid() <> %(process)s THEN 0
    WHEN (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') BETWEEN 1 AND %(limit)s
        THEN pg_backend_pid()
    WHEN set_config('statement_timeout', %(limit)s::text, false) IS NOT NULL THEN pg_backend_pid()
END
"""
"""The first statement of a connection: who answers, and how long the statements after it may take.

A request to cancel can be lost, or come before its statement. The server would then wait for a lock as long as somebody
holds it, and carry out what was reported as failed. So it has a time limit of its own, unless the role has a shorter
one. Behind a pooler the setting would be that of other clients, too: there the role must have one.
"""

RENEW_EVERY: Final = 1.0
"""Seconds that a connection to a server that takes no changes is kept, at least: it may be the only one there is."""


class Address:
    """The database that a URL names, and how to connect to it."""

    def __init__(self, url: str, *, limit: float) -> None:
        try:
            settings: dict[str, Any] = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise bad_postgres_url(url, _first_line(error, url)) from None
        for port in str(settings.get("port", "")).split(","):  # libpq reads it when it connects
            if port and not (port.isdecimal() and 0 < int(port) < 65_536):
                raise bad_postgres_url(url, "the port is no number from 1 to 65535")
        # One host that does not answer must not keep the next one from being tried.
        settings.setdefault("connect_timeout", max(2, math.ceil(limit)))
        settings.setdefault("application_name", "kick sessions")
        self._settings = settings
        self._milliseconds = max(1, math.ceil(limit * 1000))
        self.renewed_at = -math.inf
        """Connections that are older are lost: another host, or another server behind the name, may take changes."""

    def refused_change(self) -> None:
        """Note that a server took no changes."""
        if monotonic() - self.renewed_at >= RENEW_EVERY:
            self.renewed_at = monotonic()

    async def connect(self) -> PsycopgConnection:
        """Open a connection. Raises `psycopg.Error`."""
        opened_at = monotonic()
        connection: psycopg.AsyncConnection[Any] = await psycopg.AsyncConnection.connect(
            autocommit=True, **self._settings
        )
        # A pooler in transaction mode gives each statement another process of the server. A name of a prepared
        # statement may stand for a statement of another client there, which would be run in place of ours, without
        # an error. Poolers make up the number of the process that they tell their clients.
        process = connection.pgconn.backend_pid
        try:
            parameters = {"process": process, "limit": self._milliseconds}
            cursor = await connection.execute(_GREETING, parameters, prepare=False)
            if await cursor.fetchone() != (process,):
                connection.prepare_threshold = None
        except BaseException:  # the server has gone, or nobody waits any more
            await connection.close()
            raise
        return PsycopgConnection(connection, self, opened_at)


class PsycopgConnection:
    """A connection that the store has opened."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], address: Address, opened_at: float) -> None:
        self._connection = connection
        self._address = address
        self._opened_at = opened_at
        self._is_spent = False

    async def fetch(self, query: Query, parameters: Parameters) -> list[Row]:
        """See `Connection`."""
        try:
            cursor = await self._connection.execute(query.percent, parameters)
        except psycopg.errors.ReadOnlySqlTransaction:
            self._address.refused_change()
            raise
        if self._is_spent:
            # It was to be broken off. A server that waits for its synchronous standby then stops waiting and reports
            # success, although the standby has nothing of it.
            raise TimeoutError("the statement was broken off")
        return await cursor.fetchall() if cursor.description is not None else []

    def is_lost(self) -> bool:
        """See `Connection`. A server that goes away says so to those that are idle: it is read here."""
        if self._is_spent or self._connection.closed or self._opened_at <= self._address.renewed_at:
            return True
        if self._connection.pgconn.transaction_status in _IN_DOUBT:
            return True
        return _has_something_to_read(self._connection.fileno())

    def cancel(self) -> None:
        """See `Connection`. It is not used again: a request to cancel that is late would hit the next statement."""
        self._is_spent = True
        task = asyncio.get_running_loop().create_task(_cancel(self._connection))
        _canceling.add(task)
        task.add_done_callback(_canceling.discard)

    def abort(self) -> None:
        """See `Connection`."""
        self._is_spent = True
        _cut(self._connection)

    def discard(self) -> None:
        """See `Connection`."""
        self._is_spent = True
        self._connection.pgconn.finish()

    async def close(self) -> None:
        """See `Connection`."""
        self._is_spent = True
        await self._connection.close()


_canceling: Final[set[asyncio.Task[None]]] = set()


async def _cancel(connection: psycopg.AsyncConnection[Any]) -> None:
    try:
        await connection.cancel_safe(timeout=1.0)
    except (psycopg.Error, OSError):
        pass  # it does not answer: `abort` comes next


def _cut(connection: psycopg.AsyncConnection[Any]) -> None:
    """End the connection below libpq, which waits on it: the wait ends with an error, and closes it."""
    if connection.closed:
        return
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        pass  # it has ended in this moment


def _has_something_to_read(descriptor: int) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])  # Windows


def _first_line(error: Exception, url: str) -> str:
    """Return the first line of an error, unless it quotes what is secret."""
    line = str(error).partition("\n")[0]
    secret = url.partition("://")[2].rpartition("@")[0]
    return "it cannot be read" if secret and any(each in line for each in secret.split(":") if each) else line
