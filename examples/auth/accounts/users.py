"""A repository of accounts in an SQLite file."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from kick import Service

from .models import Account

SCHEMA = """
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given again: a session may outlive its user
        email TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        password TEXT NOT NULL,
        created_at TEXT NOT NULL
    )
"""

T = TypeVar("T")


class EmailTaken(Exception):
    """Raised when an account with this email exists."""


class Users:
    """Find and add accounts. The queries run in a thread, so the event loop does not wait for the disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._one_at_a_time = anyio.CapacityLimiter(1)

    async def add(self, email: str, name: str, password: str) -> Account:
        """Add an account. Raises `EmailTaken`; the unique index of the database decides this."""
        return await self._run(lambda db: _add(db, email, name, password))

    async def find(self, user_id: int) -> Account | None:
        row = await self._run(lambda db: db.execute("SELECT * FROM users WHERE id = ?", [user_id]).fetchone())
        return None if row is None else _account(row)

    async def find_by_email(self, email: str) -> tuple[Account, str] | None:
        """Return the account and its password hash."""
        row = await self._run(lambda db: db.execute("SELECT * FROM users WHERE email = ?", [email]).fetchone())
        return None if row is None else (_account(row), row["password"])

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await anyio.to_thread.run_sync(work, self._connection, limiter=self._one_at_a_time)


@Service(scope="singleton")
def open_users(database: Path) -> Iterator[Users]:
    """Provide `Users`. The code before the `yield` runs at start-up, the rest at shutdown."""
    database.touch(mode=0o600)  # other users of this machine cannot read it
    with closing(sqlite3.connect(database, check_same_thread=False)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(SCHEMA)
        yield Users(connection)


def _add(db: sqlite3.Connection, email: str, name: str, password: str) -> Account:
    insert = "INSERT INTO users (email, name, password, created_at) VALUES (?, ?, ?, ?) RETURNING *"
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    try:
        with db:
            return _account(db.execute(insert, [email, name, password, now]).fetchone())
    except sqlite3.IntegrityError:
        raise EmailTaken(email) from None


def _account(row: sqlite3.Row) -> Account:
    return Account(row["id"], row["name"], row["email"], datetime.fromisoformat(row["created_at"]))
