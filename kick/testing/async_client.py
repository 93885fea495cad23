"""`AsyncTestClient`: the test client for tests that are coroutines, on their event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from http.cookiejar import CookieJar
from typing import Any, Self, TypeVar

from starlette.types import ASGIApp

from kick.errors import missing_extra

try:
    import httpx2  # noqa: F401
except ModuleNotFoundError:
    raise missing_extra("kick.testing", "httpx2", "testing") from None

from httpx2 import AsyncClient, Request

from kick.session import Session, Sessions
from kick.testing.application import call
from kick.testing.async_socket import AsyncWebSocket
from kick.testing.browser import SELF, BrowserClient, forget_expired
from kick.testing.sse import PATIENCE, AsyncReceivedEvents, EventParser, ReceivedEvent, check_event_stream
from kick.testing.transport import AppTransport

T = TypeVar("T")


class AsyncTestClient(BrowserClient, AsyncClient):
    """A client of an application, on the event loop of the test: `await client.get("/")`.

    It is as `TestClient`, with `await`: the application and the test run in one loop, so a test can share locks, tasks
    and database connections with it. The loop is that of asyncio, or of trio for an application that uses neither
    sessions nor streams of kick.

    | | |
    |---|---|
    | `async with AsyncTestClient(app) as client:` | starts the application and shuts it down |
    | `await client.login(user.id, roles=["admin"])`, `await client.logout()` | a session of this user |
    | `async with client.session() as session:` | reads and changes the session of the client |
    | `await client.sessions.revoke(user.id)` | the `Sessions` of the application |
    | `async with client.websocket_connect("/chat") as socket:` | an `AsyncWebSocket` |
    | `async for event in client.sse("/events"):` | the events of a stream, as they come |
    | `async with client.stream("GET", "/export") as response:` | a response as it comes |
    | `client.background`, `await client.run_held()` | the background tasks of all browsers |
    | `await client.run(count_orders)` | a coroutine function, with its dependencies |
    | `with client.override(Mailer, fake):`, `with client.override(Settings, debug=True):` | another dependency |
    | `client.another()`, `client.page_of(origin)` | a second browser; a page of another site in this one |

    Arguments:
        app: the application of `bootstrap()`, or any other ASGI application.
        base_url: the base of request URLs; `http://testserver` for plain http.
        headers: headers of every request.
        cookies: the initial cookies.
        follow_redirects: follow redirects instead of returning them.
        raise_exceptions: raise what no handler of the application handles, instead of returning the 500.
        origin: the page that sends the requests: `"self"`, another origin such as `"https://evil.example"`, or `None`
            for a client that is no browser.
        client: the address and port of the client.
        root_path: the path below which the application is served.
        validate: check each response against the OpenAPI document of the application. One that does not fit raises
            `ResponseMismatch`, an `AssertionError` that names the operation, the place and the value.

    >>> import asyncio
    >>> from kick import Controller, Get, Module, bootstrap
    >>> @Controller("/hello")
    ... class HelloController:
    ...     @Get()
    ...     async def hello(self) -> str:
    ...         return "hello"
    >>> async def test_hello() -> None:
    ...     async with AsyncTestClient(bootstrap([Module("hello", controllers=[HelloController])])) as client:
    ...         print((await client.get("/hello")).json())
    >>> asyncio.run(test_hello())
    hello
    """

    __test__ = False

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str = "https://testserver",
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        raise_exceptions: bool = True,
        origin: str | None = SELF,
        client: tuple[str, int] = ("testclient", 50000),
        root_path: str = "",
        validate: bool = False,
    ) -> None:
        hooks: list[Any] = []
        if validate:
            from kick.testing.response_validation import ResponseValidator  # on first use: it needs jsonschema

            hooks.append(ResponseValidator(app, root_path).aread_and_check)
        self._depth = 0
        self._set_up(
            app,
            base_url=base_url,
            headers=headers,
            cookies=cookies,
            follow_redirects=follow_redirects,
            raise_exceptions=raise_exceptions,
            origin=origin,
            client=client,
            root_path=root_path,
            hooks=hooks,
        )

    def _open(self, cookies: CookieJar, origin: str | None) -> None:
        super()._open(cookies, origin)
        self._exchanges = AppTransport(self._tested, self._options)
        AsyncClient.__init__(self, transport=self._exchanges, cookies=cookies, **self._settings)

    # Life

    async def __aenter__(self) -> Self:
        """Start the application. A client that was made by another one uses what that one has started.

        Blocks can be nested; the outermost one is the life of the application.
        """
        self._depth += 1
        if self._depth == 1 and self._first is self:
            await self._tested.start()
        return self

    async def __aexit__(self, *error: Any) -> None:
        """Shut the application down."""
        self._depth -= 1
        if self._depth == 0:
            await self._exchanges.aclose()
            if self._first is self:
                await self._tested.stop()

    # Requests

    def build_request(self, method: str, url: Any, **options: Any) -> Request:
        """Return a request as a browser sends it, with the cookies that have not expired by the clock of kick."""
        forget_expired(self.cookies.jar)
        request = super().build_request(method, url, **options)
        self._page.prepare(request, self.cookies.jar)
        return request

    def websocket_connect(
        self,
        url: str,
        subprotocols: Sequence[str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Any = None,
    ) -> AsyncWebSocket:
        """Open a WebSocket. Use it as `async with client.websocket_connect("/path") as socket`."""
        scope = self._handshake(url, subprotocols, headers, params)
        return AsyncWebSocket(self._tested, scope)

    def sse(  # type: ignore[override]  # httpx2 needs a `with`
        self, url: str, *, timeout: float | None = PATIENCE, **options: Any
    ) -> AsyncReceivedEvents:
        """Return the events of a stream as they come: `async for event in client.sse("/events")`.

        `options` are as for `get()`. A block, `async with client.sse("/events") as events`, opens the stream before
        the first event, and closes it at once if the loop ends before the stream.

        Arguments:
            timeout: seconds to wait for the next event or comment; `None` for no limit.

        Raises `httpx2.ReadTimeout`, and `ValueError` for a response that is no event stream.
        """
        return AsyncReceivedEvents(self._events(url, timeout=timeout, **options))

    async def _events(self, url: str, **options: Any) -> AsyncGenerator[ReceivedEvent | None]:
        headers = {"accept": "text/event-stream", **options.pop("headers", {})}
        async with self.stream(options.pop("method", "GET"), url, headers=headers, **options) as response:
            check_event_stream(response)
            yield None
            parser = EventParser()
            async for line in response.aiter_lines():
                event = parser.feed(line)
                if event is not None:
                    yield event

    # The session

    async def login(self, user_id: Any, /, *, roles: Collection[str] = (), remember: bool = False, **data: Any) -> None:
        """Log in a user as `kick.auth.login()` does, through the session store and the cookie of this client.

        `data` is written into the session. Raises `KickError`: `test-session` for an application without `session()`.
        """
        from kick.testing.sessions import log_in

        await log_in(self, self.app, self._options, user_id, roles, remember, data)

    async def logout(self) -> None:
        """End the session of this client, and delete its cookie."""
        from kick.testing.sessions import log_out

        await log_out(self, self.app, self._options)

    def session(self) -> AbstractAsyncContextManager[Session[Any]]:
        """Open the session of the client's cookie, to read and change it.

        Changes are written at the end of the block. If they begin a session, the client gets its cookie. If the block
        raises, nothing is written. Raises `KickError`: `test-session`.
        """
        from kick.testing.sessions import opened_session

        return opened_session(self, self.app, self._options)

    @property
    def sessions(self) -> Sessions:
        """The sessions of users: `await client.sessions.of(user_id)`. Raises `KickError`: `test-session`."""
        from kick.testing.sessions import sessions_of

        return sessions_of(self.app)

    # The application

    async def run_held(self) -> None:
        """Run the background tasks that `client.background.held()` has kept."""
        await self._tested.background.run_all()

    async def run(self, function: Callable[..., Awaitable[T]], /, *args: Any, **options: Any) -> T:
        """Call a coroutine function, and return its result.

        Parameters that are not passed are injected, from a scope that ends with the call.
        """
        return await call(self.app, function, args, options)
