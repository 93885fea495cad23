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
    """Estimates the time of the server without waiting for it.

    The server is asked together with the first command of a new client, and then at most once a minute, together with
    other commands. In between, the monotonic clock of this machine is used. Until the first answer, the time is that of
    this machine. The error is at most half of the time that the answer took. In a Cluster, the clock is that of one of
    the nodes, so the clocks of several machines should be synchronized (NTP).

    >>> ServerClock(lambda: 1_800_000_000.0).now()
    1800000000.0
    """

    def __init__(self, machine: Callable[[], float] = time.time) -> None:
        self._machine = machine
        self._ahead: float | None = None
        """The difference between the clock of the server and the monotonic clock, in seconds."""
        self.due_at = float("-inf")
        """The monotonic time from which on the server should be asked again."""

    def now(self) -> float:
        """Return the Unix time by the server, in seconds."""
        shown = self._machine() if self._ahead is None else time.monotonic() + self._ahead
        return shown if CLOCK.moved is None else CLOCK.moved.applied_to(shown)

    def ask(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """Ask for the time, without waiting for the answer."""
        asked_at = time.monotonic()
        self.due_at = asked_at + ASK_EVERY
        command = Command(b"", _TIME, loop.create_future(), repeatable=True)
        command.answer.add_done_callback(lambda answer: self._answered(answer, asked_at))
        client.submit(command)

    def _answered(self, answer: asyncio.Future[Any], asked_at: float) -> None:
        self.due_at = float("-inf")  # without an answer, ask again together with the next command
        if answer.cancelled() or answer.exception() is not None:
            return
        try:
            seconds, microseconds = answer.result()
            server = int(seconds) + int(microseconds) / 1_000_000
        except (ValueError, TypeError):
            return
        self._ahead = server - (asked_at + time.monotonic()) / 2
        self.due_at = asked_at + ASK_EVERY
