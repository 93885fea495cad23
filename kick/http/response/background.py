"""Background tasks: functions that are called after the response, for example to send a mail."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from starlette.requests import ClientDisconnect

from kick.concurrency import Threads

logger: Final = logging.getLogger("kick.http")


class Background:
    """Background tasks of one request, called after its response in the order in which they were added.

    If one fails, this is logged, `report` is called, and the others still run. `of` describes the request for the log.
    A function that is not a coroutine function runs in `threads`.

    >>> import anyio
    >>> background = Background("GET /", "0123", Threads())
    >>> background.add(print, "after", "that", sep=", ")
    >>> anyio.run(background.run)
    after, that
    """

    __slots__ = ("_calls", "_of", "_report", "_request_id", "_threads")

    def __init__(
        self, of: str, request_id: str, threads: Threads, *, report: Callable[[Exception], None] | None = None
    ) -> None:
        self._report = report
        self._of = of
        self._request_id = request_id
        self._threads = threads
        self._calls: deque[partial[Any]] = deque()

    def add(self, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Add a function. A coroutine function is awaited, a plain one runs in a worker thread."""
        if not callable(function):
            raise TypeError(f"ctx.background() takes a function and its arguments, not {function!r}: do not call it")
        self._calls.append(partial(function, *args, **options))

    def drop(self) -> None:
        """Drop the tasks that were added so far, because the handler has failed."""
        self._calls.clear()

    async def run(self, error: BaseException | None = None) -> None:
        """Run all tasks. After an `error` run none, unless the error is that the client has disconnected."""
        if error is not None and not isinstance(error, ClientDisconnect):
            self.drop()
        while self._calls:
            call = self._calls.popleft()
            name = getattr(call.func, "__qualname__", type(call.func).__qualname__)
            try:
                if _is_async(call.func):
                    await call()
                else:
                    await self._threads.run(call, f"{name}()")
            except Exception as failure:
                logger.exception("%s failed, after the response to %s, request id %s", name, self._of, self._request_id)
                if self._report is not None:
                    self._report(failure)


def _is_async(function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
