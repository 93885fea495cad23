"""Batches: one statement for all requests that want the same kind of thing at the same time.

One statement for 64 sessions costs this process and the server a small part of 64 statements (docs/architecture.md has
the figures), and one wait for the disk. While a statement is under way, the next batch gathers. Nobody waits for a
stranger: a batch leaves out the sessions that another transaction has locked, and one that fails is done again one by
one.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec

from kick.session.stores.base import Record, Superseded
from kick.session.stores.postgres.errors import PostgresTimeout, is_of_statement, sqlstate_of
from kick.session.stores.postgres.pool import Connection, Open, Parameters, Pool
from kick.session.stores.postgres.rows import Row, entry_of, json_of
from kick.session.stores.postgres.statements import Query, Statements

AT_ONCE: Final = 256
"""The most sessions that one statement loads or commits."""

WIDTH: Final = 2
"""Statements of one kind that are under way at the same time. More of them would be smaller ones."""

_AGAIN: Final = ("40001", "40P01")
"""SQLSTATEs of a transaction that gave way to another one: nothing has been done."""

_CANCELED: Final = "57014"
"""SQLSTATE of a statement that was broken off, because time was up."""

_ATTEMPTS: Final = 5

Entry: TypeAlias = Record | Superseded | None
Waiting: TypeAlias = asyncio.Future[Any]


class Single:
    """A statement for one request."""

    def __init__(self, lane: Singles, key: str | None, query: Query, parameters: Parameters) -> None:
        loop = asyncio.get_running_loop()
        self.key: Final = key
        self.answer: Final[asyncio.Future[list[Row]]] = loop.create_future()
        self.deadline: float = loop.time() + lane.limit
        self._lane = lane
        self._query = query
        self._parameters = parameters

    async def run(self, connection: Connection) -> None:
        """See `Work`."""
        attempt = 1
        while True:
            try:
                _settle(self.answer, await connection.fetch(self._query, self._parameters))
            except Exception as error:  # noqa: BLE001  # whoever waits hears of it
                if sqlstate_of(error) in _AGAIN and attempt < _ATTEMPTS:
                    attempt += 1
                    continue
                self.fail(error)
            break
        self._lane.ended(self)

    def fail(self, error: Exception) -> None:
        """See `Work`."""
        _fail([self.answer], error, self._lane.limit)

    def drop(self) -> None:
        """See `Work`."""
        self._lane.ended(self)

    def is_wanted(self) -> bool:
        """See `Work`."""
        return not self.answer.done()


class Singles:
    """Statements for one request each. They may wait for a lock, so they never take all connections of a pool.

    Those of one session run one after the other: a session that is locked for long holds up one connection.
    """

    def __init__(self, pool: Pool) -> None:
        self.limit: Final = pool.limit
        self._pool = pool
        self._width = max(1, pool.most - 2 * WIDTH)
        self._queue: deque[Single] = deque()
        self._busy: set[str] = set()
        self._running = 0

    def add(self, query: Query, parameters: Parameters, *, key: str | None = None) -> asyncio.Future[list[Row]]:
        """Run a statement about the session with this key, or about several; its rows."""
        single = Single(self, key, query, parameters)
        self._queue.append(single)
        timer = asyncio.get_running_loop().call_at(single.deadline - self._pool.spare, self._give_up, single)
        single.answer.add_done_callback(lambda _: timer.cancel())
        self._advance()
        return single.answer

    def ended(self, single: Single) -> None:
        """Note that a statement has come to its end: the next one may begin."""
        self._running -= 1
        if single.key is not None:
            self._busy.discard(single.key)
        self._advance()

    def _advance(self) -> None:
        if not self._queue or self._running >= self._width:
            return
        held_up: list[Single] = []
        latest = asyncio.get_running_loop().time() + self._pool.spare
        while self._queue and self._running < self._width:
            single = self._queue.popleft()
            if single.is_wanted() and single.deadline <= latest:
                single.fail(PostgresTimeout("answer", self.limit))
            if not single.is_wanted():
                continue
            if single.key in self._busy:
                held_up.append(single)
                continue
            if single.key is not None:
                self._busy.add(single.key)
            self._running += 1
            self._pool.submit(single)
        self._queue.extendleft(reversed(held_up))

    def _give_up(self, single: Single) -> None:
        if single in self._queue:
            self._queue.remove(single)
            single.fail(PostgresTimeout("answer", self.limit))


class Loads:
    """Sessions to be loaded."""

    def __init__(self, pool: Pool, statements: Statements) -> None:
        self.limit: Final = pool.limit
        self._pool = pool
        self._query = statements.load
        self._wanted: dict[str, list[Waiting]] = {}
        self._under_way = 0

    def add(self, key: str) -> asyncio.Future[Entry]:
        """Load a session along with others."""
        answer: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._wanted.setdefault(key, []).append(answer)
        if self._under_way < WIDTH:
            self._submit()
        return answer

    def take(self) -> dict[str, list[Waiting]]:
        """Take as many as one statement may load."""
        if len(self._wanted) <= AT_ONCE:
            taken, self._wanted = self._wanted, {}
            return taken
        keys = list(self._wanted)[:AT_ONCE]
        return {key: self._wanted.pop(key) for key in keys}

    def ended(self) -> None:
        """Note that a statement has come to its end: the next one may begin."""
        self._under_way -= 1
        if self._wanted and self._under_way < WIDTH:
            self._submit()

    def again(self, taken: dict[str, list[Waiting]]) -> None:
        """Load once more, over another connection: reading changes nothing."""
        wanted = {key: waiting for key, waiting in taken.items() if not all(map(_is_done, waiting))}
        self._pool.submit(_Repeated(self._query, wanted, self._pool))

    def _submit(self) -> None:
        self._under_way += 1
        self._pool.submit(_Load(self, self._query))


class _Load:
    """One statement that loads what has gathered until a connection is free."""

    deadline = math.inf

    def __init__(self, lane: Loads, query: Query) -> None:
        self._lane = lane
        self._query = query
        self._taken: dict[str, list[Waiting]] | None = None

    async def run(self, connection: Connection) -> None:
        taken = self._taken = self._lane.take()
        try:
            await _load(connection, self._query, taken)
        except Exception as error:  # noqa: BLE001  # whoever waits hears of it
            if connection.is_lost() and sqlstate_of(error) != _CANCELED:
                self._lane.again(taken)
            else:
                self.fail(error)
        finally:
            self._lane.ended()

    def fail(self, error: Exception) -> None:
        if self._taken is None:
            self._taken = self._lane.take()
            self._lane.ended()
        for waiting in self._taken.values():
            _fail(waiting, error, self._lane.limit)

    def drop(self) -> None:
        pass  # always wanted

    def is_wanted(self) -> bool:
        return True


class _Repeated:
    """The same once more, over another connection.

    A server that goes down ends its connections one after the other. So the next one may be as good as gone, too, and
    each of the pool gets a turn. All of this has as long as one answer.
    """

    def __init__(self, query: Query, taken: dict[str, list[Waiting]], pool: Pool) -> None:
        self.deadline: float = asyncio.get_running_loop().time() + pool.limit
        self._query = query
        self._taken = taken
        self._pool = pool
        self._turns_left = pool.most

    async def run(self, connection: Connection) -> None:
        self._turns_left -= 1
        try:
            await _load(connection, self._query, self._taken)
        except Exception as error:  # noqa: BLE001  # whoever waits hears of it
            if self._turns_left and connection.is_lost() and sqlstate_of(error) != _CANCELED:
                self._pool.submit(self)
            else:
                self.fail(error)

    def fail(self, error: Exception) -> None:
        for waiting in self._taken.values():
            _fail(waiting, error, self._pool.limit)

    def drop(self) -> None:
        pass  # nobody counts them

    def is_wanted(self) -> bool:
        return bool(self._taken)


async def _load(connection: Connection, query: Query, wanted: dict[str, list[Waiting]]) -> None:
    rows = await connection.fetch(query, {"keys": list(wanted)}) if wanted else []
    found = {row[0]: entry_of(row) for row in rows}
    for key, waiting in wanted.items():
        for answer in waiting:
            _settle(answer, found.get(key))


class Job(msgspec.Struct, eq=False):
    """A change of one session, for a batch."""

    key: str
    change: dict[str, Any]
    """As `commit_many` takes it."""
    answer: Waiting
    """The time at which the session expires; `None` if the batch has left it out."""


class Commits:
    """Changes to be committed. Those of one session keep their order: one at a time is in a batch."""

    def __init__(self, pool: Pool, statements: Statements) -> None:
        self.limit: Final = pool.limit
        self._pool = pool
        self._query = statements.commit_many
        self._ready: deque[Job] = deque()
        self._held: dict[str, deque[Job]] = {}
        """The keys of jobs that are ready or under way, and the jobs that wait for them."""
        self._under_way = 0

    def add(self, key: str, change: dict[str, Any]) -> asyncio.Future[float | None]:
        """Commit a change along with others; the time at which the session expires, or `None` if it was left out."""
        answer: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        job = Job(key, change, answer)
        if (held := self._held.get(key)) is not None:
            held.append(job)
            return answer
        self._held[key] = deque()
        self._ready.append(job)
        if self._under_way < WIDTH:
            self._submit()
        return answer

    def take(self) -> list[Job]:
        """Take as many as one statement may commit, each of another session."""
        return [self._ready.popleft() for _ in range(min(len(self._ready), AT_ONCE))]

    def ended(self, jobs: Iterable[Job]) -> None:
        """Note that a statement has come to its end: the next one may begin."""
        self._under_way -= 1
        for job in jobs:
            held = self._held[job.key]
            if held:
                self._ready.append(held.popleft())
            else:
                del self._held[job.key]
        if self._ready and self._under_way < WIDTH:
            self._submit()

    def _submit(self) -> None:
        self._under_way += 1
        self._pool.submit(_Commit(self, self._query))


class _Commit:
    """One statement that commits what has gathered until a connection is free."""

    deadline = math.inf

    def __init__(self, lane: Commits, query: Query) -> None:
        self._lane = lane
        self._query = query
        self._taken: list[Job] | None = None

    async def run(self, connection: Connection) -> None:
        taken = self._taken = self._lane.take()
        try:
            rows: list[Row] = []
            if changes := [job.change for job in taken if not job.answer.done()]:  # the others' requests have gone
                rows = await connection.fetch(self._query, {"jobs": json_of(changes)})
            expires = {row[0]: row[1] for row in rows}
            for job in taken:
                _settle(job.answer, expires.get(job.key))
        except Exception as error:  # noqa: BLE001  # whoever waits hears of it
            if is_of_statement(error) and not connection.is_lost():
                for job in taken:  # nothing has been done: each is tried by itself, and one may be to blame
                    _settle(job.answer, None)
            else:
                self.fail(error)
        finally:
            self._lane.ended(taken)

    def fail(self, error: Exception) -> None:
        if self._taken is None:
            self._taken = self._lane.take()
            self._lane.ended(self._taken)
        _fail([job.answer for job in self._taken], error, self._lane.limit)

    def drop(self) -> None:
        pass  # always wanted

    def is_wanted(self) -> bool:
        return True


class Client:
    """Connections, batches and single statements of one event loop."""

    def __init__(self, open_connection: Open, statements: Statements, *, limit: float, most: int) -> None:
        self.pool: Final = Pool(open_connection, limit=limit, most=most)
        self.loads: Final = Loads(self.pool, statements)
        self.commits: Final = Commits(self.pool, statements)
        self.singles: Final = Singles(self.pool)
        self.preparing: asyncio.Task[None] | None = None
        """The look at the table, for which all requests wait that come meanwhile."""


def _is_done(answer: Waiting) -> bool:
    return answer.done()


def _settle(answer: Waiting, value: object) -> None:
    if not answer.done():  # or whoever waited was cancelled
        answer.set_result(value)


def _fail(waiting: Iterable[Waiting], error: Exception, limit: float) -> None:
    if sqlstate_of(error) == _CANCELED or type(error) is TimeoutError:
        error = PostgresTimeout("answer", limit)
    for answer in waiting:
        if not answer.done():
            answer.set_exception(error)
