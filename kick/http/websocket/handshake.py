"""One WebSocket from the handshake to the end.

The handshake is a GET request (RFC 6455, section 4.1), and passes through the same middleware as other requests. The
handler runs in a separate task. An exception before it accepts passes through the middleware. When it accepts, the
middleware gets a response with the status 101. The headers of this response, including the session cookie, are sent.

    App           middleware        handler
     │── request ───▶│                            (a task of its own, from here on)
     │               │── call_next ──▶│
     │               │◀── accept() ───│ waits
     │◀──── 101 ─────│                │
     │── websocket.accept ───────────▶│ receives and sends
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import anyio
import anyio.abc
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from kick.exceptions import Forbidden, HTTPError
from kick.http.context.context import RequestContext
from kick.http.context.request import HANDSHAKE
from kick.http.exception_handlers import report_failure
from kick.http.log_text import one_line
from kick.http.middleware import Endpoint
from kick.http.pipeline import answer_error, finished, settled
from kick.http.response.base import Response, empty_response, header_line
from kick.http.routing.decorators import SocketInfo
from kick.http.websocket.messages import Frames, InvalidMessage, short_reason
from kick.http.websocket.scope import as_request
from kick.http.websocket.socket import (
    ABNORMAL,
    GOING_AWAY,
    INTERNAL_ERROR,
    POLICY_VIOLATION,
    SESSION_ENDED,
    Socket,
    SocketClosed,
)
from kick.session.asgi.interruptible_send import CLOSING, InterruptibleSend
from kick.shutdown import Shutdown

logger: Final = logging.getLogger("kick.http")

SWITCHING_PROTOCOLS: Final = 101

Handle = Callable[[RequestContext[Any], Socket[Any, Any]], Awaitable[None]]
"""A handler with its arguments."""

_OF_THE_SERVER: Final = (b"connection", b"content-length", b"content-type", b"transfer-encoding", b"upgrade")
"""Headers that an application must not send with a 101."""


class Handshake:
    """The handshake of a WebSocket, and its connection. `serve()` runs as long as the connection.

    `scope` is the scope of the handshake as a request, for the contexts.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = as_request(scope, self)
        self.receive = receive
        self._sender = InterruptibleSend(send)
        self.send: Send = self._sender.send
        self._tasks: anyio.abc.TaskGroup | None = None
        self._socket: Socket[Any, Any] | None = None
        self._subprotocol: str | None = None
        self._accepted: Response | None = None
        self._refusal: Exception | None = None
        self._decided = anyio.Event()
        self._answered = anyio.Event()
        self._is_open = False
        self._watching: anyio.CancelScope | None = None
        self._watching_session: anyio.CancelScope | None = None
        self._session_ended = anyio.Event()
        self._unwatch: Callable[[], None] = lambda: None
        self.before_accept: Callable[[], Awaitable[None]] | None = None

    async def serve(self, ctx: RequestContext[Any], endpoint: Endpoint, shutdown: Shutdown) -> None:
        """Pass the request through its chain, respond to it, and wait for the end of the connection."""
        message = await self.receive()
        if message["type"] != "websocket.connect":
            return
        async with anyio.create_task_group() as self._tasks:
            response = await _answer(ctx, endpoint)
            try:
                if self._accepted is not None and response.status_code == SWITCHING_PROTOCOLS:
                    await self._open(response, ctx)
                    self._tasks.start_soon(self._close_at, shutdown)
                    self._tasks.start_soon(self._close_with_session)
                else:
                    await refuse(response, self.scope, self.send)
            except OSError:
                self._is_open = False  # the client has disconnected
            finally:
                if not self._is_open and self._socket is not None:
                    self._socket.end(ABNORMAL, "The handshake failed.")
                self._answered.set()

    async def begin(self, ctx: RequestContext[Any], handle: Handle, frames: Frames, info: SocketInfo) -> Response:
        """Start the handler, and wait until it accepts. Raises its exception if it fails before."""
        if self._tasks is None or self._socket is not None:
            raise RuntimeError("the handler of a WebSocket runs once: middleware called call_next() a second time")
        self._socket = Socket(ctx, self, frames, info)
        self._tasks.start_soon(self._live, ctx, handle, self._socket)
        await self._decided.wait()
        if self._refusal is not None:
            raise self._refusal
        assert self._accepted is not None  # noqa: S101  # what the type checker cannot see
        ctx.response = self._accepted
        return self._accepted

    # Called by the socket

    async def accept(self, subprotocol: str | None, headers: Mapping[str, str]) -> None:
        """Continue the chain with a 101, and wait until it is sent. Raises exceptions of the clean-ups before it."""
        if self.before_accept is not None and not self._decided.is_set():
            end_handler, self.before_accept = self.before_accept, None
            await end_handler()
        if not self._decided.is_set():
            lines = [header_line(name, value) for name, value in headers.items()]
            self._subprotocol = subprotocol
            self._accepted = response = empty_response(SWITCHING_PROTOCOLS)
            response.raw_headers += lines
            self._decided.set()
        await self._answered.wait()

    def refuse(self, reason: str) -> None:
        """Continue the chain with a 403."""
        self._refuse(Forbidden(reason or None))

    # The two sides

    async def _live(self, ctx: RequestContext[Any], handle: Handle, socket: Socket[Any, Any]) -> None:
        """Run the handler to its end, and close the connection."""
        try:
            await handle(ctx, socket)
        except Exception as raised:  # noqa: BLE001  # any exception ends the connection
            error = _told_by(raised, socket)
            if not self._decided.is_set():
                self._refuse(error or raised)
            elif error is not None:
                await socket.close(*_closing(error, ctx))
        else:
            if not self._decided.is_set():
                self._refuse(Forbidden("The connection was not accepted."))
            elif self._is_open:
                await socket.close()
        finally:
            self._is_open = False
            self._unwatch()
            for watching in (self._watching, self._watching_session):
                if watching is not None:
                    watching.cancel()

    async def _close_at(self, shutdown: Shutdown) -> None:
        if self._is_open and self._socket is not None:
            stops = False
            with anyio.CancelScope() as self._watching:
                await shutdown.wait()
                stops = True
            if stops:
                await self._socket.close(GOING_AWAY, "The server is stopping.")

    async def _close_with_session(self) -> None:
        if self._is_open and self._socket is not None:
            with anyio.CancelScope() as self._watching_session:
                await self._session_ended.wait()
            # Not within the scope: the handler ends as soon as the socket is closed, and cancels it.
            if self._session_ended.is_set():
                self._sender.give_up()  # otherwise a handler would wait for a client that does not read
                with anyio.move_on_after(CLOSING):
                    await self._socket.close(SESSION_ENDED, "The session has ended.")

    def _refuse(self, error: Exception) -> None:
        if not self._decided.is_set():
            self._refusal = error
            self._decided.set()

    async def _open(self, response: Response, ctx: RequestContext[Any]) -> None:
        headers = [
            (name, value)
            for name, value in response.raw_headers
            if name not in _OF_THE_SERVER and not name.startswith(b"sec-websocket-")
        ]
        await self.send({"type": "websocket.accept", "subprotocol": self._subprotocol, "headers": headers})
        if ctx.opened_session is not None:
            ctx.opened_session.state.accepted()
            self._unwatch = ctx.opened_session.on_end(self._session_ended.set)
        self._is_open = True


