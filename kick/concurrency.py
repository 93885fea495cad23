"""`Threads`: the threads of synchronous handlers. And tasks that wait for nothing, or only perhaps."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from types import coroutine
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import anyio
from anyio import to_thread

from kick.errors import KickError

logger: Final = logging.getLogger("kick.http")

T = TypeVar("T")

DEFAULT_THREADS: Final = 40

IN_A_ROW: Final = 32
"""Pieces of a stream, or messages of a WebSocket, after which other tasks run. The `send` of a server may never wait,
most of all when its client has gone, and neither does a queue that has messages."""


@coroutine
def rest_of(begun: Any, waits_for: Any) -> Generator[Any, Any, None]:
    """Return an awaitable for the rest of a coroutine, or of its iterator, whose first step was run by hand."""
    while True:
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001  # raised into the task, mostly a cancellation
            try:
                waits_for = begun.throw(error)
            except StopIteration:
                return
        else:
            break
    yield from begun


class Threads:
    """Runs synchronous calls in threads, at most `size` at a time; others wait.

    `streams` is a second limit of the same size, for plain generators of streams, so that slow streams do not delay
    handlers. If several event loops serve one application, each has its own limits.

    Other users of anyio's threads do not count. A task that is cancelled while it waits for a call continues at once.
    The call itself cannot be interrupted. It keeps its place until it ends, `running` lists it, and its exception is
    logged.

    >>> threads = Threads(2)
    >>> async def double() -> int:
    ...     return await threads.run(lambda: 2 * 21, "double()")
    >>> anyio.run(double)
    42
    """

    def __init__(self, size: int = DEFAULT_THREADS) -> None:
        self.size = size
        self._limits: WeakKeyDictionary[asyncio.AbstractEventLoop, _Limits] = WeakKeyDictionary()
        self._running: set[_Call] = set()

    @property
    def running(self) -> list[str]:
        """The places of the running calls."""
        return sorted(call.place for call in self._running)

    @property
    def streams(self) -> anyio.CapacityLimiter:
        """The limit for plain generators in the current event loop."""
        return self._here().streams

    async def run(self, function: Callable[[], T], place: str) -> T:
        """Run a function in a thread and return its result. `place` names it in the log."""
        limits = self._here()
        call = _Call(self, limits.calls, function, place)
        try:
            limits.calls.acquire_on_behalf_of_nowait(call)
        except anyio.WouldBlock:
            await limits.calls.acquire_on_behalf_of(call)
        self._running.add(call)
        try:
            return await to_thread.run_sync(call, abandon_on_cancel=True, limiter=limits.none)
        except BaseException:
            call.abandon()
            raise

    def forget(self, call: _Call) -> None:
        """Free the place of a call."""
        self._running.discard(call)
        call.limiter.release_on_behalf_of(call)

    def _here(self) -> _Limits:
        loop = asyncio.get_running_loop()
        limits = self._limits.get(loop)
        if limits is None:
            limits = self._limits[loop] = _Limits(self.size)
        return limits


class _Limits:
    """The limits of one event loop, because a limiter wakes only tasks of its own loop."""

    __slots__ = ("calls", "none", "streams")

    def __init__(self, size: int) -> None:
        self.calls = anyio.CapacityLimiter(size)
        self.streams = anyio.CapacityLimiter(size)
        self.none = anyio.CapacityLimiter(math.inf)


def threads_problem(size: object) -> KickError | None:
    """Return the error of a number of threads, or `None` if it is valid."""
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return None
    return KickError(
        "threads",
        cause=f"threads={size!r} of bootstrap() is no number of threads.",
        fix="Say how many sync handlers may run at a time: `threads=40`.",
    )


def threads_of(size: int) -> Threads:
    """Return `Threads` of a size, or of the default size if the number is invalid."""
    return Threads(size if threads_problem(size) is None else DEFAULT_THREADS)


class _Call:
    """A call that may be abandoned by its task."""

    __slots__ = ("_abandoned", "_begun", "_function", "_loop", "_threads", "limiter", "place")

    def __init__(
        self, threads: Threads, limiter: anyio.CapacityLimiter, function: Callable[[], Any], place: str
    ) -> None:
        self._threads = threads
        self.limiter = limiter
        self._function = function
        self.place = place
        self._loop = asyncio.get_running_loop()
        self._begun = threading.Lock()
        self._abandoned = False

    def __call__(self) -> Any:
        """Run the function in the thread."""
        if not self._begin():
            return None
        try:
            return self._function()
        except BaseException as error:
            if self._abandoned:
                logger.error("%s failed after its request had ended", self.place, exc_info=error)
            raise
        finally:
            with suppress(RuntimeError):  # the event loop has ended
                self._loop.call_soon_threadsafe(self._threads.forget, self)

    def abandon(self) -> None:
        """Stop waiting. A call that has not begun does not run."""
        self._abandoned = True
        if self._begin():
            self._threads.forget(self)

    def _begin(self) -> bool:
        """Return true for the first caller: the thread that runs the call, or the task that abandons it."""
        return self._begun.acquire(blocking=False)
