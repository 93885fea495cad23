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
from kick.cli.server.http_protocol import http_protocol, with_sound_heads
from kick.cli.server.processes import Interrupted, handled
from kick.cli.server.request_timeouts import INTERVAL, RequestTimeouts
from kick.cli.server.websocket_limits import largest_message, websocket_protocol
from kick.errors import KickError
from kick.http.exception_handlers import was_logged
from kick.middleware.access_log.log import VARIABLE
from kick.middleware.asgi_stack import trusted
from kick.middleware.proxies import ProxiedApp

logger: Final = logging.getLogger("kick.cli")

BACKLOG: Final = 2048

Ready = Callable[[], None]
"""A function that is called once, when the server accepts requests."""


CLEANUP: Final = 5.0
"""Seconds for the clean-up of cancelled requests, before the resources that they use are closed, and as many after."""

FORCED: Final = 1.0
"""Seconds from a second signal to the end of the process."""

_TICK: Final = 0.1


class Server(uvicorn.Server):
    """A server that reports when it is ready, and informs the application early about a shutdown.

    After a signal, uvicorn stops listening and closes idle connections. It waits up to `timeout_graceful_shutdown`
    seconds for the other connections, cancels their requests, and shuts the application down. This class adds:

    * The application is informed first, so that its streams end and do not delay the shutdown.
    * A signal during the start of the application cancels the start.
    * A second signal ends the process immediately, unless another process supervises this one.
    * The server continues to listen for `drain` seconds, so that a load balancer sees that it is no longer ready.
    * Cancelled requests clean up before the application closes the resources that they use.
    * Tasks that swallow their cancellation do not keep the process from ending.
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
        """The number of the first signal; 0 before."""
        self._deadline: threading.Timer | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal instead of uvicorn.

        uvicorn drops the requests, and does not close the application, at a SIGINT after `should_exit` is set.
        """
        self.take(sig)

    def take(self, sig: int) -> None:
        """Handle a signal: the first one asks for a shutdown, the second one forces it.

        If the start cannot be cancelled within `CLEANUP` seconds, the process ends as well.
        """
        if self.signal:
            if parent_process() is None:  # otherwise Ctrl-C and a parent's signal would be two
                self.force_exit = True
                end_soon(128 + sig, FORCED)
            return
        self.signal = sig
        self.should_exit = True
        if not self.started:
            self._deadline = end_soon(128 + sig, CLEANUP)

    def forget_deadline(self) -> None:
        """Keep the process: the start was cancelled, or all tasks have ended, in time."""
        if self._deadline is not None:
            self._deadline.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, and listen."""
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
        """Wait for the clean-up of cancelled requests, for at most `CLEANUP` seconds."""
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=CLEANUP)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, stop listening, end the requests, and shut the application down, in this order."""
        self._begin_shutdown()
        deadline = monotonic() + self._drain
        while monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110  # it is no event
            await asyncio.sleep(_TICK)
        await super().shutdown(sockets=sockets)
        self._deadline = end_soon(0, CLEANUP)  # the event loop waits for all tasks before it closes


class Lifespan:
    """The application for uvicorn. It records why the start failed, and its lifespan ends after the requests."""

    def __init__(self, app: ASGIApp, requests_ended: Callable[[], Awaitable[None]]) -> None:
        self.app = app
        self._requests_ended = requests_ended
        self.failure: BaseException | None = None
        """The exception of a failed start."""
        self.was_cancelled = False
        """True if the start was cancelled."""
        self._starting: asyncio.Task[Any] | None = None

    def cancel_start(self) -> None:
        """Cancel the start of the application if it is still running, and close what has started already."""
        if self._starting is not None:
            self.was_cancelled = True
            self._starting.cancel()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
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
                self.failure = sys.exc_info()[1]  # the message is sent while the exception is handled
                if self.failure is not None:
                    message = {**message, "message": ""}  # without it, uvicorn would log the traceback too
            await send(message)

        self._starting = asyncio.current_task()
        try:
            await self.app(scope, receive_in_order, keep_failure)
        except asyncio.CancelledError:
            if not self.was_cancelled:
                raise
            await send({"type": "lifespan.startup.failed", "message": ""})


Around = Callable[[Any, Callable[[], bool]], Any]
"""A function that wraps an application. It can call its second argument to ask whether the server is stopping."""


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
    """Serve an application on a socket until a signal comes; return false if the application did not start.

    `timeouts` are the seconds for the head of a request, and for a pause in its body. `options` are those
    of `uvicorn.Config`. The log contains the reason if the application did not start.
    """
    own = isinstance(app, App)  # it reads proxy headers and writes an access log itself
    settings = {
        "http": http_protocol(),
        "interface": "asgi3",
        "lifespan": "on" if own else "auto",
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "ws": websocket_protocol(),
        "ws_max_size": largest_message(app),
        "ws_per_message_deflate": False,  # a few bytes can decompress to a large message
        "access_log": not own and os.environ.get(VARIABLE) != "off",
        **options,
    }
    proxies = None if own else trusted(None)
    served = app if proxies is None else ProxiedApp(app, proxies)
    if around is not None:
        served = around(served, lambda: server.should_exit)
    lifespan = Lifespan(with_sound_heads(served), lambda: server.requests_ended())
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
        # For a signal that comes before uvicorn listens, or while the event loop waits for its last tasks.
        with handled(lambda number, _: server.take(number)), _only_news(server):
            server.run(sockets=[sock])
    except SystemExit:  # uvicorn's report that the application did not start
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
                cause=f"Another program listens on {host}, port {port}.",
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
def _only_news(server: Server) -> Generator[None]:
    """Let uvicorn log no exception that kick has logged, and none of requests that the server cancelled at its end.

    The number of these is in the log.
    """

    def is_news(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and was_logged(error):
            return False
        cancelled = isinstance(error, asyncio.CancelledError)
        is_start = server.signal != 0 and not server.started
        return not ((cancelled or is_start) and server.should_exit)

    log = logging.getLogger("uvicorn.error")
    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)


def _leave_threads(app: App) -> None:
    """End the process if handlers still run in threads: they cannot be interrupted, and Python would wait for them."""
    running = app.settings.threads.running
    if running:
        logger.error("the process ends although these handlers have not returned: %s", ", ".join(running))
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def end_soon(code: int, seconds: float) -> threading.Timer:
    """End this process after a time, even if its event loop is blocked or it waits for threads."""

    def end() -> None:
        logger.error("the process is ended by force, after %g seconds more", seconds)
        logging.shutdown()
        os._exit(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer
