"""Size limit of the server for WebSocket messages, derived from the routes."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from kick.app import App
from kick.errors import missing_extra
from kick.http.response.static import StaticFiles
from kick.http.routing.decorators import SocketInfo

UNKNOWN: Final = 16 << 20
"""The limit in bytes for an application of another framework; uvicorn's own default."""

NO_SOCKETS: Final = 1 << 16


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
