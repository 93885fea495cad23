"""`RequestContext`: what every handler talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from kick.http.answer import OutgoingResponse
from kick.http.errors import NoSession
from kick.session.contents import SessionData
from kick.session.session import Session

if TYPE_CHECKING:
    DataT = TypeVar("DataT", default=SessionData)
else:
    DataT = TypeVar("DataT", default=Any)


class RequestContext(OutgoingResponse, Generic[DataT], eq=False):
    """One request and the response to it.

    With `session(data=UserSession)`, write `RequestContext[UserSession]`, and `ctx.session.data` has that type.

    A helper such as `json()` returns the response; the last one built is sent when the handler returns `None`.

    >>> from kick.http import Controller, Get
    >>> @Controller("/greeting")
    ... class GreetingController:
    ...     @Get()
    ...     async def greet(self, ctx: RequestContext) -> Response:
    ...         ctx.set_header("cache-control", "no-store")
    ...         return ctx.text(f"Hello, {ctx.query.get('name', 'world')}!")
    """

    _session: Session[Any] | None = None

    @property
    def session(self) -> Session[DataT]:
        """The session. Raises a `KickError` that says what to add where `session()` does not run."""
        if self._session is None:
            raise NoSession(f"{self.method} {self.path}", self.route is not None and self.route.session is False)
        return self._session
