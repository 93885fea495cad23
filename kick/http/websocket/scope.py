"""The handshake of a WebSocket as the GET request that it is (RFC 6455, section 4.1)."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from kick.http.context.request import HANDSHAKE

_SECURE: Final = ("wss", "https")
"""Schemes of a connection over TLS: what stands in front of the application may have written either."""


def as_request(scope: Scope, handshake: object) -> Scope:
    """Return the handshake of a WebSocket as the request that it is; `None` stands for that of a mounted application.

    >>> as_request({"type": "websocket", "scheme": "wss", "path": "/chat"}, None)
    {'type': 'http', 'scheme': 'https', 'path': '/chat', 'method': 'GET', 'kick.handshake': None}
    """
    scheme = "https" if scope.get("scheme") in _SECURE else "http"
    return {**scope, "type": "http", "method": "GET", "scheme": scheme, HANDSHAKE: handshake}


def as_websocket(scope: Scope) -> Scope:
    """Return the scope of a WebSocket, of its handshake as a request.

    >>> as_websocket(as_request({"type": "websocket", "scheme": "ws", "path": "/chat"}, None))
    {'type': 'websocket', 'scheme': 'ws', 'path': '/chat'}
    """
    connection = {**scope, "type": "websocket", "scheme": "wss" if scope["scheme"] in _SECURE else "ws"}
    del connection["method"], connection[HANDSHAKE]
    return connection
