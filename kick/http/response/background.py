"""Background tasks: functions that run after the response, such as one that sends a mail."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import BoundArguments
from typing import Any, Final

from starlette.requests import ClientDisconnect

from kick.concurrency import Threads
from kick.di import Container, Scope
from kick.di.graph import is_hashable
from kick.di.hints import Unresolved, signature_of
from kick.di.naming import factory_name, type_name
from kick.di.signature import Unhinted, needs_of
from kick.http.errors import background_parameter, closed_resource
from kick.http.recorder import Recorder

logger: Final = logging.getLogger("kick.http")


@dataclass(slots=True)
class Task:
    """A function to call, with its arguments. `injected` are the parameters to resolve, by name."""

    function: Callable[..., Any]
    arguments: BoundArguments | partial[Any]
    injected: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the function in messages."""
        function = self.function
        while isinstance(function, partial):
            function = function.func
        return getattr(function, "__qualname__", type(function).__qualname__)

    @property
    def given(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments that were passed, by position and by name."""
        arguments = self.arguments
        return arguments.args, dict(arguments.keywords if isinstance(arguments, partial) else arguments.kwargs)

    def call(self) -> partial[Any]:
        """Return the call without arguments."""
        if isinstance(self.arguments, partial):
            return self.arguments
        return partial(self.function, *self.arguments.args, **self.arguments.kwargs)


class Background:
    """Background tasks of one request, called after its response in the order in which they were added.

    If one fails, this is logged, `report` is called, and the others still run. `of` describes the request for the log.
    A function that is not a coroutine function runs in `threads`. Parameters that were not passed are resolved from
    `container`, for each task in its own scope, which gets `seeds`. A `recorder` runs them.

    >>> import anyio
    >>> background = Background("GET /", "0123", Threads())
    >>> background.add(print, "after", "that", sep=", ")
    >>> anyio.run(background.run)
    after, that
    """

    __slots__ = ("_container", "_of", "_recorder", "_report", "_request_id", "_seeds", "_tasks", "_threads")

    def __init__(
        self,
        of: str,
        request_id: str,
        threads: Threads,
        *,
        report: Callable[[Exception], None] | None = None,
        container: Container | None = None,
        seeds: Mapping[Any, Any] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder
        self._report = report
        self._of = of
        self._request_id = request_id
        self._threads = threads
        self._container = container
        self._seeds = seeds
        self._tasks: deque[Task] = deque()

    def add(self, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Add a function. A coroutine function is awaited, a plain one runs in a worker thread.

        Raises `TypeError` for arguments that it does not accept, and `KickError`: `background-parameter` for a
        parameter that is neither passed nor provided.
        """
        if not callable(function):
            raise TypeError(f"ctx.background() takes a function and its arguments, not {function!r}: do not call it")
        try:
            signature = signature_of(function)
        except ValueError:  # a function of C without a signature
            self._tasks.append(Task(function, partial(function, *args, **options), {}))
            return
        bound = signature.bind_partial(*args, **options)
        injected = self._injected(function, bound) if len(bound.arguments) < len(signature.parameters) else {}
        self._tasks.append(Task(function, bound, injected))

    def check(self, scope: Scope, function: Callable[..., Any], given: Iterable[Any]) -> None:
        """Raise `KickError`: `background-resource` if a task is given something that ends with the scope of a request.

        That is the object of a bound method, an argument, or a variable of an enclosing function.
        """
        if self._container is None:
            return
        objects = [*given]
        while isinstance(function, partial):
            objects += [*function.args, *function.keywords.values()]
            function = function.func
        objects.append(getattr(function, "__self__", None))
        objects += [cell.cell_contents for cell in getattr(function, "__closure__", None) or () if _is_full(cell)]
        key = self._container.resource_among(scope, objects)
        if key is not None:
            raise closed_resource(type_name(key), factory_name(function))

    def drop(self) -> None:
        """Remove the tasks that were added so far: the handler that added them has failed."""
        self._tasks.clear()

    async def run(self, error: BaseException | None = None) -> None:
        """Run all tasks; none if the response was ended by an `error`, other than a client that went away."""
        if error is not None and not isinstance(error, ClientDisconnect):
            self.drop()
        while self._tasks:
            task = self._tasks.popleft()
            if self._recorder is None:
                await self._attempt(task)
            else:
                await self._recorder.background(task.function, *task.given, partial(self._attempt, task))

    async def _attempt(self, task: Task) -> Exception | None:
        """Run a task; return its exception."""
        try:
            await self._run(task)
        except Exception as failure:
            logger.exception(
                "%s failed, after the response to %s, request id %s", task.name, self._of, self._request_id
            )
            if self._report is not None:
                self._report(failure)
            return failure
        return None

    async def _run(self, task: Task) -> None:
        if not task.injected or self._container is None or isinstance(task.arguments, partial):
            await self._call(task)
            return
        async with self._container.scope(self._seeds) as scope:
            task.arguments.apply_defaults()
            for name, hint in task.injected.items():
                task.arguments.arguments[name] = await scope.get(hint)
            await self._call(task)

    async def _call(self, task: Task) -> None:
        call = task.call()
        if _is_async(task.function):
            await call()
        else:
            await self._threads.run(call, f"{task.name}()")

    def _injected(self, function: Callable[..., Any], bound: BoundArguments) -> dict[str, Any]:
        """Return the types of the parameters that are not passed, by name."""
        injected: dict[str, Any] = {}
        for need in needs_of(function):
            if need.name in bound.arguments:
                continue
            if self._provides(need.hint):
                injected[need.name] = need.hint
            elif not need.has_default:
                hint = None if isinstance(need.hint, Unhinted | Unresolved) else type_name(need.hint)
                raise background_parameter(factory_name(function), need.name, hint)
        return injected

    def _provides(self, hint: Any) -> bool:
        if self._container is None or isinstance(hint, Unhinted | Unresolved) or not is_hashable(hint):
            return False
        return self._container.provides(hint)


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # a variable that has no value yet
    except ValueError:
        return False
    return True


def _is_async(function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
