"""The table of sessions, and the rows of a batch of operations."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

import msgspec

from kick.session.ids import fingerprint
from kick.session.stores.base import REMEMBERED, Record, Superseded, check_times

logger: Final = logging.getLogger("kick.session")

APPLICATION_ID: Final = 0x6B69636B
"""`PRAGMA application_id` of kick's files: "kick" in ASCII."""

SCHEMA_VERSION: Final = 1
"""`PRAGMA user_version` of this schema."""

SCHEMA: Final = (
    """
    CREATE TABLE sessions (
        key TEXT PRIMARY KEY,
        fields BLOB,          -- MessagePack, a map of name to bytes; NULL: the session has moved away
        created REAL NOT NULL,
        issued REAL NOT NULL,
        seen REAL NOT NULL,
        expires REAL NOT NULL,
        deadline REAL,
        principal TEXT,
        successor BLOB,
        due REAL NOT NULL     -- when to check the expiry of the row: never later than `expires`
    ) WITHOUT ROWID
    """,
    "CREATE INDEX sessions_due ON sessions (due)",
    "CREATE INDEX sessions_principal ON sessions (principal) WHERE principal IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

_APPLICATIONS: Final = "CREATE TABLE IF NOT EXISTS applications (secrets TEXT PRIMARY KEY, seen REAL NOT NULL)"

_COLUMNS: Final = "key, fields, created, issued, seen, expires, deadline, principal, successor, due"
_SELECT: Final = f"SELECT {_COLUMNS} FROM sessions"  # noqa: S608  # made of constants
_REPLACE: Final = f"REPLACE INTO sessions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # made of constants
_UPDATE: Final = (  # existing rows, many in one step: an UPDATE takes twice as long, and a step for each row
    "INSERT INTO sessions (key, fields, seen, expires, created, issued, due) VALUES (?, ?, ?, ?, 0, 0, 0){} "
    "ON CONFLICT (key) DO UPDATE SET fields = excluded.fields, seen = excluded.seen, expires = excluded.expires"
)
_UPDATE_NEXT: Final = ", (?, ?, ?, ?, 0, 0, 0)"
_DELETE: Final = "DELETE FROM sessions WHERE key = ?"
_DUE: Final = "SELECT key, expires, expires <= :now FROM sessions WHERE due <= :now ORDER BY due LIMIT :limit"
_POSTPONE: Final = "UPDATE sessions SET due = ? WHERE key = ?"

KEYS_AT_ONCE: Final = 256
"""The largest number of keys in one query."""

UPDATES_AT_ONCE: Final = 64
"""The largest number of rows in one statement."""

SWEEP_AT_ONCE: Final = 256
"""Due rows that one transaction handles at most, so that no request waits for many that expired together."""

Entry: TypeAlias = Record | Superseded

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(dict[str, bytes]).decode


class _Row(msgspec.Struct, frozen=True):
    entry: Entry
    expires_at: float
    due: float


class Rows:
    """The rows of a batch: first their state in the file, then the state after the operations of the batch.

    Later operations see the changes of earlier ones. `flush` writes them to the file.
    """

    def __init__(self, connection: sqlite3.Connection, now: float, keys: Iterable[str] = ()) -> None:
        self.now = now
        self._connection = connection
        self._rows: dict[str, _Row | None] = {}
        self._changed: dict[str, bool] = {}  # key -> whether all columns have changed
        self._fetch(list(dict.fromkeys(keys)))

    def live(self, key: str) -> Entry | None:
        """Return the entry of `key`, unless it has expired."""
        if key not in self._rows:
            self._fetch([key])
        row = self._rows[key]
        return row.entry if row is not None and row.expires_at > self.now else None

    def put(self, key: str, record: Record) -> None:
        """Write a record, and replace an existing one."""
        self._put(key, record, record.expires_at)

    def put_marker(self, key: str, marker: Superseded, expires_at: float) -> None:
        """Write that the session of `key` has moved away."""
        self._put(key, marker, expires_at)

    def update(self, key: str, before: Record, after: Record) -> None:
        """Write the changes of a commit or a touch to a live record.

        The indexes, which cost more than the row, do not change unless the principal changes or the record expires
        sooner. If it expires later, a sweep updates them when the row is due.
        """
        row = self._rows[key]
        if row is None or self._changed.get(key) or after.principal != before.principal or after.expires_at < row.due:
            self.put(key, after)
        else:
            self._rows[key] = _Row(after, after.expires_at, row.due)
            self._changed[key] = False

    def remove(self, key: str) -> None:
        """Remove the record or marker of a key."""
        self._rows[key] = None
        self._changed[key] = True

    def find(self, principal: str) -> list[tuple[str, Record]]:
        """Return the live records of a principal, including the changes of this batch."""
        self.flush()
        query = f"{_SELECT} WHERE principal = ? AND expires > ?"
        rows = _read(self._connection.execute(query, (principal, self.now)))
        return [(key, row.entry) for key, row in rows.items() if isinstance(row.entry, Record)]

    def recognize(self, secrets: frozenset[str], *, remember: bool) -> list[frozenset[str]]:
        """Return the applications in the file, including this one if it is to be remembered."""
        if remember:
            self._connection.execute(_APPLICATIONS)
            self._connection.execute("REPLACE INTO applications VALUES (?, ?)", (" ".join(sorted(secrets)), self.now))
            self._connection.execute("DELETE FROM applications WHERE seen <= ?", (self.now - REMEMBERED,))
        elif not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'applications'").fetchone():
            return []  # a file of an older version, without this table
        query = "SELECT secrets FROM applications WHERE seen > ?"
        return [frozenset(text.split()) for (text,) in self._connection.execute(query, (self.now - REMEMBERED,))]

    def sweep(self) -> tuple[int, bool]:
        """Remove some expired rows; return their number, and true if more are due."""
        self.flush()
        due = self._connection.execute(_DUE, {"now": self.now, "limit": SWEEP_AT_ONCE}).fetchall()
        expired = [(key,) for key, _, is_over in due if is_over]
        self._write(_DELETE, expired)
        self._write(_POSTPONE, [(expires_at, key) for key, expires_at, is_over in due if not is_over])
        return len(expired), len(due) == SWEEP_AT_ONCE

    def flush(self) -> None:
        """Write the changes to the file, and discard what was read."""
        rows = [(key, self._rows[key], whole) for key, whole in self._changed.items()]
        self._changed.clear()
        self._rows.clear()
        self._write(_DELETE, [(key,) for key, row, _ in rows if row is None])
        self._write(_REPLACE, [_columns(key, row) for key, row, whole in rows if row is not None and whole])
        self._update([(key, cast(Record, row.entry)) for key, row, whole in rows if row is not None and not whole])

    def _put(self, key: str, entry: Entry, expires_at: float) -> None:
        self._rows[key] = _Row(entry, expires_at, expires_at)
        self._changed[key] = True

    def _fetch(self, keys: list[str]) -> None:
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            self._rows.update(dict.fromkeys(some))
            slots = 1 << (len(some) - 1).bit_length()  # a power of 2: few statements to prepare, all of them cached
            query = f"{_SELECT} WHERE key IN ({'?,' * (slots - 1)}?)"
            self._rows.update(_read(self._connection.execute(query, some + some[-1:] * (slots - len(some)))))

    def _update(self, records: list[tuple[str, Record]]) -> None:
        while records:
            some = records[: min(1 << (len(records).bit_length() - 1), UPDATES_AT_ONCE)]
            records = records[len(some) :]
            parameters: list[Any] = []
            for key, record in some:
                parameters += (key, _encode(record.fields), record.seen_at, record.expires_at)
            self._connection.execute(_UPDATE.format(_UPDATE_NEXT * (len(some) - 1)), parameters)

    def _write(self, statement: str, parameters: list[tuple[Any, ...]]) -> None:
        if parameters:
            self._connection.executemany(statement, parameters)


def _read(cursor: sqlite3.Cursor) -> Mapping[str, _Row]:
    """Return the rows by their keys, without those that cannot be read."""
    rows: dict[str, _Row] = {}
    for key, fields, created, issued, seen, expires, deadline, principal, successor, due in cursor.fetchall():
        try:
            check_times(created, issued, seen, expires, deadline)
            entry = (
                Superseded(successor if isinstance(successor, bytes) else None)
                if fields is None
                else Record(_decode(fields), created, issued, seen, expires, deadline, principal)
            )
            rows[key] = _Row(entry, expires, 0.0 + due)
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            logger.warning("session %s cannot be read and is ignored: %s", fingerprint(key), error)
    return rows


def _columns(key: str, row: _Row) -> tuple[Any, ...]:
    """Return the parameters of `_REPLACE`."""
    entry, due = row.entry, row.due
    if isinstance(entry, Superseded):
        return key, None, 0.0, 0.0, 0.0, row.expires_at, None, None, entry.successor, due
    times = entry.created_at, entry.issued_at, entry.seen_at, entry.expires_at, entry.deadline
    return key, _encode(entry.fields), *times, entry.principal, None, due
