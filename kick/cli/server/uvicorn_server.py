"""The server of `kick dev` and `kick start`: its socket, its start and its shutdown."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from multiprocessing import parent_process
from time import monotonic
from types import FrameType
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kick.app import App
from kick.cli import terminal
from kick.cli.error_report import start_report
from kick.cli.server.http_protocol import http_protocol, with_one_length
from kick.cli.server.processes import Interrupted, handled
from kick.cli.server.request_timeouts import INTERVAL, RequestTimeouts
from kick.cli.server.websocket_limits import largest_message
from kick.errors import KickError
from kick.middleware.access_log.log import VARIABLE
from kick.middleware.asgi_stack import trusted
from kick.middleware.proxies import ProxiedApp

logger: Final = logging.getLogger("kick.cli")

BACKLOG: Final = 2048

Ready = Callable[[], None]
"""Called once, when a server accepts requests."""


CLEANUP: Final = 5.0
"""Seconds that requests get to clean up which were cancelled, before what they use is closed."""

FORCED: Final = 1.0
"""Seconds from a second signal to the end of the process."""

_TICK: Final = 0.1


class Server(uvicorn.Server):
    """A server that says when it is ready, and tells an application early that it is about to stop.

    What uvicorn does when a signal has come: it stops listening, closes idle connections, waits for the others, for at
    most `timeout_graceful_shutdown` seconds, cancels those that are left, and tells the application. What is done here
    in addition:

    * the application hears of it first, so that its streams end, and no one waits for them;
    * a signal that comes while the application starts ends the start;
    * a second signal ends the process, whatever it is busy with, unless another process watches over this one;
    * for `drain` seconds the server goes on listening, so that a load balancer can see that it is no longer ready;
    * requests that were cancelled clean up before the application closes what they use.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Ready,
        *,
        begin_shutdown: Ready,
        cancel_start: Callable[[], None],
        drain: float,
        timeouts: RequestTimeouts | None,
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._begin_shutdown = begin_shutdown
        self._cancel_start = cancel_start
        self._drain = drain
        self._timeouts = timeouts
        self.signal = 0
        """The number of the first signal, if one has come."""
        self._deadline: threading.Timer | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take note of a signal, in place of uvicorn: the first one asks for an end, the second one forces it.

        uvicorn drops the requests, and does not close the application, at a SIGINT after `should_exit` is set.
        """
        if self.signal and parent_process() is None:  # Ctrl-C and a parent's signal would be two
            self.force_exit = True
            end_soon(128 + sig, FORCED)
        self.take(sig)

    def take(self, sig: int) -> None:
        """Take note of the first signal; a start that it cannot end within `CLEANUP` seconds ends with the process."""
        if self.signal:
            return
        self.signal = sig
        self.should_exit = True
        if not self.started:
            self._deadline = end_soon(128 + sig, CLEANUP)

    def forget_deadline(self) -> None:
        """Let the process go on: the start has ended in time."""
        if self._deadline is not None:
            self._deadline.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and the listening."""
        watching = asyncio.ensure_future(self._watch_start())
        try:
            await super().startup(sockets=sockets)
        finally:
            watching.cancel()
        if self.started and self._timeouts is not None:
            self._watching = asyncio.ensure_future(self._watch_clients(self._timeouts))
        if self.started and not self.should_exit:
            self._ready()

    async def _watch_clients(self, timeouts: RequestTimeouts) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            timeouts.check(self.server_state.connections, monotonic())

    async def _watch_start(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110  # a signal is no event of the loop
            await asyncio.sleep(_TICK)
        self._cancel_start()

    async def requests_ended(self) -> None:
        """Wait until the requests that were cancelled have cleaned up, for at most `CLEANUP` seconds."""
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=CLEANUP)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, the listening, the requests and the application, in this order."""
        self._begin_shutdown()
        deadline = monotonic() + self._drain
        while monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110  # it is no event
            await asyncio.sleep(_TICK)
        await super().shutdown(sockets=sockets)


class Lifespan:
    """The application as uvicorn sees it: one whose lifespan says why it fails, and ends after the requests."""

    def __init__(self, app: ASGIApp, requests_ended: Callable[[], Awaitable[None]]) -> None:
        self.app = app
        self._requests_ended = requests_ended
        self.failure: BaseException | None = None
        """The exception of a failed start."""
        self.was_cancelled = False
        """True if the start was cancelled."""
        self._starting: asyncio.Task[Any] | None = None

    def cancel_start(self) -> None:
        """Cancel the start of the application, if it goes on; what has started already is closed."""
        if self._starting is not None:
            self.was_cancelled = True
            self._starting.cancel()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request; nothing is put around it."""
        return self._live(scope, receive, send) if scope["type"] == "lifespan" else self.app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_in_order() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._requests_ended()
            return message

        async def keep_failure(message: Message) -> None:
            self._starting = None
            if message["type"] == "lifespan.startup.failed":
                self.failure = sys.exc_info()[1]  # an application says so while it handles the exception
                if self.failure is not None:
                    message = {**message, "message": ""}  # the log has no need of its trace then
            await send(message)

        self._starting = asyncio.current_task()
        try:
            await self.app(scope, receive_in_order, keep_failure)
        except asyncio.CancelledError:
            if not self.was_cancelled:
                raise
            await send({"type": "lifespan.startup.failed", "message": ""})


