"""The thread that accesses the file, so that the event loop never waits for it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

import msgspec

from kick.session.stores.sqlite.file import Busy, DatabaseLocked, SessionFile
from kick.session.stores.sqlite.rows import Rows

Work: TypeAlias = Callable[[Rows], object]


class Job(msgspec.Struct, eq=False):
    """One operation of the store. Its caller awaits `answer`, which is cancelled with the caller."""

    answer: asyncio.Future[Any]
    keys: Sequence[str] = ()
    work: Work | None = None
    writes: bool = False
    value: object = None
    error: Exception | None = None


class Worker:
    """A thread with an inbox of batches.

    While the thread is busy, the next batch is collected. While another process holds the lock of the file, operations
    that only read continue. The thread has no reference to the store, so it ends with a store that was not closed.
    """

    def __init__(self, file: SessionFile, busy_timeout: float) -> None:
        self.file = file
        self.inbox: SimpleQueue[list[Job] | asyncio.Future[Any] | None] = SimpleQueue()
        """Batches. Any other object ends the thread; if it is a future, its result is set then."""
        self.in_use = threading.Lock()
        """Held by the thread while it accesses the file."""
        self.lost = False
        """True in a forked process, which has no thread."""
        self._busy_timeout = busy_timeout
        self._locked_since: float | None = None
        self._ending = False
        self._ended: asyncio.Future[Any] | None = None
        _workers.add(self)
        threading.Thread(target=self._run, name="kick-sessions-sqlite", daemon=True).start()

    def stop(self, ended: asyncio.Future[Any] | None = None) -> None:
        """End the thread after the batches that it has received so far."""
        self.inbox.put(ended)

    def _run(self) -> None:
        waiting: list[Job] = []
        while waiting or not self._ending:
            waiting += self._take(wait=not waiting)
            with self.in_use:
                waiting = self._attempt([job for job in waiting if not job.answer.cancelled()])
            if self._has_waited_too_long(waiting):
                for job in waiting:
                    job.error = DatabaseLocked(self.file.path, self._busy_timeout)
                _hand_back(waiting)
                waiting = []
        with self.in_use:
            self.file.close()
        if self._ended is not None:
            _hand_back([Job(self._ended)])

    def _take(self, *, wait: bool) -> list[Job]:
        """Return all operations in the inbox."""
        taken: list[Job] = []
        try:
            while not self._ending:
                item = self.inbox.get(block=wait)
                wait = False
                if isinstance(item, list):
                    taken += item
                else:
                    self._ending, self._ended = True, item
        except Empty:
            pass
        return taken

    def _attempt(self, jobs: list[Job]) -> list[Job]:
        """Do the jobs that only read, then those that write; return the jobs that must wait for a lock."""
        reads = [job for job in jobs if not job.writes]
        writes = [job for job in jobs if job.writes]
        waiting = _finish(reads, self.file.read)
        if writes:
            waiting += _finish(writes, self.file.write)
            self.file.sweep_now_and_then()
        return waiting

    def _has_waited_too_long(self, waiting: list[Job]) -> bool:
        if not waiting:
            self._locked_since = None
            return False
        if self._locked_since is None:
            self._locked_since = time.monotonic()
        return time.monotonic() - self._locked_since > self._busy_timeout


def _finish(jobs: list[Job], do: Callable[[Sequence[Job]], None]) -> list[Job]:
    """Do the jobs and pass on their results, or return the jobs if the file is locked."""
    if not jobs:
        return []
    try:
        do(jobs)
    except Busy:
        return jobs
    _hand_back(jobs)
    return []


def _hand_back(jobs: list[Job]) -> None:
    """Pass the results to their event loops, with one call for each."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        loops.setdefault(job.answer.get_loop(), []).append(job)
    for loop, some in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, some)
        except RuntimeError:
            pass  # the loop was closed: there is no caller


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        if job.answer.done():
            continue  # its caller was cancelled
        if job.error is None:
            job.answer.set_result(job.value)
        else:
            job.answer.set_exception(job.error)


# A connection of SQLite must not be used after a fork: locks belong to the process, and the child would use those of
# its parent. So all connections are closed before a fork, and reopened when they are needed.

_workers: Final[weakref.WeakSet[Worker]] = weakref.WeakSet()
_held: Final[list[Worker]] = []


def _before_fork() -> None:
    for worker in list(_workers):
        worker.in_use.acquire()
        worker.file.close()
        _held.append(worker)


def _after_fork_in_parent() -> None:
    held = _held.copy()
    _held.clear()  # before the first release, after which another thread may fork
    for worker in held:
        worker.in_use.release()


def _after_fork_in_child() -> None:
    for worker in _held:
        worker.lost = True
    _held.clear()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
