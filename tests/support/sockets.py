"""A client for WebSockets over real connections; `tests/support/servers.py` has the servers."""

from collections.abc import Mapping, Sequence
from typing import Any

from websockets.sync.client import ClientConnection, connect


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
    return connect(address, additional_headers=extra, open_timeout=10, close_timeout=10, proxy=None, **options)
