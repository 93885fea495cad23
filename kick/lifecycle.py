"""Start-up and shutdown of the parts of an application, in order and in reverse order."""

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
"""A function that takes the application and returns an async context manager."""

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
"""The signals that stop a server."""


class HasLife(Protocol):
    """The parts of a module that a lifespan needs."""

    name: str
    lifespan: Lifespan | None
    mounts: Mapping[str, Any]


class Part(NamedTuple):
    """A part of an application with a start-up and a shutdown."""

    name: str
    lifespan: Lifespan


def lifespan_problem(given: object, owner: str) -> KickError | None:
    """Return the error of a lifespan, or `None` if it is valid or missing.

    A lifespan is a function that returns an async context manager.
    """
    if inspect.isasyncgenfunction(given):
        kind = "which is an async generator function"
    elif inspect.iscoroutinefunction(given):
        kind = "which is a coroutine function"
    elif given is None or callable(given):
        return None
    else:
        kind = "which cannot be called"
    name = str(getattr(given, "__name__", repr(given)))
    written = name if name.isidentifier() else "lifespan"
    return KickError(
        "lifespan",
        cause=f"lifespan= of {owner} was given {name}, {kind}.",
        fix="Decorate a function that yields once, between start-up and shutdown: "
        f"`@asynccontextmanager\nasync def {written}(app): yield`, with "
        "`from contextlib import asynccontextmanager`.",
    )


class HasState(Protocol):
    """The parts of a mount that a lifespan needs. Its requests get the lifespan state of the application."""

    app: Any
    state: dict[str, Any]


def parts_of(
    modules: Iterable[HasLife], of_application: Lifespan | None, mounts: Iterable[HasState] = ()
) -> list[Part]:
    """Return the parts in the order of their start-up: each module with its mounts, then the application itself.

    An application that is mounted several times starts once, and its mounts share one state.
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
    """An async context manager whose exceptions name the part of the application.

    If another part fails, it is left without an exception, so the code after its `yield` runs.
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
        # A cancellation is passed on: a part that swallowed it would keep the server from ending.
        cancelled = error is not None and not isinstance(error, Exception)
        try:
            await (self._inner.__aexit__(kind, error, trace) if cancelled else self._inner.__aexit__(None, None, None))
        except Exception as failure:
            failure.add_note(f"kick: in the shutdown of {self._name}")
            raise


class MountedFailed(RuntimeError):
    """A mounted application reported that its start-up or shutdown failed."""


def _mounted(app: ASGIApp, name: str, state: dict[str, Any]) -> Lifespan:
    """Run the lifespan of a mounted application."""
    return lambda _: _lifespan_of(app, name, state)


@asynccontextmanager
async def _lifespan_of(app: ASGIApp, name: str, state: dict[str, Any]) -> AsyncGenerator[None]:
    """Send lifespan events to an ASGI application, as a server does.

    An application that raises or returns before its first message does not support lifespan events (ASGI Lifespan 2.0).
    """
    state.clear()
    life = _MountedLife(app, state)
    # A task of its own, because the application waits for events while this function yields.
    task = asyncio.create_task(life.run())
    try:
        await life.say("startup")
        life.check(name, "startup")
        try:
            yield
        finally:
            # An application that has failed in the meantime receives no further event.
            if life.failed is None:
                await life.say("shutdown")
        life.check(name, "shutdown")
    finally:
        task.cancel()
        await asyncio.wait([task])


class _MountedLife:
    """The side of the server in one lifespan."""

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
        """Run the application; `failed` reports its exception."""
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
        """Send an event, and wait until the application has handled it."""
        if self._over:
            return
        self._answered = anyio.Event()
        self._phase = phase
        self._asked.set()
        await self._answered.wait()

    def check(self, name: str, phase: str) -> None:
        """Raise the failure that the application reported."""
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
    """Return the text for an exception at start-up or shutdown. A set-up mistake needs no traceback.

    >>> told(KickError("no-routes", cause="The app has no routes.", fix="Pass a module.")).splitlines()[0]
    '[no-routes] The app has no routes.'
    """
    if isinstance(error, KickError):
        return "\n".join([str(error), *getattr(error, "__notes__", ())])
    return "".join(format_exception(error))


@contextmanager
def told_by_signals(shutdown: Shutdown) -> Generator[None]:
    """Begin the shutdown on the signals that stop a server, and then pass them to the server.

    A server stops listening, waits for running responses, and notifies the application last, which is too late for
    streams. Signals arrive in the main thread only. A server in another thread calls `app.begin_shutdown()`. A signal
    without a handler is not changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[signal.Signals, Any] = {}

    def hear(number: int, frame: FrameType | None) -> None:
        shutdown.begin()
        before[signal.Signals(number)](number, frame)

    # `callable` excludes SIG_DFL and SIG_IGN: without a handler of a server, the signal keeps its effect.
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler):
            before[number] = handler
            signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            # A handler that was installed later stays.
            if signal.getsignal(number) is hear:
                signal.signal(number, handler)
