"""Limits of the server for WebSockets: the size of messages, derived from the routes, and the time of their frames."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import copy_context
from importlib.util import find_spec
from time import perf_counter
from typing import Any, Final

from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from kick.app import App
from kick.errors import missing_extra
from kick.http.response.static import StaticFiles
from kick.http.routing.decorators import SocketInfo

UNKNOWN: Final = 16 << 20
"""The limit in bytes for an application of another framework; uvicorn's own default."""

NO_SOCKETS: Final = 1 << 16

PIECE: Final = 1 << 11
"""Bytes that are parsed at a time: 2 KiB. They may hold 340 frames, which take 2 ms."""

MOST_IN_A_PASS: Final = 0.001
"""Seconds of each pass of the event loop in which connections parse what they hold, beyond the first piece."""

MOST_FRAGMENTS: Final = 4096
"""Fragments of a message. The limit of its size counts no empty ones."""

BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def compression_options(wanted: bool) -> dict[str, Any]:
    """Return the options of uvicorn for `kick start --websocket-compression`.

    Raises `KickError`: `missing-extra` without the package websockets. wsproto decompresses a whole frame before it
    checks the limit.

    >>> compression_options(False)
    {'ws_per_message_deflate': False}
    """
    if wanted and find_spec("websockets") is None:
        raise missing_extra("kick start --websocket-compression", "websockets", "websockets")
    return {"ws_per_message_deflate": wanted}


def largest_message(app: Any) -> int:
    """Return the largest `max_message` of the WebSockets of an application, in bytes.

    The server receives and decompresses a whole message before the application can check it. A limit of the server
    above those of all routes would only let clients use more memory.

    >>> from kick import Controller, Module, Socket, WebSocket, bootstrap
    >>> @Controller()
    ... class Chat:
    ...     @WebSocket("/chat", max_message=4096)
    ...     async def chat(self, socket: Socket) -> None: ...
    ...     @WebSocket("/files", max_message=1 << 20)
    ...     async def files(self, socket: Socket) -> None: ...
    >>> largest_message(bootstrap([Module("chat", controllers=[Chat])]))
    1048576
    """
    if not isinstance(app, App):
        return UNKNOWN
    own = [route.info.max_message for route in app.sockets if isinstance(route.info, SocketInfo)]
    mounted = [largest_message(mount.app) for mount in app.mounts if not isinstance(mount.app, StaticFiles)]
    return max([NO_SOCKETS, *own, *mounted])


def websocket_protocol() -> Any:
    """Return the protocol class of WebSockets, which parses frames only as the application receives messages.

    uvicorn parses everything that it has read, up to 256 KiB. A frame may have 6 bytes, and the message that is made of
    it takes 300, so a client could fill the memory of a handler that does not receive.
    """
    of_websockets = getattr(AutoWebSocketsProtocol, "__module__", "").endswith("websockets_sansio_impl")
    return _received_in_turn(AutoWebSocketsProtocol, Turns()) if of_websockets else "auto"


class Turns:
    """Connections that hold bytes, which parse a piece each in turn, for a millisecond in each pass of the event loop.

    So a request waits about as long when a hundred connections send nothing but small frames as when one does.
    """

    def __init__(self) -> None:
        self.connections: deque[Any] = deque()
        self._is_running = False
        self._context = copy_context()

    def add(self, connection: Any) -> None:
        """Let a connection parse a piece when those before it have had their turn."""
        if not connection.has_turn:
            connection.has_turn = True
            self.connections.append(connection)
            if not self._is_running:
                self._is_running = True
                asyncio.get_running_loop().call_soon(self._run, context=self._context)

    def _run(self) -> None:
        ends = perf_counter() + MOST_IN_A_PASS
        try:
            while self.connections:
                connection = self.connections.popleft()
                connection.has_turn = False
                connection.parse_more()
                if perf_counter() > ends:
                    break
        finally:
            self._is_running = bool(self.connections)
            if self._is_running:
                asyncio.get_running_loop().call_soon(self._run, context=self._context)


def _received_in_turn(base: Any, turns: Turns) -> Any:
    context = copy_context()

    class ReceivedInTurn(base):  # type: ignore[misc]
        held = b""
        """Bytes that have been received, and are parsed from `parsed` on."""
        parsed = 0
        has_turn = False
        """True while it is among the connections of `turns`."""

        def data_received(self, data: bytes) -> None:
            if len(data) <= PIECE and not (self.held or turns.connections) and self.writable.is_set():
                super().data_received(data)
            else:
                self.held, self.parsed = self.held[self.parsed :] + data, 0
                self.transport.pause_reading()
                turns.add(self)

        def parse_more(self) -> None:
            """Parse a piece of what is held, and read more when there is nothing left."""
            if self.held and self._may_parse():
                start, self.parsed = self.parsed, self.parsed + PIECE
                piece = self.held[start : self.parsed]
                if self.parsed >= len(self.held):
                    self.held, self.parsed = b"", 0
                super().data_received(piece)
            if self._may_parse():
                if self.held:
                    turns.add(self)
                else:
                    self.transport.resume_reading()
            elif not self.transport.is_closing():  # such as a client that sends pings and reads no pongs
                self.transport.pause_reading()

        def handle_connect(self, event: Any) -> None:
            """Start the application in a context of the server: asyncio may call this in that of an earlier request."""
            context.copy().run(super().handle_connect, event)

        def handle_events(self) -> None:
            """Handle what was parsed, and answer a handshake that could not be, such as one with a body.

            uvicorn looks only for one that was parsed and is not accepted, and would leave the client waiting.
            """
            super().handle_events()
            if not self.handshake_initiated and self.conn.handshake_exc is not None:
                self.transport.write(b"".join(self.conn.data_to_send()) or BAD_REQUEST)  # it has a 414 or 431
                self.transport.close()

        def handle_cont(self, event: Any) -> None:
            super().handle_cont(event)
            if len(self.frames) > MOST_FRAGMENTS:
                self.transport.close()

        def resume_writing(self) -> None:
            super().resume_writing()
            turns.add(self)

        async def receive(self) -> Any:
            if self.held and self.queue.empty():
                self.read_paused = False
                turns.add(self)
            message = await super().receive()
            if self.held and not self.read_paused:
                self.read_paused = True
                self.transport.pause_reading()
            return message

        def _may_parse(self) -> bool:
            return not self.read_paused and self.writable.is_set() and not self.transport.is_closing()

    return ReceivedInTurn
