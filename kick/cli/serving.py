"""What `kick dev` and `kick start` have in common: a socket, a server on it, and the way it ends."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn

import uvicorn

from kick.app import App
from kick.cli.errors import BadAddress, PortTaken

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
        if self.started:
            self._ready()


def run(app: Any, sock: socket.socket, ready: Ready, **options: Any) -> bool:
    """Serve an application on a socket until a signal comes; whether it ever began to.

    `options` are those of `uvicorn.Config`. Why it did not begin is in the log.
    """
    lifespan: Any = options.pop("lifespan", "on" if isinstance(app, App) else "auto")
    config = uvicorn.Config(app, lifespan=lifespan, log_config=None, server_header=False, **options)
    server = Server(config, ready)
    with _quiet_end():
        server.run(sockets=[sock])
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
def _quiet_end() -> Generator[None]:
    """Let a server that a signal ended end well: uvicorn shuts down, then raises the signal again."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, _end) for each in signals]
    try:
        yield
    except _Ended:
        pass
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


class _Ended(BaseException):
    """A signal came."""


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise _Ended
