"""Processes that serve: started, watched and ended by the one that the user started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Final

PAUSE: Final = 0.2
"""Seconds between two looks at what has happened."""

STANDARD_INPUT: Final = 0

Serve = Callable[..., None]
"""A function that runs in a child process: `(ready, *arguments)`. It calls `ready()` when it serves."""

_spawn: Final = multiprocessing.get_context("spawn")


class Child:
    """A process that serves, and ends when this one does, however this one ends.

    `serve` and the arguments go to a fresh interpreter, so they can be pickled; sockets may be among them.
    """

    def __init__(self, serve: Serve, *arguments: Any) -> None:
        self._leash, end = _spawn.Pipe()
        self._has_started = False
        self._process = _spawn.Process(target=_live, args=(end, _has_keyboard(), serve, arguments))
        with _unheard(signal.SIGINT):
            self._process.start()
        end.close()

    @property
    def started(self) -> bool:
        """True if the process has reported that it serves."""
        if not self._has_started:
            try:
                self._has_started = self._leash.poll() and self._leash.recv() is True
            except (EOFError, OSError):
                pass
        return self._has_started

    @property
    def alive(self) -> bool:
        """True if the process runs."""
        return self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """The number of the process."""
        return self._process.pid

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def wait(self, seconds: float, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until it has ended; end it by force after so long, or as soon as `unless()` is true."""
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline and not unless():
            self._process.join(PAUSE)
        if self.alive:
            self._process.kill()
        self._process.join()
        self._leash.close()


class Interrupted(SystemExit):
    """A signal that ends a process before it serves; the exit code is that of a shell, 128 and its number.

    >>> Interrupted(signal.SIGTERM).code
    143
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Handle the signals that end a process, Ctrl-C and SIGTERM, while it is entered."""
    before = {each: signal.signal(each, handler) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, previous in before.items():
            signal.signal(each, previous)


@contextmanager
def interruptible() -> Generator[None]:
    """Let a signal end this process while it starts: the first by an exception, the second at once.

    Without a handler, a signal does nothing to the first process of a container (PID 1).
    """
    came = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            os._exit(128 + number)
        came = True
        raise Interrupted(number)

    with handled(hear):
        yield


class StopSignals:
    """Hears Ctrl-C and SIGTERM while it is entered: the first asks for an end, the second for one at once."""

    def __init__(self) -> None:
        self.first: Final = threading.Event()
        """Set when somebody has asked for an end."""
        self._second = threading.Event()

    @contextmanager
    def heard(self) -> Generator[StopSignals]:
        """Listen for the signals."""
        with handled(self._hear):
            yield self

    @property
    def urgent(self) -> bool:
        """True if a second signal has come."""
        return self._second.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the first; whether it has come."""
        return self.first.wait(seconds)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        (self._second if self.first.is_set() else self.first).set()


@contextmanager
def _unheard(number: signal.Signals) -> Generator[None]:
    """Ignore a signal; a process that is started meanwhile ignores it from its first moment.

    Ctrl-C goes to all processes of a terminal, and one that hears it while it imports dies with a trace. The parent
    hears it and ends its children in good order.
    """
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def _has_keyboard() -> bool:
    """Return true if standard input is a terminal, so that a debugger in a child can read from it."""
    try:
        return sys.stdin.fileno() == STANDARD_INPUT and sys.stdin.isatty()
    except (AttributeError, OSError, ValueError):
        return False


def _live(leash: Connection, keyboard: bool, serve: Serve, arguments: tuple[Any, ...]) -> None:
    """Run a child process."""
    if keyboard:
        sys.stdin = os.fdopen(STANDARD_INPUT)
    threading.Thread(target=_end_with, args=(leash,), name="leash", daemon=True).start()
    serve(lambda: leash.send(True), *arguments)


def _end_with(leash: Connection) -> None:
    """End this process when the other end of the leash is gone."""
    try:
        leash.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
