"""A client for WebSockets over real connections; `tests/support/servers.py` has the servers."""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

_DIRECT: Final[dict[str, Any]] = {"proxy": None} if "proxy" in signature(connect).parameters else {}
"""What keeps a client from asking a proxy of the environment: versions below 15 never do."""


def client(
    url: str,
    *,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    origin: str | None = None,
    **options: Any,
) -> ClientConnection:
    """A connection to a WebSocket; `url` is that of the server, with the path. Messages wait for 10 seconds at most."""
    address = url.replace("http", "ws", 1)
    given = [*headers.items()] if isinstance(headers, Mapping) else [*headers]
    extra: Any = [*given, *([] if origin is None else [("Origin", origin)])]
    return connect(address, additional_headers=extra, open_timeout=60, close_timeout=60, **_DIRECT, **options)
