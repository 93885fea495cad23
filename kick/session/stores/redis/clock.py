"""An estimate of the clock of the Redis server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from kick.clock import CLOCK
from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.connect import Client
from kick.session.stores.redis.client.protocol import pack

ASK_EVERY: Final = 60.0
"""Seconds after which the server is asked again."""

_TIME: Final = pack(b"TIME")


class ServerClock:
    """Tells the time of the server without waiting for it.

    The server is asked along with the first command over a new client, and then at most once a minute along with what
    is sent anyway; in between the monotonic clock of this machine goes on. Until the first answer has come, the time is
    that of this machine. What is told is off by half of the time that the answer took, at most. In a Cluster it
    is the clock of one of the nodes; whoever runs several machines keeps their clocks together (NTP).

    >>> ServerClock(lambda: 1_800_000_000.0).now()
    1800000000.0
    """

    def __init__(self, machine: Callable[[], float] = time.time) -> None:
        self._machine = machine
        self._ahead: float | None = None
        """Seconds that the server is ahead of the monotonic clock."""
        self.due_at = float("-inf")
        """The monotonic time from which on the server should be asked again."""

    def now(self) -> float:
        """Return the Unix time by the server, in seconds."""
        shown = self._machine() if self._ahead is None else time.monotonic() + self._ahead
        return shown if CLOCK.moved is None else CLOCK.moved.applied_to(shown)

    def ask(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """Ask for the time, and let nobody wait for the answer."""
        asked_at = time.monotonic()
        self.due_at = asked_at + ASK_EVERY
        command = Command(b"", _TIME, loop.create_future(), repeatable=True)
        command.answer.add_done_callback(lambda answer: self._answered(answer, asked_at))
        client.submit(command)

    def _answered(self, answer: asyncio.Future[Any], asked_at: float) -> None:
        self.due_at = float("-inf")  # if this was no answer, ask with what is sent next
        if answer.cancelled() or answer.exception() is not None:
            return
        try:
            seconds, microseconds = answer.result()
            server = int(seconds) + int(microseconds) / 1_000_000
        except (ValueError, TypeError):
            return
        self._ahead = server - (asked_at + time.monotonic()) / 2
        self.due_at = asked_at + ASK_EVERY
