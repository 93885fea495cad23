"""`TestClient`: sends requests to an application without a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.cookiejar import CookieJar
from typing import Any, Literal, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import ASGIApp

from kick.errors import missing_extra

try:
    import httpx2  # noqa: F401
except ModuleNotFoundError:
    raise missing_extra("kick.testing", "httpx2", "testing") from None

from httpx2 import Client, Request
from starlette.testclient import WebSocketTestSession

from kick.session import Session, SessionInfo
from kick.testing.application import call
from kick.testing.browser import SELF, BrowserClient, forget_expired
from kick.testing.sse import PATIENCE, EventParser, ReceivedEvent, ReceivedEvents, check_event_stream
from kick.testing.transport import PortalTransport

T = TypeVar("T")


class TestClient(BrowserClient, Client):
    """A client of an application. `get()`, `post()` and the other methods return an `httpx2.Response`.

    A `with` block starts the application and shuts it down. Without one, the application starts with the first request
    and is not shut down. The client behaves like a browser: it keeps cookies, in `cookies`, and its requests come from
    a page of the application (`Origin`, `Sec-Fetch-Site`, the CSRF token). Requests use https, as in production,
    because `Secure` cookies are not sent over http. An exception that becomes a 500 in production is raised here.

    | | |
    |---|---|
    | `client.login(user.id, roles=["admin"])`, `client.logout()` | a session of this user, without the login page |
    | `with client.session() as session:` | reads and changes the session of the client |
    | `client.sessions.of(user.id)`, `.revoke(user.id)` | the sessions of a user |
    | `with client.websocket_connect("/chat") as socket:` | `socket.send_json(text)`, `socket.receive_json()` |
    | `for event in client.sse("/events"):` | the events of a stream, as they come |
    | `with client.stream("GET", "/export") as response:` | a response as it comes: `response.iter_text()` |
    | `client.background` | the background tasks of all browsers of the application: `BackgroundCalls` |
    | `client.run(count_orders)` | a coroutine function in the loop of the application, with its dependencies |
    | `with client.override(Mailer, fake):`, `with client.override(Settings, debug=True):` | another dependency |
    | `client.another()` | a second browser for the same running application |
    | `client.page_of("https://evil.example")` | a page of another site in the same browser |

    A rejected handshake of a WebSocket raises `starlette.testclient.WebSocketDenialResponse`, which has the status and
    the body.

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
        backend: the event loop, `"asyncio"` or `"trio"`.
        backend_options: options of the event loop, those of `anyio.run()`.
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
        backend: Literal["asyncio", "trio"] = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
        validate: bool = False,
    ) -> None:
        hooks: list[Any] = []
        if validate:
            from kick.testing.response_validation import ResponseValidator  # on first use: it needs jsonschema

            hooks.append(ResponseValidator(app, root_path).read_and_check)
        self._backend: dict[str, Any] = {"backend": backend, "backend_options": dict(backend_options or {})}
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
        self._exchanges = PortalTransport(self._tested, self._options, self._portal_factory)
        Client.__init__(self, transport=self._exchanges, cookies=cookies, **self._settings)

    @property
    def portal(self) -> BlockingPortal | None:
        """The event loop of the application in a `with` block."""
        return self._tested.portal

    # Life

    def __enter__(self) -> Self:
        """Start the application. A client that was made by another one uses what that one has started."""
        if self._first is not self:
            self._stack = ExitStack()
            self._stack.callback(self._exchanges.close)
            return self
        with ExitStack() as stack:
            self._tested.portal = portal = stack.enter_context(start_blocking_portal(**self._backend))
            stack.callback(self._forget_portal)
            portal.call(self._tested.start)
            stack.callback(portal.call, self._tested.stop)
            stack.callback(self._exchanges.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        """Shut the application down."""
        self._stack.__exit__(*error)

    def _forget_portal(self) -> None:
        self._tested.portal = None

    @contextmanager
    def _portal_factory(self) -> Generator[BlockingPortal]:
        if self.portal is not None:
            yield self.portal
        else:
            with start_blocking_portal(**self._backend) as portal:
                yield portal

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
    ) -> WebSocketTestSession:
        """Open a WebSocket. Use it as `with client.websocket_connect("/path") as socket`."""
        scope = self._handshake(url, subprotocols, headers, params)
        return WebSocketTestSession(self._tested, scope, self._portal_factory)

    def sse(  # type: ignore[override]  # httpx2 needs a `with`
        self, url: str, *, timeout: float | None = PATIENCE, **options: Any
    ) -> ReceivedEvents:
        """Return the events of a stream as they come: `for event in client.sse("/events")`. `options` as for `get()`.

        The stream is opened by the first event and closed when the loop ends, or opened and closed by a block: `with
        client.sse("/events") as events`.

        Arguments:
            timeout: seconds to wait for the next event or comment; `None` for no limit.

        Raises `httpx2.ReadTimeout`, and `ValueError` for a response that is no event stream.
        """
        return ReceivedEvents(self._events(url, timeout=timeout, **options))

    def _events(self, url: str, **options: Any) -> Generator[ReceivedEvent | None]:
        headers = {"accept": "text/event-stream", **options.pop("headers", {})}
        with self.stream(options.pop("method", "GET"), url, headers=headers, **options) as response:
            check_event_stream(response)
            yield None
            parser = EventParser()
            for line in response.iter_lines():
                event = parser.feed(line)
                if event is not None:
                    yield event

    # The session

    def login(self, user_id: Any, /, *, roles: Collection[str] = (), remember: bool = False, **data: Any) -> None:
        """Log in a user as `kick.auth.login()` does, through the session store and the cookie of this client.

        `data` is written into the session. Raises `KickError`: `test-session` for an application without `session()`.
        """
        from kick.testing.sessions import log_in

        self._call(log_in, self, self.app, self._options, user_id, roles, remember, data)

    def logout(self) -> None:
        """End the session of this client, and delete its cookie."""
        from kick.testing.sessions import log_out

        self._call(log_out, self, self.app, self._options)

    @contextmanager
    def session(self) -> Generator[Session[Any]]:
        """Open the session of the client's cookie, to read and change it.

        Changes are written at the end of the block. If they begin a session, the client gets its cookie. If the block
        raises, nothing is written. Raises `KickError`: `test-session`.
        """
        from kick.testing.sessions import opened_session

        with (
            self._portal_factory() as portal,
            portal.wrap_async_context_manager(opened_session(self, self.app, self._options)) as session,
        ):
            yield session

    @property
    def sessions(self) -> ClientSessions:
        """The sessions of users: `of(user_id)`, `revoke(user_id)`, `end(info)`. Raises `KickError`: `test-session`."""
        return ClientSessions(self)

    # The application

    def run_held(self) -> None:
        """Run the background tasks that `client.background.held()` has kept."""
        self._call(self._tested.background.run_all)

    def run(self, function: Callable[..., Awaitable[T]], /, *args: Any, **options: Any) -> T:
        """Call a coroutine function in the event loop of the application, and return its result.

        Parameters that are not passed are injected, from a scope that ends with the call: a database session that the
        function takes is committed.
        """
        result: T = self._call(call, self.app, function, args, options)
        return result

    def _call(self, function: Callable[..., Awaitable[T]], /, *args: Any) -> T:
        with self._portal_factory() as portal:
            return portal.call(function, *args)


class ClientSessions:
    """The sessions of users, as `Sessions` has them, for a synchronous test."""

    def __init__(self, client: TestClient) -> None:
        from kick.testing.sessions import sessions_of

        self._client = client
        self._sessions = sessions_of(client.app)

    def of(self, principal: object) -> list[SessionInfo]:
        """Return the living sessions of a user, the last used one first."""
        return self._client.run(self._sessions.of, principal)

    def revoke(self, principal: object, *, except_id: str | None = None) -> int:
        """End all sessions of a user except the one with this id; return the number of sessions ended."""
        return self._client.run(self._sessions.revoke, principal, except_id=except_id)

    def end(self, info: SessionInfo) -> bool:
        """End a session of the list; return true if it still existed."""
        return self._client.run(self._sessions.end, info)
