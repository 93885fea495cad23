"""The SQLite file with accounts and notes."""

import sqlite3
from contextlib import closing

from anyio import to_thread

from {{ package }}.settings import Settings

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY,
    owner INTEGER NOT NULL REFERENCES users (id),
    title TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_of_owner ON notes (owner);
"""


class Database:
    def __init__(self, path: str) -> None:
        self._path = path

    async def execute(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """Run one statement, in a worker thread; the rows that it gives."""
        return await to_thread.run_sync(self._execute, statement, values)

    async def create_tables(self) -> None:
        await to_thread.run_sync(self._create_tables)

    async def ping(self) -> None:
        """What /health/ready asks."""
        await self.execute("SELECT 1")

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(statement, values).fetchall()

    def _create_tables(self) -> None:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.executescript(SCHEMA)


async def open_database(settings: Settings) -> Database:
    """What kick calls, once, for all that ask for a `Database`."""
    database = Database(settings.database)
    await database.create_tables()
    return database
