"""Guards: `@Authenticated` and `@Roles`, and the same as middleware of a module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar, overload
from urllib.parse import quote

from kick.auth.errors import LoginRequired, LoginTooOld, RoleMissing, bad_login_page
from kick.auth.identities import identity
from kick.errors import KickError, raise_all
from kick.exceptions import HTTPError
from kick.http import CallNext, Description, Middleware, RequestContext, Response, Route
from kick.http.errors import middleware_order
from kick.http.request.target import sent_path
from kick.http.response.redirects import is_local
from kick.http.routing.decorators import Use
from kick.http.routing.urls import below_root
from kick.middleware.session import SessionLayer
from kick.session.errors import session_needed

Target = TypeVar("Target", bound=Callable[..., Any])

_PAGES: Final = ("GET", "HEAD")
"""The methods of requests that show a page."""


class GuardLayer(Middleware):
    """Middleware of `authenticated()` and `roles()`, which runs before the body is read."""

    def __init__(
        self,
        name: str,
        *,
        max_age: float | None = None,
        any_of: frozenset[str] = frozenset(),
        all_of: frozenset[str] = frozenset(),
        login_page: str | None = None,
    ) -> None:
        self.name = name
        self._max_age = max_age
        self._any_of = any_of
        self._all_of = all_of
        self._login_page = login_page

    def for_route(self, route: Route | None) -> GuardLayer | None:
        """Return this guard. Raises `KickError`: `session-needed` for a route whose session is switched off."""
        if route is not None and route.has_no_session:
            what = "what is mounted at" if route.is_mount else route.method
            place = "its module" if route.is_mount else "the route"
            raise session_needed(self.name, switched_off=f"{what} {route.path}", place=place)
        return None if route is None else self

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> list[KickError]:
        """Return the mistakes in its place among the middleware."""
        if any(isinstance(layer, SessionLayer) for layer in before):
            return []
        if any(isinstance(layer, SessionLayer) for layer in after):
            name = "authenticated()" if self.name == "@Authenticated" else 'roles("admin")'
            return [middleware_order(f"{name} is listed before session().", f"session(secret=secret), {name}")]
        return [session_needed(self.name)]

    def describe(self, route: Route | None) -> Description:
        """Return its errors, 401 and 403, and the session as what a request needs."""
        errors = {401: "The user is not logged in."}
        if self._max_age is not None:
            errors[401] += " Or the login is too old."
        if self._any_of or self._all_of:
            errors[403] = "The user lacks a role."
        leads_on = self._login_page is not None and route is not None and route.method in _PAGES
        responses = {303: "Browsers are sent to the login page."} if leads_on else {}
        return Description(errors=errors, responses=responses, security=("session",))

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Pass the request on, or reject it."""
        refusal = self._refusal(ctx)
        return await call_next(ctx) if refusal is None else self._ask(ctx, refusal)

    async def admit(self, ctx: RequestContext[Any]) -> None:
        """Reject a request before another middleware reads its body."""
        refusal = self._refusal(ctx)
        if refusal is not None:
            raise refusal

    def _refusal(self, ctx: RequestContext[Any]) -> HTTPError | None:
        who = identity(ctx)
        if who is None:
            return LoginRequired()
        if self._max_age is not None and not who.is_fresh(self._max_age):
            return LoginTooOld(self._max_age)
        if (self._any_of and not who.has_any(self._any_of)) or not self._all_of <= who.roles:
            return RoleMissing()
        return None

    def _ask(self, ctx: RequestContext[Any], error: HTTPError) -> Response:
        """Redirect a browser to the login page, and raise the error for other clients."""
        page = None if isinstance(error, RoleMissing) else self._login_page  # another login would change nothing
        if page is None or ctx.method not in _PAGES or not _shows_pages(ctx):
            raise error
        query = ctx.scope["query_string"].decode("latin-1")
        here = sent_path(ctx.scope) + (f"?{query}" if query else "")
        # A cached redirect would send the user to the login page again after the login.
        ctx.set_header("cache-control", "no-store")
        login_page = below_root(ctx.scope.get("root_path", ""), page)
        return ctx.redirect(f"{login_page}?next={quote(here, safe='/')}")


def authenticated(*, max_age: timedelta | float | None = None, login_page: str | None = None) -> GuardLayer:
    """Return `@Authenticated` as middleware for all handlers of a module.

    Arguments:
        max_age: the greatest age of the login, a `timedelta` or seconds.
        login_page: a path of this site, to which a browser that asks for a page is redirected.

    >>> from kick import Module
    >>> Module("account", middleware=[authenticated()])
    Module('account')
    """
    seconds = _seconds(max_age)
    raise_all(_page_problems(login_page))
    return GuardLayer("@Authenticated", max_age=seconds, login_page=login_page)


