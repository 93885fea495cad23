"""The SQLite file of sessions: creation, opening, and reopening after failures."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from kick.errors import PicklableError
from kick.session.stores.sqlite.rows import APPLICATION_ID, SCHEMA, SCHEMA_VERSION, Rows

logger: Final = logging.getLogger("kick.session")

PATIENCE: Final = 0.02
"""Seconds that one attempt waits for the lock of another process. Reads happen between the attempts."""

SWEEP_EVERY: Final = 60.0
"""Seconds between the sweeps that follow writes."""

LOOK_EVERY: Final = 0.1
"""Seconds between two checks that the file at the path is still the open one."""

CHECKPOINT_PAGES: Final = 4000
"""Pages in the write-ahead log before they are copied into the file: 16 MiB."""

_creating: Final = threading.Lock()


class DatabaseUnusable(PicklableError, OSError):
    """A file that cannot be used as a store of sessions."""

    def __init__(self, path: Path, reason: object) -> None:
        self.path = path
        super().__init__(f"the session database {path} cannot be used: {reason}")


class DatabaseLocked(PicklableError, TimeoutError):
    """Another process holds the lock of the file, and has held it for longer than `busy_timeout`."""

    def __init__(self, path: Path, waited: float) -> None:
        self.path = path
        super().__init__(f"another process has kept the session database {path} locked for {waited:g} seconds")


_STATES: Final = {sqlite3.SQLITE_FULL: "is full", sqlite3.SQLITE_READONLY: "takes no changes"}


def explain(error: Exception) -> str | None:
    """Describe the state of a file that cannot be used; `None` for one that is locked."""
    if isinstance(error, DatabaseLocked):
        return None
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return "cannot be used" if code is None else _STATES.get(code & 0xFF, "cannot be used")


class Busy(Exception):
    """Another process holds the lock; nothing has changed."""


class Job(Protocol):
    """One operation of a batch."""

    keys: Sequence[str]
    """The keys of its rows; without `work`, the key to load."""
    work: Callable[[Rows], object] | None
    value: object
    error: Exception | None
    answer: asyncio.Future[Any]
    """Cancelled when its caller is cancelled."""


class SessionFile:
    """The file and the connection to it, which belongs to one thread at a time."""

    def __init__(self, path: Path, *, durable: bool, clock: Callable[[], float]) -> None:
        self.path: Final = path
        self._durable = durable
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        """Device and inode of the file that the connection has open."""
        self._sweep_at = 0.0
        self._look_at = 0.0

    def read(self, jobs: Sequence[Job]) -> None:
        """Compute the values of `jobs`, which change nothing."""
        self._run(jobs, self._read)

    def write(self, jobs: Sequence[Job]) -> None:
        """Compute the values of `jobs` in one transaction."""
        self._run(jobs, self._write)

    def sweep_now_and_then(self) -> None:
        """Remove some expired sessions, if the last sweep is some time ago or was incomplete."""
        if time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + SWEEP_EVERY
        try:
            connection = self._open()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                _, more = Rows(connection, self._clock()).sweep()
        except (OSError, sqlite3.Error) as error:  # it has no caller: the next job raises the error
            if not _is_busy(error):
                self.close()
        else:
            self._sweep_at = 0.0 if more else self._sweep_at

    def close(self) -> None:
        """Close the connection, which rolls an open transaction back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self, jobs: Sequence[Job], act: Callable[[Sequence[Job]], None]) -> None:
        """Do all jobs together or, if that fails, one by one, so that a failing job does not affect the others."""
        try:
            act(jobs)
        except Exception as error:  # noqa: BLE001 (whoever waits for the job hears of it)
            if _is_busy(error):
                raise Busy from None
            self.close()
            if len(jobs) == 1:
                jobs[0].error = self._explained(error)
            else:
                self._run_each(jobs, act)

    def _run_each(self, jobs: Sequence[Job], act: Callable[[Sequence[Job]], None]) -> None:
        for job in jobs:
            job.error = None
            try:
                self._run([job], act)
            except Busy:
                job.error = DatabaseLocked(self.path, PATIENCE)

    def _read(self, jobs: Sequence[Job]) -> None:
        rows = Rows(self._open(), self._clock(), [job.keys[0] for job in jobs if job.work is None])
        for job in jobs:
            job.value = rows.live(job.keys[0]) if job.work is None else job.work(rows)

    def _write(self, jobs: Sequence[Job]) -> None:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        rows = Rows(connection, self._clock(), [key for job in jobs for key in job.keys])
        for job in jobs:
            if job.work is None or job.answer.cancelled():
                continue
            try:
                job.value = job.work(rows)
            except (TypeError, ValueError) as error:  # its arguments are to blame, and no row has been changed
                job.error = error
        rows.flush()
        connection.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        """Return a connection to the current file at the path."""
        if self._connection is not None and self._is_gone():
            # Other processes use the new file: a revocation there would not be noticed here.
            logger.warning(
                "the session database %s was removed or replaced while it was in use: "
                "sessions that are only in the old file are lost",
                self.path,
            )
            self.close()
        if self._connection is None:
            self._connection = self._connected()
        return self._connection

    def _is_gone(self) -> bool:
        """Return true if there is another file at the path, or none; check only now and then."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_EVERY
        return _identity_of(self.path) != self._identity

    def _connected(self) -> sqlite3.Connection:
        while True:
            _create(self.path)
            identity = _identity_of(self.path)
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
                if _identity_of(self.path) == identity:
                    self._identity = identity
                    return connection
            except BaseException:
                connection.close()
                raise
            connection.close()  # replaced at this moment: it is unknown which of the files is open

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if self._is_new(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if self._is_new(connection):  # still new: no other process was faster
                    for statement in SCHEMA:
                        connection.execute(statement)
        # In WAL mode, NORMAL passes commits to the operating system, so the end of the process loses nothing, and waits
        # for the disk at checkpoints only. FULL waits for the disk at every commit.
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")

    def _is_new(self, connection: sqlite3.Connection) -> bool:
        # Read the tables first: another process may write them, with both numbers, between two of these reads.
        has_tables = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application_id != APPLICATION_ID:
            if has_tables:
                raise DatabaseUnusable(self.path, "it contains something else; use another file for the sessions")
            return True
        if version != SCHEMA_VERSION:
            raise DatabaseUnusable(
                self.path, f"its schema has version {version}, but this kick uses version {SCHEMA_VERSION}"
            )
        return False

    def _explained(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        explained = DatabaseUnusable(self.path, error)
        explained.__cause__ = error
        return explained


def _is_busy(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _identity_of(path: Path) -> tuple[int, int] | None:
    """Return device and inode of the file at a path; `None` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _create(path: Path) -> None:
    """Create the file, readable and writable by its owner only. SQLite uses the same mode for its companion files.

    An existing file is not opened here, because closing it would release the locks that SQLite holds on it.
    """
    if path.exists():
        return
    with _creating, _locked_folder(path.parent):
        if not path.exists():
            # Companion files of a file that was removed without them. SQLite would use them for the new file, and share
            # their locks and pages with the processes that still have the old file open.
            for suffix in ("-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    """Exclude other processes that are about to create the file: they would remove its new companion files."""
    if not folder.is_dir():
        missing = "the folder of the session database does not exist"
        raise FileNotFoundError(errno.ENOENT, missing, str(folder))
    if sys.platform == "win32":  # where a file that is open cannot be removed
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
