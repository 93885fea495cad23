"""An estimate of the clock of a server that keeps sessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from kick.clock import CLOCK

ASK_EVERY: Final = 60.0
"""Seconds after which the server is asked again."""


class ServerClock:
    """Estimates the time of the server without waiting for it.

    The server is asked at the first use, and then at most once a minute, by the function `ask`. In between, the
    monotonic clock of this machine is used. Until the first answer, the time is that of this machine. The error is at
    most half of the time that the answer took.

    >>> ServerClock(lambda: None, machine=lambda: 1_800_000_000.0).now()
    1800000000.0
    """

    def __init__(self, ask: Callable[[], None], *, machine: Callable[[], float] = time.time) -> None:
        self._ask = ask
        self._machine = machine
        self._ahead: float | None = None
        """The difference between the clock of the server and the monotonic clock, in seconds."""
        self.due_at = float("-inf")
        """The monotonic time from which on the server should be asked again."""

    def now(self) -> float:
        """Return the Unix time by the server, in seconds."""
        monotonic = time.monotonic()
        if monotonic >= self.due_at:
            self._ask()
        shown = self._machine() if self._ahead is None else monotonic + self._ahead
        return shown if CLOCK.moved is None else CLOCK.moved.applied_to(shown)

    def asked(self) -> float:
        """Note that the server is being asked. Returns what `answered` needs."""
        asked_at = time.monotonic()
        self.due_at = asked_at + ASK_EVERY
        return asked_at

    def answered(self, server: float, asked_at: float) -> None:
        """Take the time of the server, in seconds, from its answer."""
        self._ahead = server - (asked_at + time.monotonic()) / 2

    def failed(self) -> None:
        """Note that there was no answer: the server is asked again at the next use."""
        self.due_at = float("-inf")