def roles(*any_of: str, all_of: Collection[str] = (), login_page: str | None = None) -> GuardLayer:
    """Return `@Roles` as middleware for all handlers of a module.

    Arguments:
        any_of: the names of roles, of which a user needs one.
        all_of: the names of roles, of which a user needs all.
        login_page: a path of this site, to which a browser that asks for a page is redirected if nobody is logged in.

    >>> from kick import Module
    >>> Module("administration", middleware=[roles("admin")])
    Module('administration')
    """
    given = [*any_of, *([all_of] if isinstance(all_of, str) else all_of)]
    names: list[object] = [*given]
    if not names or isinstance(all_of, str) or not all(isinstance(each, str) and each for each in names):
        raise KickError(
            "auth-roles",
            cause=f"@Roles was given {given or 'nothing'!r}; it takes the names of roles, at least one.",
            fix='For example `@Roles("admin")`, or `@Roles(all_of=["editor", "author"])`.',
        )
    raise_all(_page_problems(login_page))
    return GuardLayer("@Roles", any_of=frozenset(any_of), all_of=frozenset(all_of), login_page=login_page)


@overload
def Authenticated(target: Target, /) -> Target: ...
@overload
def Authenticated(
    *, max_age: timedelta | float | None = None, login_page: str | None = None
) -> Callable[[Target], Target]: ...
def Authenticated(
    target: Any = None, /, *, max_age: timedelta | float | None = None, login_page: str | None = None
) -> Any:
    """Allow only logged-in users, on a handler or a whole controller. Others get a 401.

    The guard runs before the body is read. Without options, the parentheses may be left out.

    Arguments:
        target: the handler or controller, if the parentheses are left out.
        max_age: the greatest age of the login, a `timedelta` or seconds. An older login gets a 401 with
            `"code": "reauthenticate"`. Then the client asks for the password, and a handler calls `login()` again.
        login_page: a path of this site. A browser that asks for a page is redirected to it (303) instead of the 401. It
            gets the URL in `?next=`, and `next_page(ctx)` reads it.

    Raises `KickError`: `auth-max-age` and `auth-login-page`.

    >>> from kick import Controller, Delete, Get
    >>> @Authenticated(login_page="/login")
    ... @Controller("/account")
    ... class AccountController:
    ...     @Get()
    ...     async def show(self) -> str: return "..."
    ...     @Authenticated(max_age=timedelta(minutes=10))
    ...     @Delete()
    ...     async def close(self) -> None: ...
    """
    decorate = Use(authenticated(max_age=max_age, login_page=login_page))
    return decorate if target is None else decorate(target)


def Roles(*any_of: str, all_of: Collection[str] = (), login_page: str | None = None) -> Callable[[Target], Target]:
    """Allow only users with one of these roles, and with all of `all_of`.

    Other users get a 403, and anonymous users a 401.

    The roles are those of `login()`. The guard runs before the body is read. With several guards, all must agree.

    Arguments:
        any_of: the names of roles, of which a user needs one.
        all_of: the names of roles, of which a user needs all.
        login_page: a path of this site. A browser that asks for a page is redirected to it (303) if nobody is logged
            in. A user without the role gets the 403.

    Raises `KickError`: `auth-roles` and `auth-login-page`.

    >>> from kick import Controller, Get
    >>> @Controller("/reports")
    ... class ReportController:
    ...     @Roles("admin", "auditor")
    ...     @Get()
    ...     async def index(self) -> list[str]: return []
    """
    return Use(roles(*any_of, all_of=all_of, login_page=login_page))


def next_page(ctx: RequestContext[Any], default: str = "/") -> str:
    """Return the URL that the user asked for before the login: `?next=`, if it is a URL of this site.

    Arguments:
        ctx: the context of the request.
        default: the URL without a `?next=`.

    >>> from kick import Post, RequestContext
    >>> @Post("/login")
    ... async def log_in(self, ctx: RequestContext):
    ...     return ctx.redirect(next_page(ctx))
    """
    wanted = ctx.query.get("next", "")
    return wanted if wanted.startswith("/") and is_local(wanted, "") else default


def _shows_pages(ctx: RequestContext[Any]) -> bool:
    """Return true if a browser asks for a page, and not a script for data."""
    mode = ctx.headers.get("sec-fetch-mode")
    return "text/html" in ctx.headers.get("accept", "") if mode is None else mode == "navigate"


def _seconds(max_age: timedelta | float | None) -> float | None:
    if max_age is None:
        return None
    try:
        seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else float(max_age)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise KickError(
            "auth-max-age",
            cause=f"@Authenticated(max_age={max_age!r}): expected a timedelta or a number of seconds above 0.",
            fix="For example `@Authenticated(max_age=timedelta(minutes=10))`.",
        )
    return seconds


def _page_problems(login_page: object) -> list[KickError]:
    if login_page is None:
        return []
    fits = isinstance(login_page, str) and login_page.startswith("/") and is_local(login_page, "")
    return [] if fits and not set(str(login_page)) & set("?#") else [bad_login_page(login_page)]
