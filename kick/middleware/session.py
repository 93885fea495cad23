"""`session()`: sessions in the pipeline of kick."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import takewhile
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.di import Provider
from kick.errors import KickError
from kick.exceptions import HTTPError
from kick.http import CallNext, Description, RequestContext, Response, Route, Settings
from kick.http.errors import middleware_order
from kick.http.mounts import MountedResponse
from kick.http.response.base import ReadyResponse
from kick.http.response.streaming import is_stream
from kick.middleware.cookie_parser import CookieParserLayer
from kick.middleware.per_route import PerRoute
from kick.session.asgi.foreign_connections import end_with_session, serve_watched
from kick.session.asgi.middleware import serve_with_session
from kick.session.cookie import CookieOptions
from kick.session.devices import Sessions
from kick.session.errors import session_name_taken, session_shared
from kick.session.events import Listener
from kick.session.headers import finish_headers
from kick.session.ids import generate_id, key_of
from kick.session.manager import SessionManager
from kick.session.options import DEADLINE, Duration, OnStoreError
from kick.session.session import ContextSession
from kick.session.state import SessionState
from kick.session.stores.base import KEEP
from kick.signing import Secret

_MANAGERS: Final = "managers of sessions"
"""The managers of all `session()` of an application, among what its layers share."""


class Use(enum.Enum):
    """The use of the session on a route."""

    FULL = "full"
    PASSIVE = "passive"
    """Requests do not extend the session; a write of the handler is stored."""
    LOOK = "look"
    """No handler runs. Middleware may read the session, and no new one is stored."""
    OFF = "off"
    """The route has no session. Middleware gets an empty one: the store is not asked, and nothing is stored."""


class SessionLayer(PerRoute):
    """The middleware that `session()` returns: it gives each request its session.

    On the routes of a module, `session()` of the module replaces that of the application.
    """

    def __init__(self, manager: SessionManager, use: Use = Use.FULL, *, for_mount: bool = False) -> None:
        self.manager = manager
        self.providers = (Provider(Sessions, value=Sessions(manager)),)
        self.health = {"session store": self._ask_store}
        options = manager.options
        # If each request may extend, rotate or store the session, it is opened on routes that do not use it, too.
        always = options.rolling or options.save_uninitialized or options.rotate_after is not None
        self.optional = use is not Use.FULL or not always
        self._use = use
        self._open = manager.open if use is Use.FULL else self._open_restricted
        self._operations = manager.operations
        self._for_mount = for_mount
        self._everywhere = manager.options.path == "/"

    def for_route(self, route: Route | None) -> SessionLayer | None:
        """Return the middleware of the route, or that of the application."""
        chosen = super().for_route(route)
        if not isinstance(chosen, SessionLayer):
            return None
        if route is None or route.has_no_session:
            is_off = route is not None and route.session is False
            return SessionLayer(chosen.manager, Use.OFF if is_off else Use.LOOK)
        use = Use.PASSIVE if route.session == "passive" else Use.FULL
        if route.is_mount or use is Use.PASSIVE:
            return SessionLayer(chosen.manager, use, for_mount=route.is_mount)
        return chosen

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> list[KickError]:
        """Return the mistakes in the order of the middleware."""
        problems = []
        if any(isinstance(layer, CookieParserLayer) for layer in after):
            problems.append(
                middleware_order(
                    "cookie_parser() is listed after session(), which needs the cookies.",
                    "cookie_parser(), session(secret=secret)",
                )
            )
        name = self.manager.options.cookie.name
        others = [layer.manager for layer in before if isinstance(layer, SessionLayer)]
        if any(other is not self.manager and other.options.cookie.name == name for other in others):
            problems.append(session_name_taken(name))
        earlier = takewhile(lambda other: other is not self.manager, self._managers)
        shared = [other.options.cookie.name for other in earlier if self.manager.shares_with(other)]
        return [*problems, *(session_shared(name, other) for other in shared if other != name)]

    def describe(self, route: Route | None) -> Description:
        """Return the cookie of the session, and the error of a store that is down, 503."""
        cookie = {"type": "apiKey", "in": "cookie", "name": self.manager.options.cookie.name}
        fails = self.manager.options.on_store_error == "error" and (route is None or not route.has_no_session)
        errors = {503: "The store of the sessions cannot be reached."} if fails else {}
        return Description(errors=errors, schemes={"session": cookie})

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Open the session, call the next middleware, and close the session before the response is sent."""
        if ctx.opened_session is not None:
            return await call_next(ctx)
        if not (self._everywhere or self.manager.is_within(ctx.path)):
            ctx.session_path = self.manager.options.path
            return await call_next(ctx)
        state = await self._open(ctx.scope)
        ctx.opened_session = opened = ContextSession(state, self._operations)
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
            cookies = closing if isinstance(closing, tuple) else await closing
        except Exception:
            self._send_cookies(self.manager.cookies_of(state), ctx)
            raise
        accessed = state.accessed or (state.cookie_came and is_stream(response))
        record = state.record
        if cookies or accessed:
            # A principal that is still new now could not be stored; its page is private all the same.
            owned = (record is not None and record.principal is not None) or state.new_principal is not KEEP
            private = owned and not self._says_caching(ctx)
            finish_headers(response.raw_headers, accessed=accessed, cookies=cookies, private=private)
        if record is not None and type(response) is not ReadyResponse:
            if not isinstance(response, MountedResponse):
                end_with_session(response, opened, ctx.added_headers or ())
            elif state.accessed:  # by middleware: the application does not see the session
                response.app = partial(serve_watched, opened, response.app)
        return response

    def _says_caching(self, ctx: RequestContext[Any]) -> bool:
        """Return true if a header of the context tells caches what to do."""
        return any(name == b"cache-control" for name, _ in ctx.added_headers or ())

    async def _open_restricted(self, scope: Scope) -> SessionState:
        state = self.manager.open_empty(scope) if self._use is Use.OFF else await self.manager.open(scope)
        state.restricted(begins=self._use is Use.PASSIVE)
        return state

    def _around(self, app: ASGIApp, state: SessionState) -> ASGIApp:
        """Return a mounted application with the session in its scope, which closes it when the response starts."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await serve_with_session(self.manager, state, app, scope, receive, send)

        return serve

    async def _close_after(self, error: Exception, state: SessionState, ctx: RequestContext[Any]) -> None:
        """Close the session after an exception that was not made into a response yet."""
        status = error.status if isinstance(error, HTTPError) and not ctx.rolled_back else 500
        closing = self.manager.close(state, status)
        self._send_cookies(closing if isinstance(closing, tuple) else await closing, ctx)

    def _send_cookies(self, cookies: tuple[bytes, ...], ctx: RequestContext[Any]) -> None:
        """Send the cookie with any response, because the store knows the session only by this id."""
        for cookie in cookies:
            ctx.add_raw_header(b"set-cookie", cookie)
        if cookies:
            ctx.add_raw_header(b"cache-control", b"no-store")

    def configure(self, settings: Settings) -> None:
        """Add the manager to those of the application, which may have several layers and one store."""
        super().configure(settings)
        managers = settings.shared.setdefault(_MANAGERS, [])
        if self.manager not in managers:
            managers.append(self.manager)

    async def start(self) -> None:
        """Log the problems of the store for this application."""
        await self.manager.start(self._secrets)

    async def review(self) -> list[KickError]:
        """Return the problems of the store for this application; nothing is written to the store."""
        return await self.manager.review(self._secrets, remember=False)

    @property
    def _secrets(self) -> frozenset[str]:
        return frozenset().union(*(each.options.cookie.fingerprints for each in self._managers))

    @property
    def _managers(self) -> list[SessionManager]:
        managers: list[SessionManager] = ({} if self._shared is None else self._shared).get(_MANAGERS, [])
        return managers

    async def _ask_store(self) -> KickError | None:
        """Look up a session that does not exist; return a warning of the store. Raises `SessionUnavailable`."""
        store: Any = self.manager.store
        await store.load(key_of(generate_id()))
        review = getattr(store, "review", None)
        return next(iter(await review()), None) if review is not None else None

    async def aclose(self) -> None:
        """Close the store."""
        await self.manager.store.aclose()


def session(
    secret: Secret | None = None,
    *,
    cookie_name: str = "kick.sid",
    max_age: Duration = timedelta(hours=24),
    absolute_max_age: Duration | None = DEADLINE,
    anonymous_max_age: Duration | None = None,
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
    max_per_principal: int | None = None,
    on_event: Listener | None = None,
) -> SessionLayer:
    """Middleware that gives every request a session: `ctx.session`.

    Arguments:
        secret: signs the cookie; at least 32 bytes. In a list, the first signs and all verify. A cookie that was
            signed with an older secret is issued again.
        cookie_name: an RFC 6265 token.
        max_age: the lifetime of a session without a write (rolling: without a request), as a `timedelta` or in seconds.
        absolute_max_age: the longest lifetime since the last login; requests and writes do not extend it. By default
            30 days, or `max_age` or `remember_max_age` if that is longer; `None` for no limit.
        anonymous_max_age: the longest lifetime of a session without a principal, that is before the login, without a
            write. `None` for `max_age`, because an application may keep its user in the data alone.
        remember_max_age: the lifetime of a session that `login(..., remember=True)` has begun.
        session_check: the most seconds until open WebSockets and event streams of a session that ended elsewhere end.
        rolling: every request restarts `max_age` in the store and in the cookie, but at most once in a tenth of it and
            once a minute.
        save_uninitialized: store each new session and set its cookie, even if nothing was written. This costs a record
            for each client without a cookie. `False` is recommended.
        rotate_after: the age at which an id is replaced by a new one.
        grace: the time for which the old id leads to the new one after such a rotation.
        cookie: a `CookieOptions`, or a mapping with the same keys: `{"secure": True, "same_site": "strict"}`.
        store: the place of the sessions: `None` for the memory of this process, a URL (`sqlite:///sessions.db`,
            `redis://host:6379/0`), an `AtomicStore`, or any object with the coroutine methods `get`, `set` and
            `destroy`, and perhaps `touch`.
        data: a msgspec Struct or dataclass: the type of `ctx.session.data`.
        on_store_error: the result of using the session while the store is down: `"error"` is a 503, `"anonymous"` an
            empty session that refuses writes.
        store_timeout: the time limit of a store call, in seconds or as a `timedelta`.
        max_size: the most bytes of a session, names included. A write that exceeds it raises `SessionTooLarge`.
        max_per_principal: the most sessions of one principal. A login beyond it ends those that were seen longest ago.
        on_event: a function that is called with each `Event`: created, destroyed, bad signature, ...

    >>> session(secret="a secret of at least thirty-two bytes", max_age=timedelta(hours=8)).manager.options.max_age
    28800.0

    Raises one `KickError` with all mistakes, such as a weak secret, an unknown store or a duration that is not above 0.
    """
    manager = SessionManager.configured(
        secret,
        store=store,
        cookie_name=cookie_name,
        max_age=max_age,
        absolute_max_age=absolute_max_age,
        anonymous_max_age=anonymous_max_age,
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
        max_per_principal=max_per_principal,
        on_event=on_event,
    )
    return SessionLayer(manager)
