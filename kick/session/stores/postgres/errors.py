"""Errors of a `PostgresStore`: set-up mistakes, and what becomes of a failure while requests run.

While requests run, a fault of PostgreSQL is the exception of the driver, or one of these:

    PostgresTimeout(TimeoutError)     no connection, or no answer, within the time limit
    TableUnusable(OSError)            the table is missing, of another version, or not one of sessions
"""

from __future__ import annotations

import enum
from typing import Any, Final

from kick.errors import KickError, PicklableError, without_secrets

_MIGRATE: Final = "`kick sessions migrate --store postgresql://...`"


class Trouble(enum.Enum):
    """Reasons why a table cannot be used."""

    MISSING = "missing"
    FOREIGN = "foreign"
    VERSION = "version"
    ENCODING = "encoding"


class PostgresTimeout(PicklableError, TimeoutError):
    """PostgreSQL gave no connection, or no answer, in time."""

    def __init__(self, awaited: str, seconds: float) -> None:
        super().__init__(f"PostgreSQL gave no {awaited} within {seconds:g} seconds")


class TableUnusable(PicklableError, OSError):
    """A table that cannot be used as a store of sessions."""

    def __init__(self, table: str, trouble: Trouble, reason: str) -> None:
        self.table = table
        self.trouble = trouble
        super().__init__(f"the table {table} cannot be used: {reason}")


_STATES: Final = {
    "25006": "takes no changes",  # a standby, or default_transaction_read_only
    "28": "refuses this application",
    "3D": "is not set up",
    "3F": "is not set up",
    "42501": "refuses this application",
    "42P01": "is not set up",
    "53": "is full",  # disk, memory, connections
    "57P03": "is starting",
}
"""SQLSTATE or its class: https://www.postgresql.org/docs/current/errcodes-appendix.html."""


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of an exception of psycopg, asyncpg or SQLAlchemy."""
    origin: Any = getattr(error, "orig", None) or error
    code = getattr(origin, "sqlstate", None)
    return code if isinstance(code, str) else None


def is_of_statement(error: BaseException) -> bool:
    """Return true if the server refused a statement, so that nothing was changed, and the connection is usable."""
    code = sqlstate_of(error)
    return code is not None and code[:2] not in ("08", "57")  # the connection broke, or an operator came between


def explain(error: Exception) -> str | None:
    """Return the state of a server that answered with an error; `None` for one that did not answer.

    >>> explain(TableUnusable("kick_sessions", Trouble.MISSING, "")), explain(PostgresTimeout("answer", 1))
    ('is not set up', None)
    """
    if isinstance(error, TableUnusable):
        return "is not set up"
    code = sqlstate_of(error)
    if code is None:
        # What a server says to a connection it refuses comes without a code.
        return "refuses the connection" if "FATAL:" in str(error) else None
    if code[:2] in ("08", "57"):  # the connection broke, or the server is going down
        return _STATES.get(code)
    return _STATES.get(code) or _STATES.get(code[:2], "answers with an error")


def setup_error(error: TableUnusable) -> KickError:
    """Return the set-up mistake that a table is which cannot be used.

    >>> setup_error(TableUnusable("kick_sessions", Trouble.MISSING, "there is no such table")).code
    'postgres-table-missing'
    """
    cause = f"{str(error)[:1].upper()}{str(error)[1:]}."
    match error.trouble:
        case Trouble.MISSING:
            return KickError(
                "postgres-table-missing",
                cause,
                fix=f"Create it: {_MIGRATE}, as a role that may create tables. In development and tests kick does so "
                "by itself; `?migrate=yes` in the URL does so everywhere.",
            )
        case Trouble.FOREIGN:
            return KickError(
                "postgres-table-foreign",
                cause,
                fix="Name another table: `postgresql://host/db?table=shop_sessions`.",
            )
        case Trouble.VERSION:
            return KickError(
                "postgres-schema",
                cause,
                fix=f"Run {_MIGRATE} with the newer kick. If this kick is the older one, install the newer.",
            )
        case Trouble.ENCODING:
            return KickError(
                "postgres-encoding",
                cause,
                fix="Keep sessions in a database whose encoding is UTF8: `createdb --encoding UTF8 --template "
                "template0 sessions`.",
            )


def missing_rights(table: str, rights: list[str]) -> KickError:
    """Return the error for a role that may not do with the table what sessions need.

    >>> missing_rights("kick_sessions", ["DELETE"]).fix
    '`GRANT SELECT, INSERT, UPDATE, DELETE ON kick_sessions TO ...`, as the owner of the table.'
    """
    return KickError(
        "postgres-permission",
        cause=f"The role of this application has no right to {' and '.join(rights)} in the table {table}.",
        fix=f"`GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO ...`, as the owner of the table.",
    )


def read_only(table: str) -> KickError:
    """Return the warning of a server that takes no changes."""
    return KickError(
        "postgres-read-only",
        cause=f"The server with the table {table} is a standby: every change of a session is refused.",
        fix="Name all hosts and ask for the one that takes changes: "
        "`postgresql://one,two/db?target_session_attrs=read-write`.",
    )


def bad_postgres_url(url: str, problem: str) -> KickError:
    """Return the error for a URL that libpq cannot read. It does not show the password."""
    return KickError(
        "postgres-url",
        cause=f"{without_secrets(url)!r} is no address of PostgreSQL: {problem}.",
        fix="The forms are: `postgresql://user:password@host:5432/db`, `postgresql:///db?host=/run/postgresql`, "
        "`postgresql://one,two/db?target_session_attrs=read-write`, `postgresql://?service=shop`. Percent-encode "
        "what is special in a password.",
    )


def bad_postgres_option(name: str, value: object, allowed: str) -> KickError:
    """Return the error for an option of the store.

    >>> bad_postgres_option("max_connections", "0", "a whole number of at least 1").cause
    "PostgresStore(max_connections='0'): it has to be a whole number of at least 1."
    """
    return KickError(
        "postgres-option",
        cause=f"PostgresStore({name}={value!r}): it has to be {allowed}.",
        fix="For example `postgresql://host/db?table=shop_sessions&max_connections=4&migrate=yes`.",
    )


def bad_postgres_connection(connection: object) -> KickError:
    """Return the error for an object that is no connection with a transaction."""
    kind = type(connection)
    return KickError(
        "postgres-connection",
        cause=f"commit_with() got an object of type {kind.__module__}.{kind.__qualname__}.",
        fix="Pass the connection that has the transaction: a `psycopg.AsyncConnection`, an `asyncpg.Connection`, or "
        "SQLAlchemy's `AsyncSession` or `AsyncConnection`.",
    )


def no_postgres_transaction() -> KickError:
    """Return the error for a connection in which each statement would be committed by itself."""
    return KickError(
        "postgres-transaction",
        cause="commit_with() got a connection in which no transaction is open, so the session would be stored by "
        "itself.",
        fix="Call it within `async with connection.transaction():`. With SQLAlchemy, use another isolation level than "
        "AUTOCOMMIT.",
    )


def bad_postgres_client(client: object) -> KickError:
    """Return the error for an object that gives no connections."""
    kind = type(client)
    return KickError(
        "postgres-client",
        cause=f"PostgresStore got an object of type {kind.__module__}.{kind.__qualname__}.",
        fix="Pass a URL, `psycopg_pool.AsyncConnectionPool(...)`, `asyncpg.create_pool(...)`, or "
        "`sqlalchemy.ext.asyncio.create_async_engine('postgresql+psycopg://...')`.",
    )
