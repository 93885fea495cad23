"""`Socket`: one WebSocket, for handlers with `@WebSocket`."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, Protocol, Self

import anyio
import anyio.lowlevel
from starlette.datastructures import URL, Headers, QueryParams, State
from starlette.types import Message, Receive, Send
from typing_extensions import TypeVar

import kick.session  # exports `Session` when somebody asks for it: not every application has sessions
from kick.concurrency import IN_A_ROW
from kick.http.context.context import RequestContext
from kick.http.routing.decorators import SocketInfo
from kick.http.routing.route import Route
from kick.http.websocket.messages import TOO_BIG, Frame, Frames, InvalidMessage, is_longer, short_reason

In = TypeVar("In", default=Any)
Out = TypeVar("Out", default=Any)

NORMAL: Final = 1000
SESSION_ENDED: Final = 4401
"""The close code of a connection whose session has ended, by a logout, a revocation or its expiry."""

GOING_AWAY: Final = 1001
NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
POLICY_VIOLATION: Final = 1008
INTERNAL_ERROR: Final = 1011

_AFTER_CLOSE: Final = tuple(f"Unexpected ASGI message 'websocket.{kind}', after" for kind in ("send", "close"))
_SENDABLE: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class SocketClosed(Exception):
    """The connection has ended: `Socket.receive()` and `Socket.send()` raise it.

    `code` and `reason` are those of the close frame (RFC 6455, section 7.4.1). The code is 1005 if there was none, and
    1006 if the connection was lost. A handler need not catch it: if its client disconnects, it ends without a log
    entry.

    >>> print(SocketClosed(1001, "The tab was closed."))
    1001: The tab was closed.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}" if self.reason else str(self.code)


class Link(Protocol):
    """The parts of the handshake that a socket uses."""

    receive: Receive
    send: Send

    async def accept(self, subprotocol: str | None, headers: Mapping[str, str]) -> None:
        """Accept the handshake, and wait until this is done. If it fails, `end()` of the socket is called."""
        ...

    def refuse(self, reason: str) -> None:
        """Reject the handshake."""
        ...


