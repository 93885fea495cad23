"""Several processes that serve the same socket."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Final

from kick.cli.server.processes import PAUSE, Child, StopSignals

logger: Final = logging.getLogger("kick.cli")

MARGIN: Final = 5
"""Seconds that a process gets to end, on top of those for its requests."""


class Team:
    """So many processes, made by `hire`, that serve a socket until a signal comes.

    One that ends is replaced. One that cannot begin ends them all: its successor could not begin either.
    """

    def __init__(self, hire: Callable[[], Child], size: int, sock: socket.socket, grace: float) -> None:
        self._hire = hire
        self._socket = sock
        self._size = size
        self._grace = grace
        self._members: list[Child] = []

    def serve(self, ready: Callable[[], None]) -> bool:
        """Serve; `False` if one could not begin. `ready` is called when all have begun."""
        with StopSignals().heard() as signals:
            try:
                self._members = [self._hire() for _ in range(self._size)]
                return self._watch(signals, ready)
            finally:
                self._end(signals)

    def _watch(self, signals: StopSignals, ready: Callable[[], None]) -> bool:
        waiting = True
        while not signals.wait(PAUSE):
            if waiting and all(member.started for member in self._members):
                ready()
                waiting = False
            for index, member in enumerate(self._members):
                if member.alive:
                    continue
                if not member.started:
                    logger.error("worker %s could not begin; all end", member.pid)
                    return False
                logger.error("worker %s has ended; another takes its place", member.pid)
                member.wait(0)
                self._members[index] = self._hire()
        return True

    def _end(self, signals: StopSignals) -> None:
        self._socket.close()  # or new connections would wait for somebody who takes them, and nobody does
        for member in self._members:
            member.terminate()
        for member in self._members:
            member.wait(self._grace + MARGIN, unless=lambda: signals.urgent)
