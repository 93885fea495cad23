"""Start-up and shutdown of what an application is made of, in order, and in reverse; each part has a name."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from traceback import format_exception
from types import FrameType, TracebackType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import anyio
from starlette.types import ASGIApp, Message

from kick.errors import KickError
from kick.shutdown import Shutdown

Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[None]]
"""Called with the application."""

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
"""What asks a server to stop."""


class HasLife(Protocol):
    """What there is to know of a module."""

    name: str
    lifespan: Lifespan | None
    mounts: Mapping[str, Any]


class Part(NamedTuple):
    """A part of an application that has something to do before and after the requests."""

    name: str
    lifespan: Lifespan


class BadLifespan(KickError):
    """A lifespan that is no function which returns an async context manager.

    >>> async def lifespan(app):
    ...     yield
    >>> BadLifespan(lifespan, "Module('shop')").cause
    "lifespan= of Module('shop') was given lifespan, which is an async generator function."
    """

    code = "lifespan"

    def __init__(self, given: object, owner: str) -> None:
        name = str(getattr(given, "__name__", repr(given)))
        kind = (
            "which is an async generator function"
            if inspect.isasyncgenfunction(given)
            else ("which is a coroutine function" if inspect.iscoroutinefunction(given) else "which cannot be called")
        )
        written = name if name.isidentifier() else "lifespan"
        super().__init__(
            cause=f"lifespan= of {owner} was given {name}, {kind}.",
            fix="Decorate a function that yields once, between start-up and shutdown: "
            f"`@asynccontextmanager\nasync def {written}(app): yield`, with "
            "`from contextlib import asynccontextmanager`.",
        )


def lifespan_problem(given: object, owner: str) -> BadLifespan | None:
    """What is wrong with a lifespan; `None` when nothing is, and where there is none.

    >>> lifespan_problem(None, "bootstrap()")
    """
    usable = given is None or (
        callable(given) and not inspect.isasyncgenfunction(given) and not inspect.iscoroutinefunction(given)
    )
    return None if usable else BadLifespan(given, owner)


class HasState(Protocol):
    """What there is to know of a mount: its requests get what the lifespan of its application left in `state`."""

    app: Any
    state: dict[str, Any]


def parts_of(
    modules: Iterable[HasLife], of_application: Lifespan | None, mounts: Iterable[HasState] = ()
) -> list[Part]:
    """The parts in the order of their start-up: each module and what it mounts, then the application itself.

    An application that is mounted several times starts once, and all its mounts have one state.
    """
    parts: list[Part] = []
    mounted: set[int] = set()
    states: dict[int, dict[str, Any]] = {}
    for mount in mounts:
        mount.state = states.setdefault(id(mount.app), {})
    for module in modules:
        if module.lifespan is not None:
            parts.append(Part(f"the lifespan of Module({module.name!r})", module.lifespan))
        for path, mounted_at in module.mounts.items():
            app: Any = mounted_at if callable(mounted_at) else None  # files are mounted too
            if app is not None and id(app) not in mounted:
                mounted.add(id(app))
                name = f"the application that Module({module.name!r}) mounts at {path}"
                parts.append(Part(name, _mounted(app, name, states.setdefault(id(app), {}))))
    if of_application is not None:
        parts.append(Part("the lifespan of bootstrap()", of_application))
    return parts


class Named:
    """An async context manager whose exceptions say which part of an application it is.

    It is left in good order when another part has failed: what stands after its `yield` runs, in a `finally` or not.
    """

    def __init__(self, name: str, inner: AbstractAsyncContextManager[Any]) -> None:
        self._name = name
        self._inner = inner

    async def __aenter__(self) -> None:
        try:
            await self._inner.__aenter__()
        except Exception as error:
            error.add_note(f"kick: in the start-up of {self._name}")
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cancelled = error is not None and not isinstance(error, Exception)
        try:
            await (self._inner.__aexit__(kind, error, trace) if cancelled else self._inner.__aexit__(None, None, None))
        except Exception as failure:
            failure.add_note(f"kick: in the shutdown of {self._name}")
            raise


class MountedFailed(RuntimeError):
    """A mounted application said that its start-up or its shutdown has failed."""


def _mounted(app: ASGIApp, name: str, state: dict[str, Any]) -> Lifespan:
    """The lifespan of a mounted application, called with the one it is mounted in."""
    return lambda _: _lifespan_of(app, name, state)


@asynccontextmanager
async def _lifespan_of(app: ASGIApp, name: str, state: dict[str, Any]) -> AsyncGenerator[None]:
    """Speak the lifespan protocol to an ASGI application, as a server does.

    One that raises before it has answered, or returns, knows nothing of it (ASGI Lifespan 2.0, scope).
    """
    state.clear()
    life = _MountedLife(app, state)
    task = asyncio.create_task(life.run())
    try:
        await life.say("startup")
        life.check(name, "startup")
        try:
            yield
        finally:
            if life.failed is None:
                await life.say("shutdown")
        life.check(name, "shutdown")
    finally:
        task.cancel()
        await asyncio.wait([task])


class _MountedLife:
    """The server's side of one lifespan."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self.failed: str | None = None
        self._app = app
        self._state = state
        self._asked: anyio.Event = anyio.Event()
        self._answered: anyio.Event = anyio.Event()
        self._phase = ""
        self._over = False
        self._spoke = False

    async def run(self) -> None:
        """The whole life of the application; what it raises is told by `failed`."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001  # reported by `check`
            if self._spoke and self.failed is None:
                self.failed = f"{type(error).__name__}: {error}"
        finally:
            self._over = True
            self._answered.set()

    async def say(self, phase: str) -> None:
        """Say what is next, and wait until the application has done it."""
        if self._over:
            return
        self._answered = anyio.Event()
        self._phase = phase
        self._asked.set()
        await self._answered.wait()

    def check(self, name: str, phase: str) -> None:
        """Raise what the application said of a failure."""
        if self.failed is not None:
            raise MountedFailed(f"The {phase} of {name} failed.\n{self.failed}".rstrip())

    async def _receive(self) -> Message:
        await self._asked.wait()
        self._asked = anyio.Event()
        return {"type": f"lifespan.{self._phase}"}

    async def _send(self, message: Message) -> None:
        self._spoke = True
        if message["type"].endswith(".failed"):
            self.failed = str(message.get("message", ""))
        self._answered.set()


def told(error: Exception) -> str:
    """What is said of an exception at the start or the end; a mistake in set-up needs no trace.

    >>> told(BadLifespan(None, "bootstrap()")).splitlines()[0]
    '[lifespan] lifespan= of bootstrap() was given None, which cannot be called.'
    """
    if isinstance(error, KickError):
        return "\n".join([str(error), *getattr(error, "__notes__", ())])
    return "".join(format_exception(error))


@contextmanager
def told_by_signals(shutdown: Shutdown) -> Generator[None]:
    """Let the signals that stop a server begin the shutdown too, before the server hears of them as always.

    A server stops listening, waits for the responses that are under way, and tells the application last of all, which
    is too late for streams. Signals are heard in the main thread only; a server in another one calls
    `app.begin_shutdown()`. A signal that nobody listens to is left as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[signal.Signals, Any] = {}

    def hear(number: int, frame: FrameType | None) -> None:
        shutdown.begin()
        before[signal.Signals(number)](number, frame)

    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler):
            before[number] = handler
            signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is hear:
                signal.signal(number, handler)
