"""A bounded pool of connections, and the work that waits for them.

A request does not take a connection and hand it back; it hands in its work, and a connection that is free does it.
So what many requests want at the same time can be done by one statement (`batches`). Work waits for a connection, and
then for an answer, each within the time limit. Nothing is opened before there is work, and whoever comes first after an
outage tries anew: there is no pause to sit out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from kick.session.stores.postgres.errors import PostgresTimeout
from kick.session.stores.postgres.rows import Row
from kick.session.stores.postgres.statements import Query

Parameters: TypeAlias = Mapping[str, Any]


class Connection(Protocol):
    """A connection, or the way to one that an application's pool lends for a statement."""

    async def fetch(self, query: Query, parameters: Parameters) -> list[Row]:
        """Run a statement in a transaction of its own, and return its rows. Raises errors of the driver."""
        ...

    def is_lost(self) -> bool:
        """Return true if it cannot be used any more."""
        ...

    def cancel(self) -> None:
        """Ask the server to break off the statement that runs. Does not wait; the connection is lost afterwards."""
        ...

    def abort(self) -> None:
        """Break the connection under the statement that runs."""
        ...

    def discard(self) -> None:
        """Close it at once. No statement runs."""
        ...

    async def close(self) -> None:
        """Close it in an orderly way."""
        ...


Open: TypeAlias = Callable[[], Awaitable[Connection]]


class Work(Protocol):
    """Something to be done on a connection."""

    deadline: float
    """The time of the event loop at which it is given up, however long it has been running."""

    async def run(self, connection: Connection) -> None:
        """Do it. Raises nothing: whoever waits is told."""
        ...

    def fail(self, error: Exception) -> None:
        """Tell whoever waits. Does nothing where the answer has come already."""
        ...

    def drop(self) -> None:
        """Leave it: nobody waits for it, or they have been told."""
        ...

    def is_wanted(self) -> bool:
        """Return false if nobody waits any more."""
        ...


CANCEL_AT: Final = 0.8
"""Part of the time limit after which the server is asked to break off a statement.

The rest is for its answer: then nothing comes through later. A server that is too busy to answer in time breaks the
statement off a moment later, unless the statement was faster. Whatever it answers, the statement counts as failed: a
server that waited for a synchronous standby has committed it, but without the standby.
"""


class Pool:
    """The connections of one event loop."""

    def __init__(self, open_connection: Open, *, limit: float, most: int) -> None:
        self.limit: Final = limit
        """Seconds to wait for a connection, and again for an answer."""
        self.most: Final = most
        self.spare: Final = (1 - CANCEL_AT) * limit
        """Seconds before the end of which nothing is begun, and what runs is broken off."""
        self._open = open_connection
        self._idle: list[Connection] = []
        self._waiting: deque[tuple[Work, asyncio.TimerHandle]] = deque()
        self._serving: set[Connection] = set()
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """Connections that are open or being opened."""
        return len(self._idle) + len(self._serving) + self._opening

    def submit(self, work: Work) -> None:
        """Have a connection do `work`, as soon as one is free."""
        loop = asyncio.get_running_loop()
        latest = min(loop.time() + self.limit, work.deadline - self.spare)
        timer = loop.call_at(latest, self._give_up_waiting, work)
        self._waiting.append((work, timer))
        self._find_connection()

    async def close(self) -> None:
        """Let what was begun come to its end, and close the connections. The pool may be used again."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    def abandon(self) -> None:
        """Close the connections of an event loop that runs no more."""
        for connection in (*self._idle, *self._serving):
            connection.discard()
        self._idle.clear()
        self._serving.clear()

    def _find_connection(self) -> None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_lost():
                self._start(connection)
                return
            connection.discard()
        if self.size < self.most and self._opening < len(self._waiting):
            self._opening += 1
            self._spawn(self._connect())

    def _start(self, connection: Connection) -> None:
        self._serving.add(connection)
        self._spawn(self._serve(connection))

    async def _connect(self) -> None:
        try:
            connection = await self._open()
        except Exception as error:  # noqa: BLE001  # whoever waits hears of it
            self._opening -= 1
            if not self._serving and not self._opening:  # nobody else will serve those who wait
                self._fail_all(error)
        except BaseException:
            self._opening -= 1
            raise
        else:
            self._opening -= 1
            self._start(connection)

    async def _serve(self, connection: Connection) -> None:
        """Do what waits, one after the other, and lie idle again."""
        try:
            while (work := self._next()) is not None:
                await self._do(work, connection)
                if connection.is_lost():
                    break
        finally:
            self._serving.discard(connection)
            if connection.is_lost():
                connection.discard()
            else:
                self._idle.append(connection)
            if self._waiting:
                self._find_connection()

    async def _do(self, work: Work, connection: Connection) -> None:
        def give_up() -> None:
            work.fail(PostgresTimeout("answer", self.limit))
            connection.abort()

        loop = asyncio.get_running_loop()
        deadline = min(loop.time() + self.limit, work.deadline)
        canceling = loop.call_at(deadline - self.spare, connection.cancel)
        giving_up = loop.call_at(deadline, give_up)
        try:
            await work.run(connection)
        finally:
            canceling.cancel()
            giving_up.cancel()

    def _next(self) -> Work | None:
        while self._waiting:
            work, timer = self._waiting.popleft()
            timer.cancel()
            if work.is_wanted():
                return work
            work.drop()
        return None

    def _give_up_waiting(self, late: Work) -> None:
        self._waiting = deque(each for each in self._waiting if each[0] is not late)
        late.fail(PostgresTimeout("connection", self.limit))
        late.drop()

    def _fail_all(self, error: Exception) -> None:
        while self._waiting:
            work, timer = self._waiting.popleft()
            timer.cancel()
            work.fail(error)
            work.drop()

    def _spawn(self, job: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