Around = Callable[[Any, Callable[[], bool]], Any]
"""Puts something around an application, which may ask whether the server is to end."""


def run(
    app: Any,
    sock: socket.socket,
    ready: Ready,
    *,
    drain: float = 0,
    timeouts: tuple[float, float] | None = None,
    around: Around | None = None,
    trace: bool = False,
    **options: Any,
) -> bool:
    """Serve an application on a socket until a signal comes; whether it ever began to.

    `timeouts` are the seconds for the head of a request, and for a pause in its body. `options` are those
    of `uvicorn.Config`. Why it did not begin is in the log.
    """
    own = isinstance(app, App)  # it reads the headers of proxies and writes its access log itself
    settings = {
        "http": http_protocol(),
        "interface": "asgi3",
        "lifespan": "on" if own else "auto",
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "ws_max_size": largest_message(app),
        "ws_per_message_deflate": False,  # a few bytes that inflate to a whole message are an attack
        "access_log": not own and os.environ.get(VARIABLE) != "off",
        **options,
    }
    proxies = None if own else trusted(None)
    served = app if proxies is None else ProxiedApp(app, proxies)
    if around is not None:
        served = around(served, lambda: server.should_exit)
    lifespan = Lifespan(with_one_length(served), lambda: server.requests_ended())
    config = uvicorn.Config(lifespan, **settings)
    begin_shutdown = app.begin_shutdown if own else lambda: None
    server = Server(
        config,
        ready,
        begin_shutdown=begin_shutdown,
        cancel_start=lifespan.cancel_start,
        drain=drain,
        timeouts=None if timeouts is None else RequestTimeouts(*timeouts),
    )
    try:
        # For a signal that comes before uvicorn listens, or that uvicorn raises again at the end.
        with handled(lambda number, _: server.take(number)), _without_cancellations(server):
            server.run(sockets=[sock])
    except SystemExit:  # how uvicorn says that the application did not start
        if server.started:
            raise
    finally:
        server.forget_deadline()
    if server.signal and not server.started:
        raise Interrupted(server.signal)
    if lifespan.failure is not None:
        terminal.say(start_report(lifespan.failure, trace=trace), err=True)
    if own:
        _leave_threads(app)
    return server.started


def listen(host: str, port: int, command: str) -> socket.socket:
    """Return a socket that listens on a port; 0 takes a free one. Raises `KickError`: `port-taken` or `address`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = port + 1 if port < 65_535 else 8000
            raise KickError(
                "port-taken",
                cause=f"Something listens on {host}, port {port} already.",
                fix=f"Stop it, or use another port: `kick {command} --port {other}`.",
            ) from None
        raise KickError(
            "address",
            cause=f"Cannot listen on {host}, port {port}: {(error.strerror or str(error))}.",
            fix=f"Use an address of this machine, and a port from 1024 on: `kick {command} --host 127.0.0.1`.",
        ) from None


def address_of(sock: socket.socket, scheme: str = "http") -> str:
    """Return the URL of the server on a socket.

    >>> with listen("127.0.0.1", 0, "dev") as sock:
    ...     address_of(sock)
    'http://127.0.0.1:...'
    """
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextmanager
def _without_cancellations(server: Server) -> Generator[None]:
    """Keep the traces out of the log of requests that the server itself cancelled when it ended; it says how many."""

    def is_news(record: logging.LogRecord) -> bool:
        cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
        is_start = server.signal != 0 and not server.started
        return not ((cancelled or is_start) and server.should_exit)

    log = logging.getLogger("uvicorn.error")
    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)


def _leave_threads(app: App) -> None:
    """End the process where handlers still run in threads: nothing can interrupt them, and Python would wait."""
    running = app.settings.threads.running
    if running:
        logger.error("the process ends, and these handlers with it, which have not returned: %s", ", ".join(running))
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def end_soon(code: int, seconds: float) -> threading.Timer:
    """End this process after a time, even if its event loop is blocked or it waits for threads."""

    def end() -> None:
        logger.error("the process ends by force: it has not ended %g seconds after a signal", seconds)
        logging.shutdown()
        os._exit(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer
