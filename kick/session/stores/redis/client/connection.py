"""One connection to Redis with pipelining: commands are sent without waiting for earlier answers.

It is an asyncio protocol, because a command costs only a few microseconds here; with asyncio streams it costs several
times as much.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol, cast

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.protocol import UNFINISHED, PushNotification, Refusal, new_reader

MOST_IN_FLIGHT: Final = 512
"""Commands that may wait for their answers on one connection."""

SLOW_AFTER: Final = 0.005
"""Seconds without an answer after which further commands take another connection."""


class Owner(Protocol):
    """The object that owns a connection and sends commands on it."""

    def refused(self, command: Command, text: str) -> None:
        """Handle an error that the server answered."""
        ...

    def progressed(self) -> None:
        """Handle room for further commands, where `send` has left some in the queue."""
        ...

    def lost(self, connection: Connection, error: Exception, unanswered: Sequence[Command]) -> None:
        """Handle the loss of the connection. It is unknown whether the `unanswered` commands were executed."""
        ...


class Connection(asyncio.Protocol):
    """A connection with commands in flight. Answers come in the order of the commands."""

    _transport: asyncio.Transport

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._reader = new_reader()
        self._in_flight: deque[Command] = deque()
        self._waiting_since = 0.0
        """The time of the last complete answer, or else of sending the first command in flight."""
        self._heard_at = 0.0
        """The time at which data was last received."""
        self._is_full = False
        self._left_some = False
        """The last `send` has left commands in the queue of the owner."""
        self._is_retired = False
        self._is_lost = False
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def serve(self, owner: Owner) -> None:
        """Belong to another owner from now on."""
        self._owner = owner

    @property
    def in_flight(self) -> list[Command]:
        """The commands that wait for their answers."""
        return list(self._in_flight)

    @property
    def is_retired(self) -> bool:
        """True if it accepts no further commands."""
        return self._is_retired

    def is_overdue(self, now: float, time_limit: float) -> bool:
        """Return true if the server has been silent for longer than `time_limit` seconds."""
        return bool(self._in_flight) and now - max(self._waiting_since, self._heard_at) > time_limit

    def send(self, queue: deque[Command], now: float, *, since: float) -> None:
        """Send the first commands of a queue in one piece: as many as have room, and none while the server is slow.

        If the server was idle, its time limit is measured from `since`. Pass `math.inf` during an iteration of the
        event loop, which may take long for other reasons, and call `begin_to_wait()` after it.
        """
        waiting = len(self._in_flight)
        if self._is_retired or self._is_full or (waiting and now - self._waiting_since > SLOW_AFTER):
            self._left_some = True
            return
        commands: list[Command] = []
        while queue and len(commands) < MOST_IN_FLIGHT - waiting:
            command = queue.popleft()
            if not command.answer.done():  # it was cancelled
                commands.append(command)
        self._left_some = bool(queue)
        if commands:
            if not waiting:
                self._waiting_since = since
            self._in_flight.extend(commands)
            self._transport.write(b"".join([command.payload for command in commands]))

    def begin_to_wait(self, now: float) -> None:
        """Start the time limit of commands that were sent in the last iteration of the event loop."""
        self._waiting_since = min(self._waiting_since, now)

    def retire(self) -> None:
        """Accept no further commands, and close after the last answer."""
        self._is_retired = True
        if not self._in_flight:
            self.close()

    def close(self) -> None:
        """Close the connection; `closed` is done when it is."""
        self._is_retired = True
        self._transport.close()

    def fail(self, error: Exception) -> None:
        """Close the connection at once, and report it as lost."""
        self._transport.abort()
        self._lose(error)

    def abort(self) -> None:
        """Close the connection at once, without waiting for answers."""
        self.fail(RedisConnectionError("the connection was closed"))

    # Calls of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1)  # otherwise uvloop before 0.23 writes late

    def data_received(self, data: bytes) -> None:
        """Pass the received answers to their callers."""
        reader, in_flight = self._reader, self._in_flight
        waiting = len(in_flight)
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not UNFINISHED:
                kind = type(answer)
                if kind is PushNotification:
                    continue  # it belongs to no command: as an answer, it would shift all later ones
                command = in_flight.popleft()
                if command.preludes:
                    command.preludes -= 1
                    in_flight.appendleft(command)
                elif kind is Refusal:
                    self._owner.refused(command, str(answer))
                elif not command.answer.done():
                    command.answer.set_result(answer)
        except (TypeError, ValueError, IndexError, RedisError) as error:  # TypeError: a map as the key of a map
            self.fail(RedisConnectionError(f"the server sent an invalid answer: {error!r}"))
            return
        if in_flight:
            self._heard_at = self._loop.time()
            if len(in_flight) < waiting:
                self._waiting_since = self._heard_at
        elif self._is_retired:
            self._transport.close()
        if self._left_some:
            self._owner.progressed()

    def pause_writing(self) -> None:
        """Accept no more commands: the server reads more slowly than we write."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Accept commands again: the server has caught up."""
        self._is_full = False
        self._owner.progressed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Inform the owner, unless the owner closed the connection itself."""
        self._lose(RedisConnectionError(f"the connection to Redis was lost: {exc or 'closed by the server'}"))
        if not self.closed.done():
            self.closed.set_result(None)

    def _lose(self, error: Exception) -> None:
        if not self._is_lost:
            self._is_lost = self._is_retired = True
            unanswered = self.in_flight
            self._in_flight.clear()
            self._owner.lost(self, error, unanswered)
