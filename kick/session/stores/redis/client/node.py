"""One Redis server: the commands that wait for it, and the connections that carry them.

    submit ──► queue ──► flush, once per iteration of the event loop ──► connection ──► answers

The commands of one iteration of the event loop are sent together, on the first connection that is not slow. If there
are many, each `BATCH` is sent as soon as it is complete, so that the server works in parallel to this process. A second
connection is opened only if answers are late, and so on up to `max_connections`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final, Protocol

import msgspec
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.connection import Connection
from kick.session.stores.redis.client.time_limit import CHECKS

BATCH: Final = 16
"""The number of commands that are sent before the end of an iteration."""


class Limits(msgspec.Struct, frozen=True):
    """Limits of times and connections."""

    timeout: float
    """Seconds to wait for a connection, and again for an answer."""
    max_connections: int
    """Connections to each node."""


class Refusals(Protocol):
    """The object that handles refused commands and unreachable nodes."""

    def refused(self, node: Node, command: Command, text: str) -> None:
        """Handle an error that the server answered."""
        ...

    def unreachable(self, node: Node) -> None:
        """Handle a connection that broke, or could not be opened."""
        ...


class Node:
    """A server: the queue of its commands, and its connections. It belongs to one event loop."""

    def __init__(
        self, name: str, connect: Callable[[], Awaitable[Connection]], refusals: Refusals, limits: Limits
    ) -> None:
        self.name = name
        self._connect = connect
        self._refusals = refusals
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Command] = deque()
        self._flush_is_due = False
        self._sent_early = False
        self._connections: list[Connection] = []
        self._connecting: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._was_late = False

    def submit(self, command: Command) -> None:
        """Send a command together with the others of this iteration."""
        self._queue.append(command)
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)
        elif not len(self._queue) % BATCH:
            self._sent_early = True
            self._send(self._loop.time(), since=inf)

    def retire_connections(self) -> None:
        """Let the current connections finish, and open new ones for further commands."""
        for connection in list(self._connections):
            connection.retire()

    async def aclose(self) -> None:
        """Wait for the answers that are due, within the time limit, and close the connections."""
        commands = [*self._queue, *(command for connection in self._connections for command in connection.in_flight)]
        if commands:
            await asyncio.wait([command.answer for command in commands], timeout=self._limits.timeout)
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
            self._connecting = None
        self._fail_queue(RedisConnectionError("the store was closed"), waiting_since=inf)
        connections = list(self._connections)
        for connection in connections:
            connection.close()
        if connections:
            _, open_ones = await asyncio.wait(
                [connection.closed for connection in connections], timeout=self._limits.timeout
            )
            for connection in connections if open_ones else ():
                connection.fail(RedisConnectionError("the store was closed"))
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    # Reports of connections

    def refused(self, command: Command, text: str) -> None:
        """See `connection.Owner.refused`."""
        self._refusals.refused(self, command, text)

    def progressed(self) -> None:
        """See `connection.Owner.progressed`."""
        if self._queue and not self._flush_is_due:
            self._flush()

    def lost(self, connection: Connection, error: Exception, unanswered: Sequence[Command]) -> None:
        """See `connection.Owner.lost`. A command that changes nothing is sent once more, over a new connection."""
        self._connections.remove(connection)
        again: list[Command] = []
        for command in unanswered:
            if command.repeatable and not command.tries and not isinstance(error, RedisTimeoutError):
                command.tries += 1
                command.ask_no_more()
                again.append(command)
            else:
                command.fail(_copy(error))
        if unanswered:
            self.retire_connections()  # the others are broken for the same reason, even if they have not noticed yet
            self._refusals.unreachable(self)
        self._queue.extendleft(reversed(again))
        if self._queue:
            self._flush()

    # The queue

    def _flush(self) -> None:
        self._flush_is_due = False
        self._watch_the_clock()
        now = self._loop.time()
        if self._sent_early:
            self._sent_early = False
            for connection in self._connections:
                connection.begin_to_wait(now)
        self._send(now, since=now)
        if self._queue:
            self._wait(now)

    def _send(self, now: float, *, since: float) -> None:
        """Send as many commands as the connections accept."""
        for connection in self._connections:
            if self._queue:
                connection.send(self._queue, now, since=since)

    def _wait(self, now: float) -> None:
        """Note the time at which commands began to wait, and open a connection if one more is allowed."""
        for command in self._queue:
            if command.since is None:
                command.since = now
        if self._connecting is None and len(self._connections) < self._limits.max_connections:
            self._connecting = self._loop.create_task(self._open_connection())

    async def _open_connection(self) -> None:
        began = self._loop.time()
        try:
            connection = await self._connect()
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
            self._connecting = None
            if all(connection.is_retired for connection in self._connections):
                self._fail_queue(error, waiting_since=began)
            self._refusals.unreachable(self)
            if self._queue:
                self._wait(self._loop.time())  # they came later: the server may be back
        else:
            self._connecting = None
            connection.serve(self)
            self._connections.append(connection)
            self._flush()

    def _fail_queue(self, error: Exception, *, waiting_since: float) -> None:
        """Fail the commands that have waited for a connection since a time."""
        queue, self._queue = self._queue, deque[Command]()
        for command in queue:
            if waiting_since == inf or (command.since is not None and command.since <= waiting_since):
                command.fail(_copy(error))
            else:
                self._queue.append(command)

    # The clock

    def _watch_the_clock(self) -> None:
        if self._watch is None:
            pause = self._limits.timeout / CHECKS
            self._watch = self._loop.call_later(pause, self._check, self._loop.time() + pause)

    def _check(self, due: float) -> None:
        """Give up commands that have waited for too long. Runs as long as any command waits."""
        self._watch = None
        now = self._loop.time()
        # If this process was blocked, unread answers may have arrived. They are read before the next check.
        self._was_late = not self._was_late and now - due > self._limits.timeout / CHECKS
        if self._was_late:
            self._watch_the_clock()
            return
        self._give_up(now)
        if self._queue:
            self._flush()
        elif any(connection.in_flight for connection in self._connections):
            self._watch_the_clock()

    def _give_up(self, now: float) -> None:
        limit = self._limits.timeout
        for connection in list(self._connections):
            if connection.is_overdue(now, limit):
                connection.fail(RedisTimeoutError(f"{self.name} did not answer within {limit:g} s"))
        queue, self._queue = self._queue, deque[Command]()
        for command in queue:
            if command.since is not None and now - command.since > limit:
                command.fail(RedisTimeoutError(f"no connection to {self.name} became free within {limit:g} s"))
            else:
                self._queue.append(command)


def _copy(error: Exception) -> Exception:
    """Return an exception for one more caller: each raises its own, with its own traceback."""
    copy = type(error)(*error.args) if isinstance(error, RedisError) else RedisConnectionError(str(error))
    copy.__cause__ = error
    return copy
