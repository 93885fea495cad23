"""Other servers than uvicorn, for `kick start --server`: used when they are installed.

| server | how it is run |
|---|---|
| hypercorn | as uvicorn is: on kick's socket, in kick's worker processes; it speaks HTTP/2 |
| granian | by its own processes, which import the application; it is written in Rust |
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from threading import Thread
from typing import Any, Final

from kick.app import App
from kick.cli import terminal
from kick.cli.errors import missing_server
from kick.cli.report import start_report
from kick.cli.server.gc import settled

_TICK: Final = 0.1

Load = Callable[[], Any]
"""What imports the application; it can be pickled."""


def check_installed(server: str) -> None:
    """Raise `server-missing` where a server is not there."""
    if find_spec(server) is None:
        raise missing_server(server)


# hypercorn


def run_hypercorn(
    app: Any,
    sock: socket.socket,
    ready: Callable[[], None],
    *,
    drain: float = 0,
    timeout_graceful_shutdown: float = 30,
    trace: bool = False,
) -> bool:
    """Serve an application on a socket until a signal comes; whether it ever began to. As `uvicorn_server.run`."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    logging.getLogger("hypercorn.error").setLevel(logging.WARNING)
    config = Config()
    config.bind = [f"fd://{os.dup(sock.fileno())}"]
    config.graceful_timeout = timeout_graceful_shutdown
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    told = _Told(app, ready, trace=trace)

    async def main() -> None:
        await serve(told, config, shutdown_trigger=partial(_stopped, app, drain), mode="asgi")

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    except Exception as error:
        if told.started:
            raise
        if not told.reported:
            terminal.say(start_report(error, trace=trace), err=True)
    return told.started


class _Told:
    """An application, and somebody who is told when it has started; when it does not start, it is printed why."""

    def __init__(self, app: Any, ready: Callable[[], None], *, trace: bool) -> None:
        self._app = app
        self._ready = ready
        self._trace = trace
        self.started = False
        self.reported = False

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] == "lifespan":
            return self._live(scope, receive, send)
        return self._app(scope, receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        async def tell(message: Any) -> None:
            if message["type"] == "lifespan.startup.failed":
                failure = sys.exc_info()[1]  # an `App` says so while it handles the exception
                if failure is not None:
                    self.reported = True
                    terminal.say(start_report(failure, trace=self._trace), err=True)
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self.started = True
                self._ready()

        await self._app(scope, receive, tell)


async def _stopped(app: Any, drain: float) -> None:
    """Wait for a signal, tell the application, and go on listening for `drain` seconds; a second signal ends that."""
    first, second = asyncio.Event(), asyncio.Event()

    def hear() -> None:
        (second if first.is_set() else first).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hear)
    await first.wait()
    if isinstance(app, App):
        app.begin_shutdown()
    try:
        await asyncio.wait_for(second.wait(), timeout=drain or _TICK)
    except TimeoutError:
        pass


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if find_spec("uvloop") is None:
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


# granian


def run_granian(
    load: Load, name: str, host: str, port: int, ready: Callable[[], None], *, workers: int, timeout: int, trace: bool
) -> bool:
    """Serve an application until a signal comes; granian starts the processes, and `load` imports it in each."""
    from granian.constants import Interfaces, Loops
    from granian.server import Server

    server = Server(
        name,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        loop=Loops.uvloop if find_spec("uvloop") else Loops.asyncio,
        workers_kill_timeout=max(timeout, 1),
        log_enabled=False,
        respawn_failed_workers=True,
    )
    server.on_startup(Thread(target=_say_when_listening, args=(host, port, ready), daemon=True).start)
    try:
        server.serve(target_loader=partial(_told_of, load, trace), wrap_loader=False)
    except SystemExit as end:
        return not end.code
    return True


def _told_of(load: Load, trace: bool) -> _Told:
    return _Told(load(), settled(_nothing), trace=trace)


def _nothing() -> None:
    pass


def _say_when_listening(host: str, port: int, ready: Callable[[], None]) -> None:
    """Call `ready` once somebody listens: granian itself says nothing between its beginning and its end."""
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(_TICK)
        else:
            ready()
            return
