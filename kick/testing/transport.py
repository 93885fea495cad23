"""Transports of `httpx2` to an application: asynchronous, and synchronous over the event loop of another thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import anyio
from anyio.from_thread import BlockingPortal
from httpx2 import AsyncBaseTransport, AsyncByteStream, BaseTransport, ReadTimeout, Request, Response, SyncByteStream

from kick.testing.asgi import Exchange, TestedApp

T = TypeVar("T")

PortalFactory = Callable[[], AbstractContextManager[BlockingPortal]]

_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def scope_of(request: Request, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ASGI scope of a request. `options` are `client` and `root_path`."""
    url = request.url
    raw_path, _, query = url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": raw_path,
        "query_string": query,
        "scheme": url.scheme,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port or _DEFAULT_PORTS[url.scheme]),
        "extensions": {},
        **options,
    }


def socket_scope_of(request: Request, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ASGI scope of the handshake of a WebSocket."""
    protocols = request.headers.get("sec-websocket-protocol", "")
    scope = scope_of(request, options)
    del scope["method"]
    return {
        **scope,
        "type": "websocket",
        "scheme": "wss" if scope["scheme"] == "https" else "ws",
        "subprotocols": [each.strip() for each in protocols.split(",") if each.strip()],
        "extensions": {"websocket.http.response": {}},
    }


class AppTransport(AsyncBaseTransport):
    """Sends requests to an application in the running event loop."""

    def __init__(self, app: TestedApp, options: Mapping[str, Any]) -> None:
        self._app = app
        self._options = options
        self._open: set[Exchange] = set()

    async def handle_async_request(self, request: Request) -> Response:
        """Send a request, and return the response as soon as it has begun."""
        assert isinstance(request.stream, AsyncByteStream)  # noqa: S101  # what the type checker cannot see
        exchange = await self.begin(request, request.stream)
        body = _Body(exchange.chunks(), request, lambda: self._end(exchange))
        return Response(exchange.status, headers=exchange.headers, stream=body)

    async def _end(self, exchange: Exchange) -> None:
        self._open.discard(exchange)
        await exchange.aclose()

    async def begin(self, request: Request, body: AsyncByteStream) -> Exchange:
        """Send a request, and return the exchange."""
        exchange = Exchange(self._app, scope_of(request, self._options), body)
        self._open.add(exchange)
        try:
            await in_time(exchange.start(), request)
        except BaseException:
            self._open.discard(exchange)
            await exchange.aclose()
            raise
        return exchange

    async def aclose(self) -> None:
        """End the exchanges that are open."""
        while self._open:
            await self._open.pop().aclose()


async def in_time(call: Awaitable[T], request: Request) -> T:
    """Await the next part of a response. Raises `ReadTimeout` after the `timeout=` of its request."""
    seconds = request.extensions.get("timeout", {}).get("read")
    with anyio.move_on_after(seconds):
        return await call
    raise ReadTimeout(f"{request.url.path} has sent nothing for {seconds:g} seconds", request=request)


async def next_in_time(chunks: AsyncIterator[bytes], request: Request) -> bytes | None:
    """Return the next piece of a response; `None` at its end."""
    return await in_time(anext(chunks, None), request)


class _Body(AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes], request: Request, close: Callable[[], Awaitable[None]]) -> None:
        self._chunks = chunks
        self._request = request
        self._close = close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await next_in_time(self._chunks, self._request)) is not None:
            yield chunk

    async def aclose(self) -> None:
        await self._close()


class PortalTransport(BaseTransport):
    """Sends requests to an application in the event loop of a portal."""

    def __init__(self, app: TestedApp, options: Mapping[str, Any], portal: PortalFactory) -> None:
        self._transport = AppTransport(app, options)
        self._portal = portal
        self._open: set[ExitStack] = set()

    def handle_request(self, request: Request) -> Response:
        """Send a request, and return the response as soon as it has begun."""
        body = _Sent(request.read())
        with ExitStack() as stack:
            portal = stack.enter_context(self._portal())
            exchange = portal.call(self._transport.begin, request, body)
            stack.callback(lambda: portal.call(exchange.aclose))
            chunks = portal.call(_iterator_of, exchange)
            kept = stack.pop_all()
        self._open.add(kept)
        return Response(
            exchange.status,
            headers=exchange.headers,
            stream=_PortalBody(portal, chunks, request, lambda: self._end(kept)),
        )

    def close(self) -> None:
        """End the exchanges that are open."""
        for stack in [*self._open]:
            self._end(stack)

    def _end(self, stack: ExitStack) -> None:
        self._open.discard(stack)
        stack.close()


async def _iterator_of(exchange: Exchange) -> AsyncIterator[bytes]:
    return exchange.chunks()


class _Sent(AsyncByteStream):
    """A body that was read already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._content:
            yield self._content


class _PortalBody(SyncByteStream):
    def __init__(
        self, portal: BlockingPortal, chunks: AsyncIterator[bytes], request: Request, close: Callable[[], None]
    ) -> None:
        self._portal = portal
        self._chunks = chunks
        self._request = request
        self.close = close  # type: ignore[method-assign]

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._portal.call(next_in_time, self._chunks, self._request)) is not None:
            yield chunk


def upgrade_headers(subprotocols: Any) -> dict[str, str]:
    """Return the headers of the handshake of a WebSocket (RFC 6455, section 4.1)."""
    headers = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
    }
    return {**headers, "sec-websocket-protocol": ", ".join(subprotocols)} if subprotocols else headers
