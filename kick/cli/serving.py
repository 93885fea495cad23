"""What `kick dev` and `kick start` have in common: a socket, a server on it, and the way it ends."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import uvicorn

from kick.app import App
from kick.cli.errors import BadAddress, PortTaken
from kick.http.middleware.access_log import VARIABLE
from kick.http.middleware.entrance import trusted
from kick.http.proxies import ProxiedApp

BACKLOG: Final = 2048

Ready = Callable[[], None]
"""Called once, when a server accepts requests."""


class Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Ready) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and the listening."""
        await super().startup(sockets=sockets)
        if self.started and not self.should_exit:
            self._ready()


def run(app: Any, sock: socket.socket, ready: Ready, **options: Any) -> bool:
    """Serve an application on a socket until a signal comes; whether it ever began to.

    `options` are those of `uvicorn.Config`. Why it did not begin is in the log.
    """
    ours = isinstance(app, App)  # it reads the headers of proxies and writes its access log itself
    settings = {
        "lifespan": "on" if ours else "auto",
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "access_log": not ours and os.environ.get(VARIABLE) != "off",
        **options,
    }
    proxies = None if ours else trusted(None)
    config = uvicorn.Config(app if proxies is None else ProxiedApp(app, proxies), **settings)
    server = Server(config, ready)
    try:
        with _heard_by(server):
            server.run(sockets=[sock])
    except SystemExit:  # how uvicorn says that the application did not start
        if server.started:
            raise
    return server.started


def listen(host: str, port: int, command: str) -> socket.socket:
    """A socket that listens on a port; 0 takes a free one. Raises `PortTaken` or `BadAddress`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(command, host, port) from None
        raise BadAddress(command, host, port, error.strerror or str(error)) from None


def address_of(sock: socket.socket) -> str:
    """Where a browser finds the server on a socket.

    >>> with listen("127.0.0.1", 0, "dev") as sock:
    ...     address_of(sock)
    'http://127.0.0.1:...'
    """
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _heard_by(server: uvicorn.Server) -> Generator[None]:
    """Let a signal end a server well that comes before uvicorn hears it, or that uvicorn raises again at the end."""

    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
