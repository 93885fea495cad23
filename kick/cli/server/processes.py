"""Server processes, which the process of the command starts, watches and ends."""

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
"""Seconds between two checks of a process."""

STANDARD_INPUT: Final = 0

Serve = Callable[..., None]
"""A function that runs in a child process: `(ready, *arguments)`. It calls `ready()` when it serves."""

_spawn: Final = multiprocessing.get_context("spawn")


class Child:
    """A server process. It ends when this process ends, also when this one is killed.

    `serve` and the arguments are sent to a new interpreter, so they must be picklable; sockets are allowed.
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
        """The process id."""
        return self._process.pid

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def wait(self, seconds: float, *, unless: Callable[[], bool] = lambda: False) -> bool:
        """Wait for its end; kill it after so many seconds, or as soon as `unless()` is true.

        Returns false if it was killed.
        """
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline and not unless():
            self._process.join(PAUSE)
        is_killed = self.alive
        if is_killed:
            self._process.kill()
        self._process.join()
        self._leash.close()
        return not is_killed


class Interrupted(SystemExit):
    """A signal that ends a process before it serves. The exit code is 128 plus its number, as in a shell.

    >>> Interrupted(signal.SIGTERM).code
    143
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Context manager that handles Ctrl-C and SIGTERM."""
    before = {each: signal.signal(each, handler) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, previous in before.items():
            signal.signal(each, previous)


@contextmanager
def interruptible() -> Generator[None]:
    """Let a signal end this process while it starts: the first one raises an exception, the second one ends it at once.

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
    """Context manager for Ctrl-C and SIGTERM: the first asks for a graceful shutdown, the second for an end at once."""

    def __init__(self) -> None:
        self.first: Final = threading.Event()
        """Set after the first signal."""
        self.last = 0
        """The number of the last signal; 0 before."""
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
        """Wait for the first signal; return true if it has come."""
        return self.first.wait(seconds)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.last = number
        (self._second if self.first.is_set() else self.first).set()


@contextmanager
def _unheard(number: signal.Signals) -> Generator[None]:
    """Ignore a signal meanwhile, also in the processes that are started meanwhile.

    Ctrl-C is sent to all processes of a terminal. A child that receives it during an import would end with a traceback,
    so only the parent handles it and ends its children.
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
    """End this process when the parent, which holds the other end of the pipe, has ended."""
    try:
        leash.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
