"""`TestClient`: requests to an application, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

from starlette.types import ASGIApp

from kick.errors import missing_extra

try:
    import httpx2  # noqa: F401  # Starlette would take its predecessor too, with a warning
except ModuleNotFoundError:
    raise missing_extra("kick.testing", "httpx2", "testing") from None

from starlette.testclient import TestClient as StarletteClient
from starlette.testclient import WebSocketTestSession


class TestClient(StarletteClient):
    """A client of an application: `get()`, `post()` and the like answer with an `httpx2.Response`.

    Cookies are kept from one request to the next; they are in `cookies`. In a `with` block the application is started
    before and ended after; outside of one, it starts with the first request and nothing ends it. It is spoken to by
    https, as in production: over http, `Secure` cookies would not come back.

    `with client.websocket_connect("/path") as socket:` opens a WebSocket: `socket.send_json(message)`,
    `socket.receive_json()`, and the same with `text` and `bytes`. One that is refused raises
    `starlette.testclient.WebSocketDenialResponse`, which has the status and the body.

    Arguments:
        app: what `bootstrap()` returned, or any other ASGI application.
        base_url: what requests are made to. `http://testserver` for plain http.
        headers: sent with every request.
        cookies: those to begin with.
        follow_redirects: whether a redirect is followed, or returned.

    >>> from kick import Controller, Get, Module, bootstrap
    >>> @Controller("/hello")
    ... class HelloController:
    ...     @Get("/{name}")
    ...     async def hello(self, name: str) -> dict[str, str]:
    ...         return {"hello": name}
    >>> with TestClient(bootstrap([Module("hello", controllers=[HelloController])])) as client:
    ...     client.get("/hello/Ada").json()
    {'hello': 'Ada'}
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str = "https://testserver",
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            app,
            base_url=base_url,
            headers=None if headers is None else dict(headers),
            cookies=None if cookies is None else dict(cookies),
            follow_redirects=follow_redirects,
            **options,
        )

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **options: Any
    ) -> WebSocketTestSession:
        """Open a WebSocket, by wss where requests are made by https, so that `Secure` cookies go along.

        Used as `with client.websocket_connect("/path") as socket`.
        """
        base = str(self.base_url).replace("http", "ws", 1)
        return super().websocket_connect(urljoin(base, url), subprotocols, **options)
