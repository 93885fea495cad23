"""`session()`: the manager in kick's pipeline."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.di import Provider
from kick.errors import KickError
from kick.exceptions import HTTPError
from kick.http import CallNext, RequestContext, Response, Route
from kick.http.errors import middleware_order
from kick.http.mounts import MountedResponse
from kick.http.response.sse import EventStream
from kick.middleware.cookie_parser import CookieParserLayer
from kick.middleware.per_route import PerRoute
from kick.session.asgi.middleware import serve_with_session
from kick.session.cookie import CookieOptions
from kick.session.devices import Sessions
from kick.session.errors import session_name_taken
from kick.session.events import Listener
from kick.session.headers import finish_headers
from kick.session.ids import draw_id, key_of
from kick.session.manager import SessionManager
from kick.session.options import DEADLINE, Duration, OnStoreError
from kick.session.session import ContextSession
from kick.session.state import SessionState, Status
from kick.signing import Secret


class Use(enum.Enum):
    """The use that requests to a route make of their session."""

    FULL = "full"
    PASSIVE = "passive"
    """The route reads the session and prolongs nothing; what its handler writes is written."""
    LOOK = "look"
    """No handler runs: middleware may look, and no session is begun."""


class SessionLayer(PerRoute):
    """Middleware that `session()` returns: it gives each request its session.

    The layer of a module takes the place of that of the application on the routes of the module.
    """

    def __init__(self, manager: SessionManager, use: Use = Use.FULL, *, for_mount: bool = False) -> None:
        self.manager = manager
        self.providers = (Provider(Sessions, value=Sessions(manager)),)
        self.health = {"session store": self._ask_store}
        options = manager.options
        # Where every request prolongs, rotates or stores the session, it is opened for each.
        always = options.rolling or options.save_uninitialized or options.rotate_after is not None
        self.optional = use is not Use.FULL or not always
        self._use = use
        self._for_mount = for_mount
        self._everywhere = manager.options.path == "/"

    def for_route(self, route: Route | None) -> SessionLayer | None:
        """Return the layer of the route, or that of the application; `None` where the session is switched off."""
        chosen = super().for_route(route)
        if not isinstance(chosen, SessionLayer):
            return None
        if route is None or (route.is_mount and route.session is None):
            return SessionLayer(chosen.manager, Use.LOOK)
        if route.session is False:
            return None
        use = Use.PASSIVE if route.session == "passive" else Use.FULL
        if route.is_mount or use is Use.PASSIVE:
            return SessionLayer(chosen.manager, use, for_mount=route.is_mount)
        return chosen

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> list[KickError]:
        """Return the mistakes in its place among the middleware."""
        problems = []
        if any(isinstance(layer, CookieParserLayer) for layer in after):
            problems.append(
                middleware_order(
                    "cookie_parser() stands after session(), which needs the cookies.",
                    "cookie_parser(), session(secret=secret)",
                )
            )
        name = self.manager.options.cookie.name
        others = [layer.manager for layer in before if isinstance(layer, SessionLayer)]
        if any(other is not self.manager and other.options.cookie.name == name for other in others):
            problems.append(session_name_taken(name))
        return problems

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Open the session, hand the request on, and close the session before the response leaves."""
        if ctx.opened_session is not None:
            return await call_next(ctx)
        if not (self._everywhere or self.manager.is_within(ctx.path)):
            ctx.session_path = self.manager.options.path
            return await call_next(ctx)
        state = await self.manager.open(ctx.scope)
        if self._use is not Use.FULL:
            state.restricted(begins=self._use is not Use.LOOK)
        ctx.opened_session = ContextSession(state, self.manager.operations)
        try:
            response = await call_next(ctx)
        except Exception as error:
            await self._close_after(error, state, ctx)
            raise
        if self._for_mount and isinstance(response, MountedResponse):
            response.app = self._around(response.app, state)
            return response
        try:
            closing = self.manager.close(state, 500 if ctx.rolled_back else response.status_code)
            cookies = () if closing is None else await closing
        except Exception:
            self._send_cookies(self.manager.cookies_of(state), ctx)
            raise
        if cookies:
            cookies = self.manager.options.cookie.for_scheme(cookies, ctx.scope.get("scheme", "http"))
        if isinstance(response, EventStream) and state.status is Status.STORED:
            response.watch = ctx.opened_session.on_end
        if cookies or state.accessed:
            finish_headers(response.raw_headers, accessed=state.accessed, cookies=cookies)
        return response

    def _around(self, app: ASGIApp, state: SessionState) -> ASGIApp:
        """Return a mounted application with the session in its scope, to be closed when its response begins."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await serve_with_session(self.manager, state, app, scope, receive, send)

        return serve

    async def _close_after(self, error: Exception, state: SessionState, ctx: RequestContext[Any]) -> None:
        """Close the session of a handler that raised, when nothing further in has made a response of it."""
        status = error.status if isinstance(error, HTTPError) and not ctx.rolled_back else 500
        closing = self.manager.close(state, status)
        if closing is not None:
            self._send_cookies(await closing, ctx)

    def _send_cookies(self, cookies: tuple[bytes, ...], ctx: RequestContext[Any]) -> None:
        """Send the cookie with whatever response is sent: the store knows the session by this id, and by no other."""
        for cookie in self.manager.options.cookie.for_scheme(cookies, ctx.scope.get("scheme", "http")):
            ctx.add_raw_header(b"set-cookie", cookie)
        if cookies:
            ctx.add_raw_header(b"cache-control", b"no-store")

    async def _ask_store(self) -> None:
        """Raise when the store does not answer: a session that does not exist is looked up."""
        await self.manager.store.load(key_of(draw_id()))

    async def aclose(self) -> None:
        """Close the store."""
        await self.manager.store.aclose()


def session(
    secret: Secret | None = None,
    *,
    cookie_name: str = "kick.sid",
    max_age: Duration = timedelta(hours=24),
    absolute_max_age: Duration | None = DEADLINE,
    remember_max_age: Duration = timedelta(days=30),
    session_check: Duration = 30.0,
    rolling: bool = False,
    save_uninitialized: bool = True,
    rotate_after: Duration | None = None,
    grace: Duration = timedelta(seconds=30),
    cookie: CookieOptions | Mapping[str, Any] | None = None,
    store: object = None,
    data: type | None = None,
    on_store_error: OnStoreError = "error",
    store_timeout: Duration = 1.0,
    max_size: int = 1 << 20,
    on_event: Listener | None = None,
) -> SessionLayer:
    """Middleware that gives every request a session: `ctx.session`.

    Arguments:
        secret: signs the cookie; at least 32 bytes. Of several, the first signs and all verify; a cookie that was
            signed with an older one is issued anew.
        cookie_name: an RFC 6265 token.
        max_age: how long a session lives without a write (rolling: without a request); a `timedelta` or seconds.
        absolute_max_age: the deadline that nothing extends but a login, which starts a new one. By default 30 days, or
            `max_age` where that is longer; `None` for no deadline.
        remember_max_age: how long a session lives that `login(..., remember=True)` began.
        session_check: how soon an open WebSocket or event stream hears that its session has ended in another process.
        rolling: every request restarts `max_age`, of the cookie and in the store alike; both at most once in a tenth
            of it, and at most once a minute.
        save_uninitialized: store sessions that nobody wrote to, and set their cookie. `False` is recommended.
        rotate_after: draw a new id this long after the last one.
        grace: how long the old id leads to the new one after such a rotation.
        cookie: a `CookieOptions`, or a mapping with the same keys: `{"secure": True, "same_site": "strict"}`.
        store: where sessions are; `None` for the memory of this process, a URL (`sqlite:///sessions.db`,
            `redis://host:6379/0`), an `AtomicStore`, or any object with `get`, `set`, `destroy` and perhaps `touch`.
        data: a msgspec Struct or dataclass: the type of `ctx.session.data`.
        on_store_error: `"error"` answers 503 where the session is used while the store is down; `"anonymous"`
            gives an empty session that refuses writes.
        store_timeout: how long the store may take, in seconds or as a `timedelta`.
        max_size: the most bytes that a session may have, encoded; to grow beyond raises `SessionTooLarge`.
        on_event: called with each `Event`: created, destroyed, bad signature, ...

    >>> session(secret="a secret of at least thirty-two bytes", max_age=timedelta(hours=8)).manager.options.max_age
    28800.0

    Raises `KickError` for a missing or weak secret, a cookie that browsers refuse, an unknown store, a duration
    that is not above 0; all that is wrong at once.
    """
    manager = SessionManager.configured(
        secret,
        store=store,
        cookie_name=cookie_name,
        max_age=max_age,
        absolute_max_age=absolute_max_age,
        remember_max_age=remember_max_age,
        session_check=session_check,
        rolling=rolling,
        save_uninitialized=save_uninitialized,
        rotate_after=rotate_after,
        grace=grace,
        cookie=cookie,
        data=data,
        on_store_error=on_store_error,
        store_timeout=store_timeout,
        max_size=max_size,
        on_event=on_event,
    )
    return SessionLayer(manager)
