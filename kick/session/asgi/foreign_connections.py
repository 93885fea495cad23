"""WebSockets and event streams of an ASGI application, which end with their session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick.session.asgi.interruptible_send import CLOSING, InterruptibleSend
from kick.session.session import Session

SESSION_ENDED: Final = 4401
"""The close code of a WebSocket whose session has ended."""

ENDED: Final = "The session has ended."


class SessionOver(OSError):
    """`send` on a WebSocket that was closed with its session. ASGI has an `OSError` for every closed connection."""


async def serve_watched(session: Session[Any], app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run an application that does not see the session, and end its WebSocket or event stream with the session."""
    connection = WatchedSocket if scope["type"] == "websocket" else WatchedResponse
    await connection(session, send).run(app, scope, receive)


def end_with_session(response: Response, session: Session[Any], added: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Let a response end when its session ends, if it is an event stream that does not do so by itself.

    It will have the headers `added`, too. What a class does when it sends is not known, so the response gets a subclass
    of its class.
    """
    headers = [*response.raw_headers, *added]
    if is_event_stream(headers) and is_stream(headers) and getattr(response, "watch", None) is None:
        ending: Any = response
        kind: Any = type(response)
        ending.__class__ = _ending(kind)
        ending.ends_with = session


class _EndsWithSession(Response):
    ends_with: Session[Any]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await serve_watched(self.ends_with, super().__call__, scope, receive, send)


@lru_cache(maxsize=256)
def _ending(kind: Any) -> Any:
    """Return a subclass of a response class that ends with the session."""
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind)(kind.__name__, (_EndsWithSession, kind), names)


class WatchedSocket:
    """A WebSocket.

    When its session ends, it is closed with the code 4401. Then `receive` returns the disconnect, and `send` raises
    `SessionOver`, also a `send` that waits for a client that does not read.
    """

    def __init__(self, session: Session[Any], send: Send) -> None:
        self._session = session
        self._send = send
        self._sender = InterruptibleSend(send)
        self._closed = False
        self._ended = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._message: asyncio.Future[Message] | None = None
        self._unwatch: Callable[[], None] | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Run the application."""
        self._receive = receive
        try:
            await self.serve(app, scope)
        except Exception as error:
            if not (self._ended.is_set() and _says_that_it_ended(error)):
                raise
        finally:
            if self._unwatch is not None:
                self._unwatch()
            if self._message is not None:
                self._message.cancel()
            if self._closing is not None:
                await asyncio.wait([self._closing])

    async def serve(self, app: ASGIApp, scope: Scope) -> None:
        """Call the application."""
        await app(scope, self.receive, self.send)

    async def receive(self) -> Message:
        """Receive a message. As soon as the session has ended, this is a disconnect with the code 4401.

        Messages that the client has sent before are dropped: what they ask for, only the session allows.
        """
        if self._unwatch is None:
            return await self._receive()
        if self._message is None:  # keep the message of a cancelled `receive()`
            self._message = asyncio.ensure_future(self._receive())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            both: list[asyncio.Future[Any]] = [self._message, ended]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if self._ended.is_set():
            return {"type": "websocket.disconnect", "code": SESSION_ENDED, "reason": ENDED}
        message, self._message = self._message, None
        return message.result()

    async def send(self, message: Message) -> None:
        """Send a message. Raises `SessionOver` once the session has ended."""
        if message["type"] == "websocket.close":
            if self._closed or self._ended.is_set():
                return
            self._closed = True
        if self._ended.is_set():
            await asyncio.sleep(0)  # an application that goes on must not hold the event loop
            raise SessionOver(ENDED)
        try:
            await self._sender.send(message)
        except OSError:
            if self._ended.is_set():
                raise SessionOver(ENDED) from None
            raise
        if message["type"] == "websocket.accept":
            self._unwatch = self._session.on_end(self._session_ended)

    def _session_ended(self) -> None:
        if not self._closed:
            self._ended.set()
            self._sender.give_up()
            self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSING):
                await self._send({"type": "websocket.close", "code": SESSION_ENDED, "reason": ENDED})
        except (OSError, RuntimeError):  # also a timeout. Servers raise it if they have closed the connection before
            pass


class WatchedResponse:
    """A response. If it is an event stream, the application is cancelled when its session ends.

    For the client the stream is complete then, even if the application waits in a thread, which nothing can cancel.
    What it sends afterwards is dropped.
    """

    def __init__(self, session: Session[Any], send: Send) -> None:
        self._session = session
        self._send = send
        self._streaming = anyio.CancelScope()
        self._unwatch: Callable[[], None] | None = None
        self._is_started = False
        self._closing: asyncio.Future[None] | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Run the application."""
        try:
            with self._streaming:
                await app(scope, receive, self.send)
        finally:
            if self._unwatch is not None:
                self._unwatch()
        if self._closing is not None:
            await self._closing
        elif self._streaming.cancelled_caught:
            await self._complete()

    async def send(self, message: Message) -> None:
        """Send a message."""
        if self._streaming.cancel_called:
            await anyio.lowlevel.checkpoint()  # which ends the application
            return
        if message["type"] == "http.response.start":
            if is_event_stream(message.get("headers", ())):
                self._unwatch = self._session.on_end(self._session_ended)
        elif self._unwatch is not None and not message.get("more_body"):
            self._unwatch()  # the stream is complete; code that runs after it is not cancelled
        await self._send(message)
        self._is_started = True

    def _session_ended(self) -> None:
        self._streaming.cancel()
        if self._is_started:
            self._closing = asyncio.ensure_future(self._complete())

    async def _complete(self) -> None:
        try:
            async with asyncio.timeout(CLOSING):
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except (OSError, RuntimeError):  # also a timeout. Servers raise it if they have closed the connection before
            pass


def is_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return true if the length of a body is unknown: the session may first be used while it is sent.

    >>> is_stream([(b"content-type", b"text/plain")]), is_stream([(b"Content-Length", b"2")])
    (True, False)
    """
    return all(name.lower() != b"content-length" for name, _ in headers)


def is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return true if the headers are those of server-sent events.

    >>> is_event_stream([(b"Content-Type", b"text/event-stream; charset=utf-8")])
    True
    """
    return any(
        name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream") for name, value in headers
    )


def _says_that_it_ended(error: Exception) -> bool:
    """Return true for the exceptions by which an application learns that its WebSocket is closed."""
    from starlette.websockets import WebSocketDisconnect  # on first use: most applications have no WebSockets

    return isinstance(error, SessionOver | WebSocketDisconnect)
