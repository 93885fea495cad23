"""`TestClient`: sends requests to an application without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

from starlette.types import ASGIApp

from kick.errors import missing_extra
from kick.testing.cookies import TestCookies, forget_expired

try:
    import httpx2  # noqa: F401  # Starlette would take its predecessor too, with a warning
except ModuleNotFoundError:
    raise missing_extra("kick.testing", "httpx2", "testing") from None

from httpx2 import Request
from starlette.testclient import TestClient as StarletteClient
from starlette.testclient import WebSocketTestSession


class TestClient(StarletteClient):
    """A client of an application. `get()`, `post()` and the other methods return an `httpx2.Response`.

    The client keeps cookies between requests, in `cookies`. A `with` block starts the application and shuts it down.
    Without one, the application starts with the first request and is not shut down. Requests use https, as in
    production, because `Secure` cookies are not sent over http.

    `with client.websocket_connect("/path") as socket:` opens a WebSocket: `socket.send_json(message)`,
    `socket.receive_json()`, and the same with `text` and `bytes`. A rejected handshake raises
    `starlette.testclient.WebSocketDenialResponse`, which has the status and the body.

    Arguments:
        app: the application of `bootstrap()`, or any other ASGI application.
        base_url: the base of request URLs; `http://testserver` for plain http.
        headers: headers of every request.
        cookies: the initial cookies.
        follow_redirects: follow redirects instead of returning them.
        validate: check each response against the OpenAPI document of the application. One that does not fit raises
            `ResponseMismatch`, an `AssertionError` that names the operation, the place and the value.

    >>> from kick import Controller, Get, Module, bootstrap
    >>> @Controller("/hello")
    ... class HelloController:
    ...     @Get("/{name}")
    ...     async def hello(self, name: str) -> dict[str, str]:
    ...         return {"hello": name}
    >>> with TestClient(bootstrap([Module("hello", controllers=[HelloController])])) as client:
    ...     client.get("/hello/Ada").json()
    {'hello': 'Ada'}

    Raises `KickError`: `validate-app` for `validate=True` with another application than that of `bootstrap()`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str = "https://testserver",
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        validate: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            app,
            base_url=base_url,
            headers=None if headers is None else dict(headers),
            cookies=TestCookies(),
            follow_redirects=follow_redirects,
            **options,
        )
        self.cookies.update(dict(cookies or {}))
        if validate:
            from kick.testing.response_validation import ResponseValidator  # on first use: it needs jsonschema

            validator = ResponseValidator(app)

            def check(response: Any) -> None:
                response.read()
                validator.check(response)

            self.event_hooks = {"response": [check]}

    def build_request(self, method: str, url: Any, **options: Any) -> Request:
        """Return a request with the cookies that have not expired by the clock of kick."""
        forget_expired(self.cookies.jar)
        return super().build_request(method, url, **options)

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **options: Any
    ) -> WebSocketTestSession:
        """Open a WebSocket; over wss if requests use https, so that `Secure` cookies are sent.

        Use it as `with client.websocket_connect("/path") as socket`.
        """
        base = str(self.base_url).replace("http", "ws", 1)
        return super().websocket_connect(urljoin(base, url), subprotocols, **options)
