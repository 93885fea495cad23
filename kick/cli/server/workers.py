"""Several worker processes that serve the same socket."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from time import monotonic
from typing import Final

from kick.cli.server.processes import PAUSE, Child, Interrupted, StopSignals

logger: Final = logging.getLogger("kick.cli")

MARGIN: Final = 5
"""Seconds for the end of a process, in addition to those for its requests."""


FIRST_PAUSE: Final = 1.0
"""Seconds before a process that did not start is replaced; they double each time."""

LONGEST_PAUSE: Final = 30.0


class Team:
    """Worker processes, made by `hire`, that serve a socket until a signal comes.

    A worker that ends is replaced. If a worker does not start at the beginning, all end, because the application itself
    fails. If a replacement does not start later, a service may be down for a while: the other workers continue, and
    kick tries again after a pause.
    """

    def __init__(self, hire: Callable[[], Child], size: int, sock: socket.socket, grace: float) -> None:
        self._hire = hire
        self._socket = sock
        self._size = size
        self._grace = grace
        self._places: list[Place] = []

    def serve(self, ready: Callable[[], None]) -> bool:
        """Serve; return false if a worker did not start. `ready` is called when all have started.

        Raises `Interrupted` if a second signal came before all workers had ended.
        """
        with StopSignals().heard() as signals:
            try:
                self._places = [Place(self._hire) for _ in range(self._size)]
                return self._watch(signals, ready)
            finally:
                self._end(signals)

    def _watch(self, signals: StopSignals, ready: Callable[[], None]) -> bool:
        waiting = True
        while not signals.wait(PAUSE):
            if waiting and all(place.child.started for place in self._places):
                ready()
                waiting = False
            for place in self._places:
                if waiting and not place.child.started and not place.child.alive:
                    logger.error("worker %s did not start; all workers end", place.child.pid)
                    return False
                place.fill()
        return True

    def _end(self, signals: StopSignals) -> None:
        self._socket.close()  # otherwise new connections would wait although no worker accepts them
        for place in self._places:
            place.child.terminate()
        ended = [place.child.wait(self._grace + MARGIN, unless=lambda: signals.urgent) for place in self._places]
        if signals.urgent and not all(ended):
            raise Interrupted(signals.last)


class Place:
    """One worker process and its replacements."""

    def __init__(self, hire: Callable[[], Child]) -> None:
        self._hire = hire
        self._failures = 0
        self._due: float | None = None
        self.child = hire()

    def fill(self) -> None:
        """Replace the process if it has ended: at once if it had started, otherwise after a pause."""
        if self.child.alive:
            return
        if self._due is None:
            self._plan()
        if self._due is not None and monotonic() >= self._due:
            self._due = None
            self.child.wait(0)
            self.child = self._hire()

    def _plan(self) -> None:
        if self.child.started:
            self._failures = 0
            logger.error("worker %s has ended and is replaced", self.child.pid)
            pause = 0.0
        else:
            pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
            self._failures += 1
            logger.error("worker %s did not start; the next attempt is in %g seconds", self.child.pid, pause)
        self._due = monotonic() + pause
