"""WebSockets over real connections: the servers that applications are served by, and a client."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from websockets.sync.client import ClientConnection, connect

from tests.support.ports import HOST, bound_socket
from tests.support.serving import serve

SERVERS = ("uvicorn with websockets", "uvicorn with wsproto", "hypercorn")
_UVICORN = {"uvicorn with websockets": "websockets-sansio", "uvicorn with wsproto": "wsproto"}


@contextmanager
def serve_by(server: str, app: Any) -> Iterator[str]:
    """Serve an application by one of `SERVERS`; gives the base URL."""
    if server in _UVICORN:
        with serve(app, ws=_UVICORN[server]) as url:
            yield url
    else:
        with _hypercorn(app) as url:
            yield url


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


@contextmanager
def _hypercorn(app: Any) -> Iterator[str]:
    config = Config()
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 2
    sock = bound_socket()
    sock.listen()
    port = sock.getsockname()[1]
    config.bind = [f"fd://{sock.detach()}"]
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def until_stopped() -> None:
        started.set()
        await stop.wait()

    async def run() -> None:
        await hypercorn_serve(app, config, shutdown_trigger=until_stopped)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="hypercorn", daemon=True)
    thread.start()
    try:
        assert started.wait(15)
        yield f"http://{HOST}:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
        assert not thread.is_alive()