async def refuse(response: Response, scope: Scope, send: Send) -> None:
    """Send a response to a handshake, if the server supports this. Otherwise the server responds with 403.

    `scope` is the scope of the handshake as a request.
    """
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        return

    async def send_refusal(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await response(scope, no_body, send_refusal)


async def no_body() -> Message:
    """Receive the empty body of a handshake."""
    return {"type": "http.request", "body": b"", "more_body": False}


def handshake_of(ctx: RequestContext[Any]) -> Handshake:
    """Return the handshake of a context."""
    handshake: Handshake = ctx.scope[HANDSHAKE]
    return handshake


async def _answer(ctx: RequestContext[Any], endpoint: Endpoint) -> Response:
    try:
        response = await endpoint(ctx)
        if response is not ctx.response:
            response = settled(ctx, response)
    except Exception as error:  # noqa: BLE001  # any exception becomes a response
        response = await answer_error(ctx, error)
    return response if ctx.added_headers is None else finished(ctx)


def _told_by(raised: Exception, socket: Socket[Any, Any]) -> Exception | None:
    """Return the exception of a handler, also from an exception group; `None` if the client has disconnected."""
    error: Exception | None = raised
    if socket.closed:
        error = None if isinstance(raised, SocketClosed) else raised
        if isinstance(raised, ExceptionGroup):
            error = raised.split(SocketClosed)[1]
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _closing(error: Exception, ctx: RequestContext[Any]) -> tuple[int, str]:
    """Return the code and the reason for a closing after an exception (RFC 6455, section 7.4.1)."""
    match error:
        case InvalidMessage():
            return error.code, error.reason
        case HTTPError():
            if error.status >= 500 and error.__cause__ is not None:
                logger.error("WebSocket %r: %s: %r", ctx.path, one_line(str(error)), error.__cause__)
            return _code_of(error.status), short_reason(error.detail or error.title)
        case HTTPException():
            return _code_of(error.status_code), short_reason(str(error.detail))
        case _:
            report_failure(ctx, error)
            return INTERNAL_ERROR, "The server had an unexpected error, which was logged."


def _code_of(status: int) -> int:
    return POLICY_VIOLATION if status < 500 else INTERNAL_ERROR
