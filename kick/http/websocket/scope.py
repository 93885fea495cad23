"""ASGI scopes: the handshake of a WebSocket as a GET request (RFC 6455, section 4.1)."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from kick.http.context.request import HANDSHAKE

_SECURE: Final = ("wss", "https")
"""Schemes of a connection over TLS. A server or proxy may use either."""


def as_request(scope: Scope, handshake: object) -> Scope:
    """Return the scope of a handshake as a request; the handshake is `None` for a mounted application.

    >>> as_request({"type": "websocket", "scheme": "wss", "path": "/chat"}, None)
    {'type': 'http', 'scheme': 'https', 'path': '/chat', 'method': 'GET', 'kick.handshake': None}
    """
    scheme = "https" if scope.get("scheme") in _SECURE else "http"
    return {**scope, "type": "http", "method": "GET", "scheme": scheme, HANDSHAKE: handshake}


def as_websocket(scope: Scope) -> Scope:
    """Return the scope of a WebSocket, from that of its handshake as a request.

    >>> as_websocket(as_request({"type": "websocket", "scheme": "ws", "path": "/chat"}, None))
    {'type': 'websocket', 'scheme': 'ws', 'path': '/chat'}
    """
    connection = {**scope, "type": "websocket", "scheme": "wss" if scope["scheme"] in _SECURE else "ws"}
    del connection["method"], connection[HANDSHAKE]
    return connection
