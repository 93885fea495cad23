"""`SQLiteStore`: its side in the event loop, and the operations on rows."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, cast

from kick import clock as process_clock
from kick.session.stores.base import (
    GONE,
    TAKEN,
    Change,
    CommitResult,
    Committed,
    MoveResult,
    Record,
    Refused,
    Superseded,
)
from kick.session.stores.record_changes import committed, created, moved, touched
from kick.session.stores.sqlite.file import SessionFile, explain
from kick.session.stores.sqlite.rows import Rows
from kick.session.stores.sqlite.worker import Job, Work, Worker


class SQLiteStore:
    """An `AtomicStore` in an SQLite file, for any number of processes on one machine.

    The event loop never accesses the file. The operations of one iteration of the loop are passed to a thread as a
    batch. Operations that arrive while the thread is busy form the next batch. One query reads all sessions of a batch,
    one transaction writes them, and one call returns the results.

    Arguments:
        path: the file. It is created at first use, readable and writable by its owner only; its folder must exist.
        durable: wait for the disk before an operation returns. In both modes, a process that crashes or is killed loses
            no completed operation. Without `durable`, a power failure can lose the last moments, but never the file.
            With it, each batch of writes costs an fsync.
        busy_timeout: the time, as `timedelta` or seconds, for which another process may hold the lock of the file.
            After it, waiting operations raise `DatabaseLocked`, a `TimeoutError`. Reads do not wait.
        clock: the Unix time in seconds. It moves with `kick.clock`.

    At first use, a file that is not a session database raises `DatabaseUnusable`, an `OSError`, and a missing folder
    raises `FileNotFoundError`.

    >>> import tempfile
    >>> async def visit(path: Path) -> bytes:
    ...     store = SQLiteStore(path)
    ...     await store.create("{abcd}:key", Change(set={"n": b"1"}), max_age=60)
    ...     await store.aclose()
    ...     after_a_restart = SQLiteStore(path)
    ...     record = await after_a_restart.load("{abcd}:key")
    ...     await after_a_restart.aclose()
    ...     return record.fields["n"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(visit(Path(folder, "sessions.db")))
    b'1'
    """

    keeps_time: Final = True
    follows_clock: Final = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durable: bool = False,
        busy_timeout: timedelta | float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if os.fspath(path) in ("", ":memory:"):
            raise ValueError("SQLiteStore needs the path of a file; MemoryStore() keeps sessions in memory")
        self.now = process_clock.following(clock)
        self._file = SessionFile(Path(path).absolute(), durable=durable, clock=self.now)
        self._busy_timeout = busy_timeout.total_seconds() if isinstance(busy_timeout, timedelta) else busy_timeout
        self._worker: Worker | None = None
        self._turns: dict[asyncio.AbstractEventLoop, list[Job]] = {}

    @property
    def path(self) -> Path:
        """The file, as an absolute path."""
        return self._file.path

    async def load(self, key: str) -> Record | Superseded | None:
        """See `AtomicStore.load`."""
        found: Record | Superseded | None = await self._submit((key,), None)
        return found

    async def create(
        self, key: str, change: Change, *, max_age: float, absolute_max_age: float | None = None
    ) -> Committed | Literal[Refused.TAKEN]:
        """See `AtomicStore.create`."""
        work = partial(_create, key=key, change=change, max_age=max_age, absolute_max_age=absolute_max_age)
        return cast("Committed | Literal[Refused.TAKEN]", await self._submit((key,), work, writes=True))

    async def commit(self, key: str, change: Change, *, max_age: float) -> CommitResult:
        """See `AtomicStore.commit`."""
        work = partial(_commit, key=key, change=change, max_age=max_age)
        result: CommitResult = await self._submit((key,), work, writes=True)
        return result

    async def touch(self, key: str, *, max_age: float) -> bool:
        """See `AtomicStore.touch`."""
        return cast(bool, await self._submit((key,), partial(_touch, key=key, max_age=max_age), writes=True))

    async def move(
        self,
        key: str,
        new_key: str,
        *,
        max_age: float,
        grace: float,
        keep: Collection[str] | None = None,
        successor: bytes | None = None,
        absolute_max_age: float | None = None,
    ) -> MoveResult:
        """See `AtomicStore.move`."""
        work = partial(
            _move,
            key=key,
            new_key=new_key,
            max_age=max_age,
            grace=grace,
            keep=keep,
            successor=successor,
            absolute_max_age=absolute_max_age,
        )
        return cast(MoveResult, await self._submit((key, new_key), work, writes=True))

    async def destroy(self, key: str) -> bool | Superseded:
        """See `AtomicStore.destroy`."""
        return cast("bool | Superseded", await self._submit((key,), partial(_destroy, key=key), writes=True))

    async def find(self, principal: str) -> list[tuple[str, Record]]:
        """See `AtomicStore.find`."""
        return cast("list[tuple[str, Record]]", await self._submit((), partial(Rows.find, principal=principal)))

    async def revoke(self, principal: str, *, keep: str | None = None) -> int:
        """See `AtomicStore.revoke`."""
        return cast(int, await self._submit((), partial(_revoke, principal=principal, keep=keep), writes=True))

    async def recognize(self, secrets: frozenset[str], *, remember: bool = True) -> list[frozenset[str]]:
        """See `AtomicStore`."""
        work = partial(Rows.recognize, secrets=secrets, remember=remember)
        return cast("list[frozenset[str]]", await self._submit((), work, writes=remember))

    async def purge(self) -> int:
        """See `AtomicStore.purge`. It uses several transactions, so other writes can happen in between."""
        freed, more = 0, True
        while more:
            gone, more = cast("tuple[int, bool]", await self._submit((), Rows.sweep, writes=True))
            freed += gone
        return freed

    def explain(self, error: Exception) -> str | None:
        """See `AtomicStore`."""
        return explain(error)

    async def aclose(self) -> None:
        """Finish the running operations, close the file, and end the thread. The next operation opens it again."""
        loop = asyncio.get_running_loop()
        self._hand_over(loop)
        worker, self._worker = self._worker, None
        if worker is not None and not worker.lost:
            ended: asyncio.Future[None] = loop.create_future()
            worker.stop(ended)
            await ended

    def _submit(self, keys: tuple[str, ...], work: Work | None, *, writes: bool = False) -> asyncio.Future[Any]:
        """Let the thread do `work`, or load a key, in the batch of this iteration of the event loop."""
        loop = asyncio.get_running_loop()
        job = Job(loop.create_future(), keys, work, writes=writes)
        turn = self._turns.get(loop)
        if turn is None:
            turn = self._turns[loop] = []
            loop.call_soon(self._hand_over, loop)
        turn.append(job)
        return job.answer

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._turns.pop(loop, None)
        if turn is None:
            return
        if self._worker is None or self._worker.lost:
            self._worker = Worker(self._file, self._busy_timeout)
            weakref.finalize(self, self._worker.stop).atexit = False
        self._worker.inbox.put(turn)


def _create(
    rows: Rows, *, key: str, change: Change, max_age: float, absolute_max_age: float | None
) -> Committed | Literal[Refused.TAKEN]:
    if rows.live(key) is not None:
        return TAKEN
    record, counters = created(change, now=rows.now, max_age=max_age, absolute_max_age=absolute_max_age)
    rows.put(key, record)
    return Committed(record.expires_at, counters)


def _commit(rows: Rows, *, key: str, change: Change, max_age: float) -> CommitResult:
    record = rows.live(key)
    if not isinstance(record, Record):
        return GONE if record is None else record
    result = committed(record, change, now=rows.now, max_age=max_age)
    if isinstance(result, Refused):
        return result
    changed, counters = result
    rows.update(key, record, changed)
    return Committed(changed.expires_at, counters)


def _touch(rows: Rows, *, key: str, max_age: float) -> bool:
    record = rows.live(key)
    if not isinstance(record, Record):
        return False
    rows.update(key, record, touched(record, now=rows.now, max_age=max_age))
    return True


def _move(
    rows: Rows,
    *,
    key: str,
    new_key: str,
    max_age: float,
    grace: float,
    keep: Collection[str] | None,
    successor: bytes | None,
    absolute_max_age: float | None,
) -> MoveResult:
    record = rows.live(key)
    if not isinstance(record, Record):
        return GONE if record is None else record
    if rows.live(new_key) is not None:
        return TAKEN
    after = moved(record, now=rows.now, max_age=max_age, keep=keep, absolute_max_age=absolute_max_age)
    rows.put(new_key, after)
    rows.put_marker(key, Superseded(successor), rows.now + grace)
    return Committed(after.expires_at)


def _destroy(rows: Rows, *, key: str) -> bool | Superseded:
    entry = rows.live(key)
    if isinstance(entry, Superseded):
        return entry
    if entry is not None:
        rows.remove(key)
    return entry is not None


def _revoke(rows: Rows, *, principal: str, keep: str | None) -> int:
    doomed = [key for key, _ in rows.find(principal) if key != keep]
    for key in doomed:
        rows.remove(key)
    return len(doomed)
