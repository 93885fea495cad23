"""An application under test: its lifespan, and one request to it with a response that comes piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick.http.recorder import KEY as RECORDER
from kick.testing.background import BackgroundCall, BackgroundCalls

Headers = list[tuple[bytes, bytes]]


class Running:
    """A call that runs in a task of the current event loop, of asyncio or trio.

    It is no child of the task that starts it: a fixture may start it in one task and end it in another.
    """

    def __init__(self, call: Callable[[], Awaitable[None]]) -> None:
        self._call = call
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()
        self.error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            from trio.lowlevel import spawn_system_task

            spawn_system_task(self._run)
        else:
            self._task = loop.create_task(self._run())  # kept, because the loop only has a weak reference

    @property
    def is_done(self) -> bool:
        """True if the call has ended."""
        return self._done.is_set()

    async def wait(self) -> None:
        """Wait for the end of the call. Its exception is in `error`."""
        await self._done.wait()

    async def cancel(self) -> None:
        """Cancel the call, and wait for its end."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._done.wait()

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._call()
        except BaseException as error:  # noqa: BLE001  # the test gets it
            self.error = error
        finally:
            self._done.set()


class Recorded:
    """Records the errors of one request, and gives its background tasks to a client."""

    def __init__(self, calls: BackgroundCalls) -> None:
        self.errors: list[Exception] = []
        self._calls = calls

    def failed(self, error: Exception) -> None:
        """Record an exception that no handler has turned into a response."""
        self.errors.append(error)

    async def background(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        options: Mapping[str, Any],
        run: Callable[[], Awaitable[Exception | None]],
    ) -> None:
        """Record a background task, and run it or keep it for later."""
        await self._calls.add(BackgroundCall(function, args, options), run)


class TestedApp:
    """An application that raises the errors of its handlers, and its lifespan.

    Its clients share it. `state` is the state of the lifespan; `portal` leads to its event loop from another thread.
    """

    __test__ = False

    def __init__(self, app: ASGIApp, *, raise_exceptions: bool) -> None:
        self.app = app
        self.raise_exceptions = raise_exceptions
        self.background = BackgroundCalls()
        self.portal: BlockingPortal | None = None
        self.state: dict[str, Any] = {}
        self._lifespan: Running | None = None
        self._sent: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; raise the first error of its handler at the end."""
        recorded = Recorded(self.background)
        await self.app({**scope, "state": dict(self.state), RECORDER: recorded}, receive, send)
        if recorded.errors and self.raise_exceptions:
            raise recorded.errors[0]

    async def start(self) -> None:
        """Start the lifespan. Raises the exception of an application that does not start."""
        self._stop, self._changed, self._sent = anyio.Event(), anyio.Event(), []
        self._asked = False
        self._lifespan = Running(self._live)
        await self._until("startup")

    async def stop(self) -> None:
        """End the lifespan. Raises the exception of an application that does not shut down."""
        if self._lifespan is None or self._lifespan.is_done:
            return
        self._changed = anyio.Event()
        self._stop.set()
        await self._until("shutdown")
        await self._lifespan.wait()

    async def _live(self) -> None:
        try:
            scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
            await self.app(scope, self._next, self._note)
        finally:
            self._changed.set()

    async def _next(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._stop.wait()
        return {"type": "lifespan.shutdown"}

    async def _note(self, message: Message) -> None:
        self._sent.append(message)
        if message["type"].endswith(".complete"):
            self._changed.set()  # after a failure, the exception follows

    async def _until(self, phase: str) -> None:
        assert self._lifespan is not None  # noqa: S101  # what the type checker cannot see
        await self._changed.wait()
        if any(message["type"] == f"lifespan.{phase}.complete" for message in self._sent):
            return
        await self._lifespan.wait()
        if self._lifespan.error is not None:
            raise self._lifespan.error
        told = next((message.get("message", "") for message in self._sent), "")
        raise RuntimeError(f"the application has ended before its {phase} was complete{told and f': {told}'}")


class Exchange:
    """One request to an application, and the response as it comes."""

    def __init__(self, app: TestedApp, scope: Scope, body: AsyncIterable[bytes]) -> None:
        self._app = app
        self._scope = scope
        self._body = body.__aiter__()
        self._body_ended = False
        self._started = anyio.Event()
        self._gone = anyio.Event()
        self._sender, self._receiver = anyio.create_memory_object_stream[bytes](0)
        self._is_complete = False
        self.status = 500
        self.headers: Headers = []

    async def start(self) -> None:
        """Send the request, and wait for the status and the headers. Raises what the application raises before them."""
        self._task = Running(self._run)
        await self._started.wait()
        if self._task.is_done and not self._is_complete:
            self._raise()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the body as they come. At the end, raise what the application has raised."""
        async with self._receiver:
            async for chunk in self._receiver:
                if self._scope["method"] != "HEAD" and chunk:
                    yield chunk
        await self._task.wait()
        self._raise()

    async def aclose(self) -> None:
        """End the exchange. If the response is not complete, the application sees a client that is gone."""
        self._gone.set()
        self._receiver.close()
        if self._is_complete:
            await self._task.wait()
        else:
            await self._task.cancel()

    def _raise(self) -> None:
        error = self._task.error
        if error is not None and (self._app.raise_exceptions or not isinstance(error, Exception)):
            raise error

    async def _run(self) -> None:
        try:
            async with self._sender:
                await self._app(self._scope, self._receive, self._send)
        finally:
            self._started.set()

    async def _receive(self) -> Message:
        if not self._body_ended:
            chunk = await anext(self._body, None)
            if chunk is not None:
                return {"type": "http.request", "body": chunk, "more_body": True}
            self._body_ended = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], [*message.get("headers", ())]
            self._started.set()
        elif message["type"] == "http.response.body":
            is_last = not message.get("more_body", False)
            try:
                if message.get("body"):
                    await self._sender.send(bytes(message["body"]))
            except anyio.BrokenResourceError:
                return  # the client is gone, and servers are silent about it
            if is_last:
                self._is_complete = True
                self._sender.close()
                self._gone.set()
