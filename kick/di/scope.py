"""Scope: the instances of one request or job, and their clean-ups. `Scopes` opens scopes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias, TypeVar, overload

import anyio

from kick.di.errors import closed_scope, yielded_twice
from kick.di.naming import place
from kick.exceptions import HTTPError

T = TypeVar("T")

logger: Final = logging.getLogger("kick.di")

if TYPE_CHECKING:
    Cleanup: TypeAlias = GeneratorType[Any, None, Any] | AsyncGeneratorType[Any, None]
else:  # generic at run time from Python 3.13 on
    Cleanup = GeneratorType | AsyncGeneratorType

_NO_SEEDS: Mapping[Any, Any] = {}


class Resolving(Protocol):
    """The part of the container that a scope needs."""

    async def resolve(self, key: Any, scope: Scope) -> Any:
        """Resolve a type in a scope."""
        ...


class Scope:
    """The instances of one request or job, created by `Container.scope` and `Container.new_scope`.

    Leaving the `async with` block awaits the clean-ups in reverse order. An exception of the block is thrown into each
    generator at its `yield`, so that a transaction can roll back. It is raised again afterwards, even if a generator
    catches it; if a generator raises another one, that one takes its place. A generator that must always clean up needs
    a `finally`.

    Synchronous factories and generators run on the event loop, so they must not block.

    >>> import asyncio
    >>> from kick.di import Container, Service
    >>> @Service(scope="request")
    ... class Basket: ...
    >>> async def job() -> bool:
    ...     async with Container().scope() as scope:
    ...         return await scope.get(Basket) is await scope.get(Basket)
    >>> asyncio.run(job())
    True
    """

    # Used by plans; not public.
    __slots__ = ("brief", "cleanups", "closed", "container", "pending", "seeds", "values")

    def __init__(self, container: Resolving, seeds: Mapping[Any, Any] | None = None) -> None:
        self.container = container
        self.seeds = _NO_SEEDS if seeds is None else seeds
        self.values: dict[Any, Any] = {}
        self.pending: dict[Any, anyio.Event | None] | None = None
        self.cleanups: list[Cleanup] | None = None
        self.brief: list[Cleanup] | None = None
        self.closed = False

    @overload
    async def get(self, key: type[T]) -> T: ...
    @overload
    async def get(self, key: Any) -> Any: ...
    async def get(self, key: Any) -> Any:
        """Return the instance of a type. If this scope has none, it is built.

        Concurrent tasks get the same instance. Raises `KickError`: `di-scope-closed` after the end, and the errors of
        the providers.
        """
        if self.closed:
            raise closed_scope(key)
        return await self.container.resolve(key, self)

    async def aclose(self, error: BaseException | None = None) -> None:
        """Await the clean-ups in reverse order. `error` is thrown into the generators.

        As with nested `async with` blocks, a clean-up that fails does not stop those around it, and its exception is
        thrown into them. If one fails, its exception is raised. If several fail, an `HTTPError` among their exceptions
        is raised; if there is none, an `ExceptionGroup` of all. A second call does nothing.
        """
        # Closed before the first clean-up, so that a clean-up cannot build new instances in this scope.
        self.closed = True
        if self.cleanups is None:
            return
        cleanups, self.cleanups, self.brief = self.cleanups, None, None
        with shielded_from(error):
            failures = await unwind(cleanups, error)
        raise_failures(failures)

    async def end_handler(self) -> None:
        """Await the clean-ups of the scope `handler`. The other instances stay until `aclose`.

        Raises what `aclose` raises.
        """
        if self.brief is None or self.cleanups is None:
            return
        brief, self.brief = self.brief, None
        self.cleanups = [each for each in self.cleanups if each not in brief] or None
        raise_failures(await unwind(brief, None))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose(error)

    def defer(self, cleanup: Cleanup) -> None:
        """Register a generator that is finished when the scope ends."""
        if self.cleanups is None:
            self.cleanups = []
        self.cleanups.append(cleanup)

    def defer_briefly(self, cleanup: Cleanup) -> None:
        """Register a generator that is finished when the handler has returned."""
        self.defer(cleanup)
        if self.brief is None:
            self.brief = []
        self.brief.append(cleanup)

    def claim(self, recipe: Any) -> None:
        """Declare that this task builds an instance; other tasks wait with `built`."""
        if self.pending is None:
            self.pending = {}
        # The event is created by the first task that waits: usually none does.
        self.pending[recipe] = None

    def settle(self, recipe: Any) -> None:
        """Wake the tasks that wait for an instance, after success or failure."""
        waiting = self.pending.pop(recipe) if self.pending else None
        if waiting is not None:
            waiting.set()

    async def settled(self, recipe: Any) -> None:
        """Wait while another task builds an instance."""
        while self.pending and recipe in self.pending:
            waiting = self.pending[recipe]
            if waiting is None:
                waiting = self.pending[recipe] = anyio.Event()
            await waiting.wait()


class Scopes:
    """Opens scopes of their own for streams, WebSockets and background work. Every application provides it.

    A stream or WebSocket may last for hours. It should not hold a database session for that long, but open a scope for
    each piece of work:

    >>> from kick import Controller, RequestContext, Response, ServerSentEvent, Get
    >>> class Orders:
    ...     async def changed(self) -> list[int]: ...
    >>> @Controller("/orders")
    ... class OrderController:
    ...     @Get("/events")
    ...     async def events(self, ctx: RequestContext, scopes: Scopes) -> Response:
    ...         async def events():
    ...             while True:
    ...                 async with scopes.open() as scope:
    ...                     orders = await scope.get(Orders)
    ...                     changed = await orders.changed()
    ...                 yield ServerSentEvent(data=changed)
    ...         return ctx.sse(events())
    """

    def __init__(self, open_scope: Callable[[Mapping[Any, Any] | None], Scope]) -> None:
        self._open = open_scope

    def open(self, seeds: Mapping[Any, Any] | None = None) -> Scope:
        """Open a scope with `async with`. Everything in it ends with the block, with scope `handler` too.

        `seeds` are values from outside. Providers that need the request get it with `{RequestContext: ctx}`.

        Raises `KickError`: `di-undeclared-seed` for any other type.

        >>> import asyncio
        >>> from kick.di import Container
        >>> async def job(scopes: Scopes) -> str:
        ...     async with scopes.open() as scope:
        ...         return await scope.get(str)
        >>> async def main() -> str:
        ...     container = Container(["hello"])
        ...     return await job(await container.get(Scopes))
        >>> asyncio.run(main())
        'hello'
        """
        return self._open(seeds)


def shielded_from(error: BaseException | None) -> AbstractContextManager[Any]:
    """Return a shield for clean-ups in a cancelled task, where each `await` would be cancelled again.

    Without a cancellation, there is no shield, because a generator may hold a task group that was entered outside it.

    >>> shielded_from(ValueError())  # doctest: +ELLIPSIS
    <contextlib.nullcontext object at ...>
    """
    cancelled = error is not None and not isinstance(error, Exception)
    return anyio.CancelScope(shield=True) if cancelled else nullcontext()


async def unwind(cleanups: list[Cleanup], error: BaseException | None, *, nested: bool = True) -> list[BaseException]:
    """Finish generators, the last one first, and return their exceptions.

    If they are `nested`, the exception of one is thrown into those around it: a transaction must not commit then.
    """
    failures: list[BaseException] = []
    for cleanup in reversed(cleanups):
        trace = error.__traceback__ if error else None
        try:
            await _finish(cleanup, error)
        except BaseException as raised:  # noqa: BLE001  # collected, and raised at the end
            if error is not None and raised is error:
                error.__traceback__ = trace  # removes the frames of the generator
            else:
                raised.add_note(f"kick: in the clean-up of {cleanup.__qualname__} at {_place(cleanup)}")
                failures.append(raised)
                error = raised if nested else error
    return failures


def raise_failures(failures: list[BaseException]) -> None:
    """Raise the exception of a clean-up. If there are several, raise an `HTTPError` among them, or all as a group.

    A cancellation among them is raised as a cancellation.

    >>> raise_failures([ValueError("the only one")])
    Traceback (most recent call last):
    ValueError: the only one
    """
    if not failures:
        return
    ordinary = [each for each in failures if isinstance(each, Exception)]
    raised = ordinary[-1] if len(ordinary) == 1 else None
    if len(ordinary) > 1:
        answers = [each for each in ordinary if isinstance(each, HTTPError)]
        raised = answers[-1] if answers else ExceptionGroup("Clean-ups failed.", ordinary)
        if answers:
            _log_lost(ordinary, answers[-1])
    for each in failures:
        # A cancellation inside of a group would not reach the cancel scope that caused it.
        if not isinstance(each, Exception):
            raise each from raised
    if raised is not None:
        raise raised


def _log_lost(failures: list[Exception], raised: Exception) -> None:
    """Log the exceptions that the raised one does not have in its own traceback."""
    seen: BaseException | None = raised
    shown: list[BaseException] = []
    while seen is not None and seen not in shown:
        shown.append(seen)
        seen = seen.__cause__ or seen.__context__
    for each in failures:
        if each not in shown:
            logger.error("a clean-up failed", exc_info=each)


async def _finish(cleanup: Cleanup, error: BaseException | None) -> None:
    try:
        if isinstance(cleanup, GeneratorType):
            next(cleanup) if error is None else cleanup.throw(error)
            # Only a generator that yielded again comes here; it is closed before the error is raised.
            cleanup.close()
        else:
            await (anext(cleanup) if error is None else cleanup.athrow(error))
            await cleanup.aclose()
    except (StopIteration, StopAsyncIteration):
        return
    raise yielded_twice(cleanup.__qualname__, _place(cleanup))


def _place(cleanup: Cleanup) -> str:
    code = cleanup.gi_code if isinstance(cleanup, GeneratorType) else cleanup.ag_code
    return place(code.co_filename, code.co_firstlineno)
