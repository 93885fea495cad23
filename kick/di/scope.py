"""Scope: what lives as long as one request or job, and its clean-ups."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar, overload

import anyio

from kick.di.errors import ScopeClosed, YieldedTwice
from kick.di.naming import place

T = TypeVar("T")

if TYPE_CHECKING:
    Cleanup: TypeAlias = GeneratorType[Any, None, Any] | AsyncGeneratorType[Any, None]
else:  # generic at run time from Python 3.13 on
    Cleanup = GeneratorType | AsyncGeneratorType

_NO_SEEDS: Mapping[Any, Any] = {}


class Resolving(Protocol):
    """The container, as far as a scope needs it."""

    async def resolve(self, key: Any, scope: Scope) -> Any: ...


class Scope:
    """The instances of one request or job. `Container.scope` and `Container.new_scope` make one.

    Leaving the `async with` awaits the clean-ups in reverse order. An exception of the body is thrown into each
    generator at its `yield`, so that a transaction can roll back, and goes on afterwards even if a generator swallows
    it: a generator that is to clean up in any case does so in a `finally`.

    Synchronous factories and generators run directly on the event loop: they must not block.

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

    # The plans work on these; they are not part of the public face.
    __slots__ = ("cleanups", "closed", "container", "pending", "seeds", "values")

    def __init__(self, container: Resolving, seeds: Mapping[Any, Any] | None = None) -> None:
        self.container = container
        self.seeds = _NO_SEEDS if seeds is None else seeds
        self.values: dict[Any, Any] = {}
        self.pending: dict[Any, anyio.Event | None] | None = None
        self.cleanups: list[Cleanup] | None = None
        self.closed = False

    @overload
    async def get(self, key: type[T]) -> T: ...
    @overload
    async def get(self, key: Any) -> Any: ...
    async def get(self, key: Any) -> Any:
        """The instance that is provided for a type, built now if this scope has none yet.

        Tasks that ask at the same time get the same instance. Raises `ScopeClosed` after the end, and whatever
        is wrong with the type's providers.
        """
        if self.closed:
            raise ScopeClosed(key)
        return await self.container.resolve(key, self)

    async def aclose(self, error: BaseException | None = None) -> None:
        """Await the clean-ups, last built first; `error` is thrown into the generators.

        One that fails does not stop the next; what they raised is raised at the end as an `ExceptionGroup`.
        Closing again does nothing.
        """
        self.closed = True
        if self.cleanups is None:
            return
        cleanups, self.cleanups = self.cleanups, None
        with shielded_from(error):
            failures = await unwind(cleanups, error)
        raise_failures("Clean-ups failed.", failures)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose(error)

    def defer(self, cleanup: Cleanup) -> None:
        """Finish a generator when the scope ends."""
        if self.cleanups is None:
            self.cleanups = []
        self.cleanups.append(cleanup)

    def claim(self, recipe: Any) -> None:
        """Say that this task builds something; who else needs it waits with `built`."""
        if self.pending is None:
            self.pending = {}
        self.pending[recipe] = None

    def settle(self, recipe: Any) -> None:
        """Wake those who wait for something, whether it was built or failed."""
        waiting = self.pending.pop(recipe) if self.pending else None
        if waiting is not None:
            waiting.set()

    async def settled(self, recipe: Any) -> None:
        """Wait while another task builds something."""
        while self.pending and recipe in self.pending:
            waiting = self.pending[recipe]
            if waiting is None:
                waiting = self.pending[recipe] = anyio.Event()
            await waiting.wait()


def shielded_from(error: BaseException | None) -> AbstractContextManager[Any]:
    """Lets clean-ups await where the task is cancelled, in which any `await` would be cancelled again at once.

    Only there: a generator may hold a task group, which cannot be left under a shield that it did not enter.

    >>> shielded_from(ValueError())  # doctest: +ELLIPSIS
    <contextlib.nullcontext object at ...>
    """
    cancelled = error is not None and not isinstance(error, Exception)
    return anyio.CancelScope(shield=True) if cancelled else nullcontext()


async def unwind(cleanups: list[Cleanup], error: BaseException | None) -> list[BaseException]:
    """Finish generators, the last first, and return what went wrong."""
    failures: list[BaseException] = []
    trace = error.__traceback__ if error else None
    for cleanup in reversed(cleanups):
        try:
            await _finish(cleanup, error)
        except BaseException as raised:  # noqa: BLE001  # collected, and raised at the end
            if error is not None and raised is error:
                error.__traceback__ = trace  # without the frames of the generator it went through
            else:
                raised.add_note(f"kick: in the clean-up of {cleanup.__qualname__} at {_place(cleanup)}")
                failures.append(raised)
    return failures


def raise_failures(message: str, failures: list[BaseException]) -> None:
    """Raise what clean-ups raised as a group; a cancellation among them stays a cancellation."""
    ordinary = [each for each in failures if isinstance(each, Exception)]
    group = ExceptionGroup(message, ordinary) if ordinary else None
    for each in failures:
        if not isinstance(each, Exception):
            raise each from group
    if group:
        raise group


async def _finish(cleanup: Cleanup, error: BaseException | None) -> None:
    try:
        if isinstance(cleanup, GeneratorType):
            next(cleanup) if error is None else cleanup.throw(error)
            cleanup.close()
        else:
            await (anext(cleanup) if error is None else cleanup.athrow(error))
            await cleanup.aclose()
    except (StopIteration, StopAsyncIteration):
        return
    raise YieldedTwice(cleanup.__qualname__, _place(cleanup))


def _place(cleanup: Cleanup) -> str:
    code = cleanup.gi_code if isinstance(cleanup, GeneratorType) else cleanup.ag_code
    return place(code.co_filename, code.co_firstlineno)
