"""`RequestContext`: the request, and helpers for the response."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, Generic

from starlette.requests import Request
from typing_extensions import TypeVar

import kick.session
from kick.http.context.responses import ResponseHelpers
from kick.http.context.shared_request import SharedRequest
from kick.http.errors import NoSession, missing_session
from kick.http.routing.urls import URLs, below_root

if TYPE_CHECKING:
    from kick.session.data.mapping import SessionData

    DataT = TypeVar("DataT", default=SessionData)
else:
    DataT = TypeVar("DataT", default=Any)


_NONCE: Final = "_csp_nonce"
"""The name of the nonce in `state`."""


class RequestContext(ResponseHelpers, Generic[DataT], eq=False):
    """One request and the response to it.

    With `session(data=UserSession)`, write `RequestContext[UserSession]`, and `ctx.session.data` has that type.

    A helper such as `json()` returns the response. If the handler returns `None`, the last one built is sent.

    >>> from kick.http import Controller, Get
    >>> @Controller("/greeting")
    ... class GreetingController:
    ...     @Get()
    ...     async def greet(self, ctx: RequestContext) -> Response:
    ...         ctx.set_header("cache-control", "no-store")
    ...         return ctx.text(f"Hello, {ctx.query.get('name', 'world')}!")
    """

    session_path: str | None = None
    """The path of the session cookie, if the request is outside of it."""

    @property
    def session(self) -> kick.session.Session[DataT]:
        """The session. If `session()` does not run, this raises a `KickError` that says what to add."""
        if self.opened_session is None:
            raise missing_session(self._place, self._why_no_session)
        return self.opened_session

    @session.setter
    def session(self, value: object) -> None:
        # `ctx.session |= {...}` assigns what it has changed in place.
        if value is not self.opened_session:
            raise AttributeError("ctx.session cannot be replaced: assign to ctx.session.data")

    @property
    def request(self) -> Request:
        """The Starlette request, for everything else. `ctx.request.session` is the session, as a `dict`."""
        request = super().request
        opened = self.opened_session
        if isinstance(request, SharedRequest) and opened is not None and request.find_session is None:
            request.find_session = lambda: kick.session.RequestSession(opened.state, opened.operations)
        return request

    @property
    def _place(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def _why_no_session(self) -> NoSession:
        if self.session_path is not None:
            return NoSession.OUTSIDE_PATH
        if self.route is not None and self.route.session is False:
            return NoSession.SWITCHED_OFF
        return NoSession.MOUNT if "kick.mount" in self.scope else NoSession.NO_MIDDLEWARE

    @property
    def csp_nonce(self) -> str:
        """The nonce that allows a script or style of this response to run: `<script nonce="{{ ctx.csp_nonce }}">`.

        It is generated at the first access; then `security_headers()` adds it to the policy.
        """
        nonce = self.generated_csp_nonce
        if nonce is None:
            nonce = secrets.token_urlsafe(18)
            setattr(self.state, _NONCE, nonce)
        return nonce

    @property
    def generated_csp_nonce(self) -> str | None:
        """The nonce for this response, if `csp_nonce` has been used; `None` otherwise."""
        return None if self._state is None else getattr(self._state, _NONCE, None)

    def url_for(self, name: str, /, **values: Any) -> str:
        """Return the path of a route by its name, percent-encoded, below the server's `root_path`.

        Names are `Controller.method`, or the `name=` of the decorator; `kick routes` lists them. If several modules
        have a route with the name, the route of this request's own module is used, or that of `"module:name"`. An
        application mounted at `/assets` in the module `web` has the name `"web.assets"`, and `path=` for a path in it.

        Values that are not in the path become the query string: a list once for each of its items, and `None` not at
        all. If a handler has several paths, the one that uses the most values is returned.

        >>> from kick.http import Controller, Get
        >>> @Controller("/users")
        ... class UserController:
        ...     @Get("/{user_id}")
        ...     async def show(self, ctx: RequestContext, user_id: int) -> str:
        ...         return ctx.url_for("UserController.show", user_id=user_id + 1, tab="all posts")
        >>> from kick import Module, bootstrap
        >>> from kick.testing import TestClient
        >>> with TestClient(bootstrap([Module("users", controllers=[UserController])])) as client:
        ...     client.get("/users/7").json()
        '/users/8?tab=all%20posts'

        Raises `KickError`: `url-name`, `url-ambiguous`, and `url-value` for a value that is missing or that the route
        does not accept.
        """
        urls = self.settings.urls or URLs()
        path = urls.path_for(name, values, module=None if self.route is None else self.route.module)
        return below_root(self.scope.get("root_path", ""), path)
