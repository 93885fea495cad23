"""The same application behind each of the servers that the tests run on: what kick promises holds on all of them."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import pytest
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from tests.support.ports import HOST, bound_socket
from tests.support.serving import serve
from tests.support.waiting import wait_until

Serves = Callable[[Any], AbstractContextManager[str]]
"""Serves an ASGI application from a thread; gives the base URL."""


@contextmanager
def serve_with_hypercorn(app: Any) -> Iterator[str]:
    """Serve an ASGI application from a thread with Hypercorn; gives the base URL, without a slash at its end.

    Raises `RuntimeError` when the application does not start.
    """
    config = Config()
    sock = bound_socket()
    sock.listen()  # whoever connects waits for the server
    port = sock.getsockname()[1]
    config.bind = [f"fd://{sock.detach()}"]
    config.graceful_timeout = 3
    config.accesslog = None
    config.errorlog = None
    started, ends = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    async def watched(scope: Any, receive: Any, send: Any, *rest: Any) -> None:
        async def told(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                started.set()
            await send(message)

        await app(scope, receive, told if scope["type"] == "lifespan" else send)

    async def until_it_ends() -> None:
        while not ends.is_set():  # noqa: ASYNC110  # it is set by another thread
            await asyncio.sleep(0.02)

    def run() -> None:
        try:
            asyncio.run(hypercorn_serve(watched, config, shutdown_trigger=until_it_ends, mode="asgi"))
        except BaseException as error:  # noqa: BLE001  # told by whoever waits for the start
            failures.append(error)

    thread = threading.Thread(target=run, name="hypercorn", daemon=True)
    thread.start()
    try:
        wait_until(lambda: started.is_set() or not thread.is_alive(), "the server")
        if not thread.is_alive():
            raise RuntimeError("the application did not start") from (failures[0] if failures else None)
        yield f"http://{HOST}:{port}"
    finally:
        ends.set()
        thread.join(timeout=60)
        if thread.is_alive():
            raise RuntimeError("the server did not shut down")


def _uvicorn(**options: Any) -> Serves:
    return lambda app: serve(app, **options)


WEBSOCKETS: Final = "websockets-sansio"
"""Uvicorn's implementation with the library websockets."""

SERVERS: Final[dict[str, Serves]] = {
    "h11": _uvicorn(http="h11"),
    "httptools": _uvicorn(http="httptools"),
    "hypercorn": serve_with_hypercorn,
}
"""Uvicorn with each of its parsers, and Hypercorn."""

SOCKET_SERVERS: Final[dict[str, Serves]] = {
    "websockets": _uvicorn(ws=WEBSOCKETS),
    "wsproto": _uvicorn(ws="wsproto"),
    "hypercorn": serve_with_hypercorn,
}
"""Uvicorn with each of its implementations of WebSockets, and Hypercorn."""

on_each_server = pytest.mark.parametrize("serves", SERVERS.values(), ids=SERVERS)
"""Runs a test, which takes `serves`, on each of `SERVERS`."""

on_each_socket_server = pytest.mark.parametrize("serves", SOCKET_SERVERS.values(), ids=SOCKET_SERVERS)
"""Runs a test, which takes `serves`, on each of `SOCKET_SERVERS`."""
