"""The session of a client: login, logout, reading and changing it, by its cookie and through the store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from httpx2 import Cookies, Request, Response

from kick.auth import login, logout
from kick.errors import KickError
from kick.http import RequestContext
from kick.session import Session, Sessions
from kick.session.session import ContextSession
from kick.testing.application import app_of, session_layers
from kick.testing.transport import scope_of


class HasCookies(Protocol):
    """The parts of a client that its session needs."""

    @property
    def cookies(self) -> Cookies:
        """The cookies of the client."""
        ...

    @property
    def build_request(self) -> Callable[..., Request]:
        """Return a request with the cookies of the client."""
        ...


@asynccontextmanager
async def opened_session(client: HasCookies, app: Any, connection: Mapping[str, Any]) -> AsyncGenerator[Session[Any]]:
    """Open the session of the client's cookie; write the changes at the end, and keep the cookie that comes with them.

    `connection` is what the ASGI scopes of the client say of its connection: `client` and `root_path`. If the block
    raises, nothing is written. Raises `KickError`: `test-session` for an application without `session()`.
    """
    layers = session_layers(app)
    if not layers:
        raise _no_session()
    manager = layers[0].manager
    request = client.build_request("POST", manager.options.path)
    kept = [header for header in request.headers.raw if header[0].lower() in (b"host", b"cookie", b"user-agent")]
    scope = scope_of(request, {**connection, "headers": [(name.lower(), value) for name, value in kept]})
    state = await manager.open(scope)
    state.restricted(begins=True)  # looking at a session does not extend it
    yield ContextSession(state, manager.operations)
    closing = manager.close(state, 200)
    cookies = closing if isinstance(closing, tuple) else await closing
    if cookies:
        headers = [(b"set-cookie", cookie) for cookie in cookies]
        client.cookies.extract_cookies(Response(200, headers=headers, request=request))


async def log_in(
    client: HasCookies,
    app: Any,
    connection: Mapping[str, Any],
    user_id: Any,
    roles: Collection[str],
    remember: bool,
    data: Mapping[str, Any],
) -> None:
    """Log in a user as `kick.auth.login` does, and write `data` into the session."""
    async with opened_session(client, app, connection) as session:
        await login(_context_of(session, app), user_id, roles=roles, remember=remember)
        for name, value in data.items():
            session[name] = value


async def log_out(client: HasCookies, app: Any, connection: Mapping[str, Any]) -> None:
    """Log out as `kick.auth.logout` does."""
    async with opened_session(client, app, connection) as session:
        await logout(_context_of(session, app))


def sessions_of(app: Any) -> Sessions:
    """Return the sessions of an application. Raises `KickError`: `test-session`."""
    layers = session_layers(app)
    if not layers:
        raise _no_session()
    return Sessions(layers[0].manager)


def _context_of(session: Session[Any], app: Any) -> RequestContext[Any]:
    found = app_of(app)
    assert found is not None  # noqa: S101  # only an application of kick has a session()
    ctx: RequestContext[Any] = RequestContext(dict(session.state.scope), _nothing, _nothing, found.settings, None, {})
    ctx.opened_session = session
    return ctx


async def _nothing(*_: Any) -> Any:
    raise RuntimeError("a login of a test has no request")


def _no_session() -> KickError:
    """Return the error for an application without sessions."""
    return KickError(
        "test-session",
        cause="The application under test has no session(), so a client has no session and cannot log in.",
        fix='Add the middleware: `middleware=[session(secret=os.environ["SESSION_SECRET"])]`.',
    )
