"""Limits of the server for WebSocket messages: their size, derived from the routes, and the number that wait."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from kick.app import App
from kick.errors import missing_extra
from kick.http.response.static import StaticFiles
from kick.http.routing.decorators import SocketInfo

UNKNOWN: Final = 16 << 20
"""The limit in bytes for an application of another framework; uvicorn's own default."""

NO_SOCKETS: Final = 1 << 16

PIECE: Final = 1 << 13
"""Bytes of frames that are parsed at a time: 8 KiB."""


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
    return _in_turn(AutoWebSocketsProtocol) if of_websockets else "auto"


def _in_turn(base: Any) -> Any:
    class InTurn(base):  # type: ignore[misc]
        held = b""
        """Bytes that have been received and not parsed."""

        def data_received(self, data: bytes) -> None:
            if len(data) <= PIECE and not self.held:
                super().data_received(data)
            else:
                self.held += data
                self.parse_more()

        def parse_more(self) -> None:
            while self.held and not self.read_paused and not self.transport.is_closing():
                piece, self.held = self.held[:PIECE], self.held[PIECE:]
                super().data_received(piece)

        async def receive(self) -> Any:
            if self.held and self.queue.empty():
                self.read_paused = False
                self.parse_more()
                if not self.read_paused:
                    self.transport.resume_reading()
            message = await super().receive()
            if self.held and not self.read_paused:
                self.read_paused = True
                self.transport.pause_reading()
            return message

    return InTurn