class Phase(enum.Enum):
    """The state of a connection."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"


class Socket(Generic[In, Out]):
    """One WebSocket: `Socket[Incoming, Outgoing]` receives the one type and sends the other.

    | type | messages are |
    |---|---|
    | `str` | text |
    | `bytes` | bytes |
    | any other | JSON in text, validated when received: Structs, unions of Structs with tags, dataclasses, ... |
    | a union with `bytes` | bytes, and texts of the rest of the union |

    The first `receive()` or `send()` accepts the connection, unless `accept()` was called. An exception before this
    rejects it; an `HTTPError` is the response to the handshake. When the handler returns, the connection is closed.

    >>> import msgspec
    >>> from kick.http import Controller, WebSocket
    >>> class Say(msgspec.Struct, tag="say"):
    ...     text: str
    >>> class Leave(msgspec.Struct, tag="leave"): ...
    >>> @Controller("/chat")
    ... class ChatController:
    ...     @WebSocket("/{room}")
    ...     async def chat(self, socket: Socket[Say | Leave, Say], room: str) -> None:
    ...         async for message in socket:
    ...             if isinstance(message, Leave):
    ...                 break
    ...             await socket.send(message)
    """

    is_socket: ClassVar = True
    """For `kick.http.handlers.parameters`."""

    __slots__ = ("_code", "_context", "_frames", "_in_a_row", "_info", "_link", "_phase", "_reason", "_waiting")

    def __init__(self, context: RequestContext[Any], link: Link, frames: Frames, info: SocketInfo) -> None:
        self._context = context
        self._link = link
        self._frames = frames
        self._info = info
        self._phase = Phase.CONNECTING
        self._code = NO_STATUS
        self._reason = ""
        self._waiting: anyio.CancelScope | None = None
        self._in_a_row = 0

    def __repr__(self) -> str:
        return f"<Socket {self.path} {self._phase.value}>"

    # The handshake, which is a request

    @property
    def context(self) -> RequestContext[Any]:
        """The context of the handshake, which is a GET request. Before `accept()` it may set headers and cookies."""
        return self._context

    @property
    def path(self) -> str:
        """The path as the client sees it, percent-decoded."""
        return self._context.path

    @property
    def url(self) -> URL:
        """The URL of the handshake, with the scheme http or https."""
        return self._context.url

    @property
    def params(self) -> dict[str, Any]:
        """The path parameters, converted."""
        return self._context.params

    @property
    def query(self) -> QueryParams:
        """The query string as a multi-dict of texts. A parameter `query: T` gets it validated."""
        return self._context.query

    @property
    def headers(self) -> Headers:
        """The headers of the handshake, by name in any case."""
        return self._context.headers

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies of the handshake."""
        return self._context.cookies

    @property
    def client_ip(self) -> str | None:
        """The address of the client, as the server knows it."""
        return self._context.client_ip

    @property
    def route(self) -> Route | None:
        """The route of the WebSocket."""
        return self._context.route

    @property
    def state(self) -> State:
        """Values that middleware passes to handlers."""
        return self._context.state

    @property
    def session(self) -> kick.session.Session[Any]:
        """The session of the handshake.

        Until `accept()` it is like that of a request: changes are saved, and the cookie is sent with the response.
        After it, `await socket.session.save()` writes the changes, and returns `False` if the session has ended
        meanwhile. No cookie can be sent any more, so the session gets no new id, and one that is not stored refuses
        writes.
        """
        return self._context.session

    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols that the client offers, in the order of its preference (RFC 6455, section 1.9)."""
        return tuple(self._context.scope.get("subprotocols") or ())

    @property
    def closed(self) -> bool:
        """True if the connection is known to have ended."""
        return self._phase is Phase.CLOSED

    # The connection

    async def accept(self, *, subprotocol: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        """Accept the connection, with one of the `subprotocols` that the client offers, and further headers.

        For the middleware around the handler, the request ends here with the status 101. Raises `RuntimeError` if the
        connection was accepted already, `ValueError` for a subprotocol that was not offered (RFC 6455, section 4.2.2)
        or an invalid header, and `SocketClosed` if middleware has rejected the handshake.
        """
        if self._phase is Phase.OPEN:
            raise RuntimeError("the connection has been accepted already: call accept() before receive() and send()")
        if subprotocol is not None and subprotocol not in self.subprotocols:
            raise ValueError(f"the client does not offer the subprotocol {subprotocol!r}, only {self.subprotocols}")
        self._check_open()
        await self._link.accept(subprotocol, headers or {})
        self._check_open()
        self._phase = Phase.OPEN

    async def receive(self) -> In:
        """Wait for the next message of the client.

        Raises `SocketClosed` if the connection has ended, `InvalidMessage` for an invalid message (see `on_invalid` of
        `@WebSocket`), and `RuntimeError` if another task waits for a message.
        """
        while True:
            frame = await self._next_frame()
            try:
                return self._frames.decode(frame)  # type: ignore[no-any-return]
            except InvalidMessage as error:
                if self._info.on_invalid == "close":
                    raise
                await self.send_text(error.reply())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> In:
        """Return the next message; the iteration ends with the connection."""
        try:
            return await self.receive()
        except SocketClosed:
            raise StopAsyncIteration from None

    async def receive_text(self) -> str:
        """Return the next message as text. Raises `InvalidMessage` for bytes, and the exceptions of `receive()`."""
        frame = await self._next_frame()
        if not isinstance(frame, str):
            raise InvalidMessage(1003, "Expected text")
        return frame

    async def receive_bytes(self) -> bytes:
        """Return the next message as bytes. Raises `InvalidMessage` for text, and the exceptions of `receive()`."""
        frame = await self._next_frame()
        if not isinstance(frame, bytes):
            raise InvalidMessage(1003, "Expected bytes")
        return frame

    async def send(self, message: Out) -> None:
        """Send a message. Waits while the client reads too slowly.

        Raises `SocketClosed` if the connection has ended, and `TypeError` for a value that cannot be encoded.
        """
        frame = self._frames.encode(message)
        await self._send_frame("text" if isinstance(frame, str) else "bytes", frame)

    async def send_text(self, text: str) -> None:
        """Send text. Raises `SocketClosed` if the connection has ended."""
        await self._send_frame("text", text)

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes. Raises `SocketClosed` if the connection has ended."""
        await self._send_frame("bytes", data)

    async def send_from(self, messages: AsyncIterable[Out]) -> None:
        """Send the items of an async iterator, until it ends or the client disconnects.

        It is for handlers that only send. Messages of the client are dropped. If the client disconnects while the
        iterator waits, the iterator is cancelled. Raises the exceptions of the iterator.
        """
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._drop_all, tasks.cancel_scope)
            try:
                async for message in messages:
                    await self.send(message)
            except SocketClosed:
                pass
            except Exception as error:  # noqa: BLE001  # raised below, outside of the group
                failure = error
            tasks.cancel_scope.cancel()
        close = getattr(messages, "aclose", None)
        if close is not None:
            await close()
        if failure is not None:
            raise failure

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the connection, or reject it if it is not accepted yet. A second call does nothing.

        `code` is 1000, another code that RFC 6455, section 7.4.1, allows in a frame, or one of your own from 3000 to
        4999; others raise `ValueError`. `reason` is cut to 123 bytes of UTF-8.
        """
        if code not in _SENDABLE and not 3000 <= code <= 4999:
            raise ValueError(f"{code} cannot be sent as the code of a closing: use 1000, or one from 3000 to 4999")
        if self._phase is Phase.CLOSED:
            return
        refused = self._phase is Phase.CONNECTING
        self.end(code, short_reason(reason))
        if refused:
            self._link.refuse(reason)
            return
        try:
            await self._link.send({"type": "websocket.close", "code": code, "reason": self._reason})
        except (OSError, RuntimeError) as error:
            if not _is_gone(error):
                raise

    # Frames

    async def _next_frame(self) -> Frame:
        if self._phase is not Phase.OPEN:
            await self._be_open()
        if self._waiting is not None:
            raise RuntimeError("another task waits for a message of this socket already")
        if self._in_a_row >= IN_A_ROW:  # before a message is taken, so that a cancellation loses none
            await self._take_turns()
        self._in_a_row += 1
        message: Message | None = None
        try:
            with anyio.CancelScope() as self._waiting:
                message = await self._link.receive()
        finally:
            self._waiting = None
        self._check_open()
        if message is None or message["type"] == "websocket.disconnect":
            self.end((message or {}).get("code") or NO_STATUS, (message or {}).get("reason") or "")
            raise self._closed()
        text = message.get("text")
        frame: Frame = message["bytes"] if text is None else text
        if is_longer(frame, self._info.max_message):
            raise InvalidMessage(TOO_BIG, f"A message has at most {self._info.max_message} bytes")
        return frame

    async def _send_frame(self, kind: str, frame: Frame) -> None:
        if self._phase is not Phase.OPEN:
            await self._be_open()
        try:
            await self._link.send({"type": "websocket.send", kind: frame})
        except (OSError, RuntimeError) as error:
            if not _is_gone(error):
                raise
            self.end(ABNORMAL, "")
            raise self._closed() from None
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            await self._take_turns()

    async def _be_open(self) -> None:
        """Accept the connection if this was not done. Raises `SocketClosed`, and lets others run now and then.

        A handler that goes on after this exception would otherwise hold the event loop.
        """
        if self._phase is Phase.CONNECTING:
            await self.accept()
        else:
            self._in_a_row += 1
            if self._in_a_row >= IN_A_ROW:
                await self._take_turns()
        self._check_open()

    async def _take_turns(self) -> None:
        """Let others run: neither a send that need not wait nor a receive of what has come does it."""
        self._in_a_row = 0
        await anyio.lowlevel.checkpoint()

    async def _drop_all(self, scope: anyio.CancelScope) -> None:
        try:
            while True:
                await self._next_frame()
        except SocketClosed:
            scope.cancel()

    def _check_open(self) -> None:
        if self._phase is Phase.CLOSED:
            raise self._closed()

    def _closed(self) -> SocketClosed:
        return SocketClosed(self._code, self._reason)

    def end(self, code: int, reason: str) -> None:
        """Note that the connection has ended. Nothing is sent; `close()` sends the close frame."""
        if self._phase is not Phase.CLOSED:
            self._phase, self._code, self._reason = Phase.CLOSED, code, reason
        if self._waiting is not None:
            self._waiting.cancel()


def _is_gone(error: Exception) -> bool:
    """Return true for the exceptions of a server that has lost the connection, or has closed it by itself.

    ASGI has `OSError` for both. After an invalid frame of the client, uvicorn raises `RuntimeError`, as if the
    application had sent a close frame. A socket sends nothing after its own, so this is never a mistake of a handler.
    """
    return isinstance(error, OSError) or str(error).startswith(_AFTER_CLOSE)
