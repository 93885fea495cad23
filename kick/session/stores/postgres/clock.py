"""An estimate of the clock of the server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from kick.clock import CLOCK

ASK_EVERY: Final = 60.0
"""Seconds after which the server is asked again."""


class ServerInfo(NamedTuple):
    """The version of a server, and its clock, in seconds since 1970."""

    version: tuple[int, ...]
    now: float


class ServerClock:
    """Tells the time of the server without waiting for it.

    The server is asked with the first use, and then at most once a minute; in between the monotonic clock of this
    machine goes on. Before the first answer, the time is that of this machine. What is told is off by half of the
    time that the answer took, at most.

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

    def asked(self) -> float:
        """Note that the server is being asked; returns what `answered` wants to know."""
        asked_at = time.monotonic()
        self.due_at = asked_at + ASK_EVERY
        return asked_at

    def answered(self, server: float, asked_at: float) -> None:
        """Take the answer of the server, in seconds."""
        self._ahead = server - (asked_at + time.monotonic()) / 2
