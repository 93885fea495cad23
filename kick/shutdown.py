"""`Shutdown`: that an application is about to stop, told to those who would keep it from stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial

import anyio


class Shutdown:
    """Whether an application is about to stop.

    A server waits for the responses that are under way before it tells the application to stop; a stream without an
    end would let it wait forever. So `begin()` is called as soon as the signal comes, and streams end.

    | member | is |
    |---|---|
    | `is_set` | whether it has begun |
    | `begin()` | begins it; may be called from any thread and from a signal handler, and more than once |
    | `await wait()` | waits until it begins |
    | `with cancelling():` | cancels what is awaited inside when it begins, which then ends without an exception |

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
        """Tell everyone who waits. Beginning again does nothing.

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
        """Let an application that was stopped start again."""
        self.is_set = False

    async def wait(self) -> None:
        """Wait until it begins."""
        event = anyio.Event()
        with self.telling(event.set):
            await event.wait()

    @contextmanager
    def cancelling(self) -> Generator[anyio.CancelScope]:
        """Return a cancel scope that is cancelled when the shutdown begins, or at once if it has begun.

        It costs no task. As with any cancel scope, no generator may `yield` inside of it.
        """
        with anyio.CancelScope() as scope, self.telling(scope.cancel):
            yield scope

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Generator[None]:
        """Call a function in this event loop when it begins, while inside the `with`."""
        call = partial(_call_soon, asyncio.get_running_loop(), tell)
        self._calls.add(call)
        try:
            if self.is_set:
                tell()
            yield
        finally:
            self._calls.discard(call)


def _call_soon(loop: asyncio.AbstractEventLoop, tell: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the event loop has ended, and nobody waits in it
        loop.call_soon_threadsafe(tell)
