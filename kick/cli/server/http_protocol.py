"""Protocols of uvicorn for HTTP, with write coalescing, and limits of what waits.

kick uses these names of uvicorn, beyond what uvicorn documents. `tests/cli/server/test_uvicorn_contract.py` fails if
one of them changes:

| what | where | for |
|---|---|---|
| `uvicorn.protocols.http.auto.AutoHTTPProtocol` | here | the base class, which `http="auto"` selects |
| its `connection_made()`, and its attribute `transport` | here | installing write coalescing |
| its `data_received()`, `cycle`, `flow.read_paused`, `timeout_keep_alive_task` | here, `request_timeouts` | timeouts |
| with h11, its `conn`, the connection of h11 | here | what comes behind the last request |
| with httptools, its `on_headers_complete()`, `on_body()`, `scope`, `headers` | here | heads |
| with httptools, its `parser`, and a 400 after an exception in a callback of it | here, `upgrades` | hosts, upgrades |
| with httptools, its `pipeline`, `flow.pause_reading()`, `on_response_complete()` | here | pipelined requests |
| `connection_lost()`; `disconnected`, `message_event`, `keep_alive` of a cycle | here | the same |
| `more_body`, `waiting_for_100_continue`, `response_started`, `response_complete` of a cycle | there | the same |
| its `on_response_complete()` | here | writing a response when it is complete, before its background tasks |
| its `handle_websocket_upgrade()` | here | removing write coalescing |
| `uvicorn.protocols.websockets.auto.AutoWebSocketsProtocol` | `websocket_limits` | the base class |
| with websockets, its `data_received()`, `receive()`, `queue`, `read_paused` | `websocket_limits` | messages |
| with websockets, its `handle_cont()` and `frames` | `websocket_limits` | fragments of a message |
| with websockets, its `handle_events()`, `handshake_initiated`, `conn`, `transport` | `websocket_limits` | handshakes |
| with websockets, its `handle_connect()`, which starts the application | `websocket_limits` | context variables |
| with both libraries, an attribute `scope` since the handshake, and no `cycle` | `request_timeouts` | timeouts |
| with websockets, its `resume_writing()`, and its event `writable` | `websocket_limits` | unread pongs |
| `uvicorn.Server.startup()`, `shutdown()`, `started`, `should_exit`, `force_exit` | `uvicorn_server` | shutdown |
| `uvicorn.Server.handle_exit()` | `uvicorn_server` | signals |
| `uvicorn.Server.server_state.connections` | `uvicorn_server` | timeouts |
| `uvicorn.Server.server_state.tasks` | `uvicorn_server` | waiting for requests that were cancelled |
| the logger `uvicorn.error`, and `SystemExit` of `Server.run()` | `uvicorn_server` | reporting a failed start once |

No private name of Starlette or python-multipart is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from operator import countOf, itemgetter
from typing import Any, Final, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from kick.cli.server.write_coalescing import Cork, Turn
from kick.middleware.framing import CheckedFraming, drop_upgrade

MOST_HEAD: Final = 1 << 16
"""Bytes that may come without the end of a head or a piece of a body: the limit that h11 has of its own."""

MOST_HEADERS: Final = 256
"""Headers of a request, its trailers included. In memory, a short one takes 25 times its bytes."""

SHORT: Final = 400
"""Bytes in which there are neither more requests than may wait, nor more headers than a request may have."""

MOST_WAITING: Final = 16
"""Pipelined requests that are parsed before their turn."""

MOST_HELD: Final = 1 << 20
"""Bytes of further ones. uvicorn stops reading long before, unless a handler asks again and again for its client."""

_END_OF_HEAD: Final = b"\r\n\r\n"
_LONGEST_STRIDE: Final = 1024
_name_of: Final = itemgetter(0)

TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"  # RFC 6585
)


def http_protocol() -> type[asyncio.Protocol]:
    """Return the protocol class of a server, with write coalescing unless the event loop does this."""
    base = _corked(AutoHTTPProtocol) if _loop_writes_at_once() else AutoHTTPProtocol
    if _is_h11():
        counting: type[asyncio.Protocol] = _counting(base)
        return counting
    from kick.cli.server.upgrades import UpgradeParser  # here, because httptools is optional

    bounded: type[asyncio.Protocol] = _bounded(base, UpgradeParser)
    return bounded


def with_sound_heads(app: ASGIApp) -> ASGIApp:
    """Return an application that refuses requests with an unclear end, or too many headers.

    With httptools, the parser and the protocol refuse them.
    """
    return FewHeaders(CheckedFraming(app)) if _is_h11() else app


class FewHeaders:
    """ASGI middleware that closes connections with requests that have too many headers (RFC 6585, section 5).

    It also drops an `Upgrade` that the server ignores.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        is_request = scope["type"] == "http"
        if is_request:
            drop_upgrade(scope["headers"])
        if is_request and len(scope["headers"]) > MOST_HEADERS:
            headers = [(b"connection", b"close"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 431, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._app(scope, receive, send)


def _received_outside(base: Any, context: Context) -> Any:
    """Return the `data_received()` of a protocol, in a copy of the context of the server.

    asyncio calls it in the context of the task that has resumed the reading. So the context variables of one request
    would be those of all behind it, and with a proxy in front these have other users. uvloop calls it in the context of
    the server.
    """
    received = base.data_received
    if _is_uvloop():
        return received

    def receive(protocol: Any, data: bytes) -> None:
        context.copy().run(received, protocol, data)

    return receive


def _counting(base: Any) -> Any:
    from h11 import MUST_CLOSE

    context = copy_context()
    received, response_complete = _received_outside(base, context), base.on_response_complete

    class Counting(base):  # type: ignore[misc]
        pieces = pending = 0
        """The number of times that data was received, and the size of the last, for `RequestTimeouts`."""
        running = None
        """h11 parses a request when its turn has come, so that uvicorn knows the one that is running."""

        def data_received(self, data: bytes) -> None:
            if self.conn.their_state is MUST_CLOSE:  # behind the last request: uvicorn's answer would be a 400
                return
            self.pieces += 1
            self.pending = len(data)
            received(self, data)

        def on_response_complete(self) -> None:
            context.copy().run(response_complete, self)  # it may start the next request

    return Counting


class InTurn:
    """Keeps pipelined requests as bytes until it is almost their turn.

    uvicorn parses everything that it has read, and reads more after each response, so a client that sends requests and
    does not wait makes it hold any number of parsed ones: 8 MiB of them took 390 MiB.
    """

    held: bytes
    """Bytes that have been received, and are parsed from `parsed` on when there is room."""
    running: Any
    """The cycle of the request whose turn it is, while others are or were behind it. uvicorn knows the last one."""
    parsed: int
    pending: int
    parse: Callable[[bytes], None]
    pipeline: Any
    flow: Any
    transport: Any
    cycle: Any
    headers: Any
    scope: Any

    def hold(self, data: bytes) -> None:
        """Take data that is more than what is parsed at once."""
        if not self.held:
            self.held = data
            self.parse_more()
            return
        self.held, self.parsed = self.held[self.parsed :] + data, 0
        self.flow.pause_reading()
        if len(self.held) > MOST_HELD:
            self.transport.close()

    def check_pending(self, more: int) -> None:
        """Count bytes that have come, and close the connection if they are too many."""
        self.pending += more
        too_large = self.pending > MOST_HEAD or len(self.headers or ()) > MOST_HEADERS  # None at first
        if too_large and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(TOO_LARGE)
            self.transport.close()

    def take_next(self) -> None:
        """Note that the next request has its turn."""
        self.running = self.pipeline[-1][0] if self.pipeline else None

    def handle_websocket_upgrade(self, *event: Any) -> None:
        """Pass the connection on, unless a response is to be sent first: the last one then ends the connection."""
        self.held, self.parsed = b"", 0  # a client has to wait for the response
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            super().handle_websocket_upgrade(*event)  # type: ignore[misc]  # of uvicorn

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the running request that its client has gone, as uvicorn tells the last one, and start no other."""
        self.held, self.parsed = b"", 0
        self.pipeline.clear()
        if self.running is not None and not self.running.response_complete:
            self.running.disconnected = True
            self.running.message_event.set()
        super().connection_lost(exc)  # type: ignore[misc]  # of uvicorn

    def parse_more(self) -> None:
        """Parse what is held, as long as there is room."""
        stride = 1  # grows within a body, to which uvicorn adds each piece in a copy
        while self.held and not self.transport.is_closing():
            if len(self.pipeline) >= MOST_WAITING:
                self.flow.pause_reading()
                return
            start, end = self.parsed, self.held.find(_END_OF_HEAD, self.parsed + stride - 1)
            self.parsed = len(self.held) if end < 0 else end + len(_END_OF_HEAD)
            piece = self.held[start : self.parsed]
            if self.parsed == len(self.held):
                self.held, self.parsed = b"", 0
            cycle = self.cycle
            self.parse(piece)
            stride = 1 if self.cycle is not cycle else min(2 * stride, _LONGEST_STRIDE)
        self.held, self.parsed = b"", 0


def _bounded(base: Any, parser: Callable[[Any], Any]) -> Any:
    """Return a protocol for httptools that bounds what uvicorn holds of a connection, and checks the host.

    httptools takes heads, trailers, and extensions of chunks without a limit, and copies a header with each piece of it
    that comes. It also passes trailers like headers, and uvicorn adds them to those of the request: a client could
    write what only a proxy may write. A request that comes in one short piece needs none of the counting.

    The attributes have slots: CPython reads those of objects with more than 30 attributes more slowly.
    """
    context = copy_context()
    received, headers_complete = _received_outside(base, context), base.on_headers_complete
    body, response_complete = base.on_body, base.on_response_complete

    class Bounded(InTurn, base):  # type: ignore[misc]
        __slots__ = ("held", "parsed", "pending", "pieces", "running")

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.pieces = 0
            """The number of pieces of bodies that were parsed, for `RequestTimeouts`."""
            self.pending = 0
            """Bytes that have come since the end of a head or a piece of a body, but for those of a short request."""
            self.held = b""
            self.parsed = 0
            self.running = None
            self.parser = parser(self)

        def data_received(self, data: bytes) -> None:
            if self.pipeline or len(data) > SHORT:  # `held` is empty without a pipeline
                if self.held or data.count(_END_OF_HEAD) + len(self.pipeline) > MOST_WAITING:
                    self.hold(data)
                else:
                    self.parse(data)
                return
            cycle = self.cycle
            received(self, data)
            if self.cycle is cycle:  # no head has come to its end
                self.check_pending(len(data))

        def parse(self, data: bytes) -> None:
            self.pending += len(data)
            received(self, data)
            self.check_pending(0)

        def on_headers_complete(self) -> None:
            if countOf(map(_name_of, self.headers), b"host") != 1:
                _check_hosts(self.headers, self.parser.get_http_version())
            if self.pending:  # it is not short
                self.pending = 0
                if len(self.headers) > MOST_HEADERS:
                    raise ValueError("a request has too many headers")
            earlier = self.cycle
            headers_complete(self)
            if self.pipeline and self.running is None:
                self.running = earlier

        def on_chunk_header(self) -> None:
            if self.scope["headers"] is self.headers:
                self.headers = self.headers[:]  # to which uvicorn adds the trailers

        def on_body(self, data: bytes) -> None:
            self.pieces += 1
            self.pending = 0
            body(self, data)

        def on_response_complete(self) -> None:
            if self.running is not None:
                self.take_next()
            if self.pipeline:  # whose next request starts
                context.copy().run(response_complete, self)
            else:
                response_complete(self)
            if self.held:
                context.copy().run(self.parse_more)

    return Bounded


def _check_hosts(headers: list[tuple[bytes, bytes]], version: str) -> None:
    """Raise `ValueError` for several hosts, and for none with HTTP/1.1 (RFC 9112, section 3.2). uvicorn sends a 400."""
    if version == "1.1" or b"host" in map(_name_of, headers):
        raise ValueError("a request has one Host (RFC 9112, section 3.2)")


def _corked(base: Any) -> Any:
    response_complete = base.on_response_complete

    class Corked(base):  # type: ignore[misc]
        __slots__ = ()
        transport: Any
        turn: Turn | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            if Corked.turn is None:
                Corked.turn = Turn(asyncio.get_running_loop())
            super().connection_made(Cork(cast(asyncio.Transport, transport), Corked.turn))

        def on_response_complete(self) -> None:
            self.transport.flush()
            response_complete(self)

        def eof_received(self) -> None:
            self.transport.flush()  # the loop then closes the connection, and the client may still be reading
            super().eof_received()

        def handle_websocket_upgrade(self, *event: Any) -> None:
            self.transport = self.transport.uncorked()
            super().handle_websocket_upgrade(*event)

    return Corked


def _is_h11() -> bool:
    return bool(AutoHTTPProtocol.__module__ == "uvicorn.protocols.http.h11_impl")


def _is_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return False
    return True


def _loop_writes_at_once() -> bool:
    """Return true if each write is a system call, as with asyncio, and with uvloop since 0.23."""
    if not _is_uvloop():
        return True
    import uvloop

    version: str = uvloop.__version__  # type: ignore[attr-defined]
    return tuple(map(int, version.split(".")[:2])) >= (0, 23)
