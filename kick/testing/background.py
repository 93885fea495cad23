"""`BackgroundCalls`: the background tasks of an application under test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any


class BackgroundCall:
    """A background task.

    `function` was passed to `ctx.background()` with `args` and `options`. `has_run` is true when it has ended. `error`
    is its exception, or `None`.
    """

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        self.function = function
        self.args = args
        self.options = dict(options)
        self.has_run = False
        self.error: Exception | None = None

    @property
    def name(self) -> str:
        """The name of the function."""
        function = self.function
        while isinstance(function, partial):
            function = function.func
        return getattr(function, "__qualname__", type(function).__qualname__)

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.options.items())]
        return f"<{self.name}({', '.join(given)})>"


class BackgroundCalls:
    """The background tasks of the requests of a client, in the order in which they came: `client.background`.

    They run after the response, as in production, and have ended when the client returns it. In a block of `held()`
    they are only listed; `run_held()` of the client runs them.

    | | |
    |---|---|
    | `for call in client.background` | all calls; also `len()`, and `client.background[0]` |
    | `client.background.of(send_mail)` | the calls of one function |
    | `with client.background.held():` | do not run the tasks of these requests |
    | `client.background.clear()` | forget the calls |
    """

    def __init__(self) -> None:
        self._calls: list[BackgroundCall] = []
        self._waiting: list[Callable[[], Awaitable[object]]] = []
        self._holds = 0

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[BackgroundCall]:
        return iter(self._calls)

    def __getitem__(self, index: int) -> BackgroundCall:
        return self._calls[index]

    def __repr__(self) -> str:
        return repr(self._calls)

    def of(self, function: Callable[..., Any]) -> list[BackgroundCall]:
        """Return the calls of a function, or of a method, whatever object it is bound to."""
        return [call for call in self._calls if _plain(call.function) == _plain(function)]

    @contextmanager
    def held(self) -> Generator[None]:
        """Keep the tasks of the requests in the block."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def clear(self) -> None:
        """Forget all calls, and drop those that were held."""
        self._calls.clear()
        self._waiting.clear()

    async def add(self, call: BackgroundCall, run: Callable[[], Awaitable[Exception | None]]) -> None:
        """List a call, and run it unless it is held."""
        self._calls.append(call)

        async def run_it() -> None:
            call.error = await run()
            call.has_run = True

        if self._holds:
            self._waiting.append(run_it)
        else:
            await run_it()

    async def run_all(self) -> None:
        """Run the calls that were held."""
        while self._waiting:
            await self._waiting.pop(0)()


def _plain(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__func__", function)
