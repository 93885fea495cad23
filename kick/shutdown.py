"""`Shutdown`: tells streams and sockets that the application stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial

import anyio


class Shutdown:
    """The graceful shutdown of an application.

    A server waits for running responses before it notifies the application, so an endless stream would delay this
    forever. Therefore `begin()` is called as soon as the signal arrives, and streams end.

    | member | purpose |
    |---|---|
    | `is_set` | true if the shutdown has begun |
    | `begin()` | begins the shutdown; from any thread or signal handler, and more than once |
    | `await wait()` | waits until the shutdown begins |
    | `with cancelling():` | cancels the block when the shutdown begins, without an exception after it |

    >>> async def stop_while_waiting() -> bool:
    ...     shutdown = Shutdown()
    ...     with shutdown.cancelling() as scope:
    ...         shutdown.begin()
    ...         await anyio.sleep_forever()
    ...     return scope.cancelled_caught
    >>> anyio.run(stop_while_waiting)
    True
    """

    __slots__ = ("_calls", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._calls: set[Callable[[], object]] = set()

    def __repr__(self) -> str:
        return f"<Shutdown: {'begun' if self.is_set else 'not begun'}>"

    def begin(self) -> None:
        """Begin the shutdown, and wake all waiting tasks. A second call does nothing.

        >>> shutdown = Shutdown()
        >>> shutdown.begin()
        >>> shutdown.is_set
        True
        """
        if not self.is_set:
            self.is_set = True
            for call in list(self._calls):
                call()

    def reset(self) -> None:
        """Allow an application to start again."""
        self.is_set = False

    async def wait(self) -> None:
        """Wait until the shutdown begins."""
        event = anyio.Event()
        with self.telling(event.set):
            await event.wait()

    @contextmanager
    def cancelling(self) -> Generator[anyio.CancelScope]:
        """Return a cancel scope that is cancelled when the shutdown begins, or at once if it has begun.

        It needs no task. As in any cancel scope, a generator must not `yield` inside of it.
        """
        with anyio.CancelScope() as scope, self.telling(scope.cancel):
            yield scope

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Generator[None]:
        """Call a function in this event loop when the shutdown begins, until the `with` block ends."""
        call = partial(_call_soon, asyncio.get_running_loop(), tell)
        self._calls.add(call)
        try:
            if self.is_set:
                tell()
            yield
        finally:
            self._calls.discard(call)


def _call_soon(loop: asyncio.AbstractEventLoop, tell: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the event loop has ended
        loop.call_soon_threadsafe(tell)
