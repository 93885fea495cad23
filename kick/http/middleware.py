"""`Middleware`: the base class of middleware that has options, knows its routes, or cleans up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from kick.errors import KickError
from kick.http.context.context import RequestContext
from kick.http.response.base import Response
from kick.http.routing.route import Route
from kick.http.settings import Settings

Endpoint: TypeAlias = Callable[[RequestContext[Any]], Awaitable[Response]]
"""Takes a context and returns a response: a handler with everything around it."""

CallNext: TypeAlias = Endpoint
"""The rest of the chain, as middleware calls it."""


class Middleware:
    """Base class of middleware that is more than a function `(ctx, call_next) -> Response`.

    A coroutine function is middleware too, with the defaults of this class. Middleware is the same for the
    application, a module, a controller and a handler. That of the application always sees a response, for 404, 405
    and 500 too; the others see the exception. It runs for the handshake of a WebSocket as well, a GET request, up to
    its acceptance, a response with the status 101.

    >>> class no_store(Middleware):
    ...     uses_session = False
    ...     async def __call__(self, ctx: RequestContext, call_next: CallNext) -> Response:
    ...         response = await call_next(ctx)
    ...         response.headers["cache-control"] = "no-store"
    ...         return response
    >>> no_store().for_route(None) is not None
    True
    """

    uses_session: bool = True
    """True if it may read or change the session. Where nothing around a route uses the session, none is loaded."""

    optional: bool = False
    """True if it is left out of routes where nothing uses the session. `session()` sets it."""

    providers: Sequence[Any] = ()
    """Providers that it adds to the container."""

    health: Mapping[str, Callable[[], Any]] = {}
    """Checks for `Health()`, by name: functions that raise when something is wrong."""

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Handle a request, or pass it on."""
        return await call_next(ctx)

    def for_route(self, route: Route | None) -> Middleware | None:
        """Return the middleware that runs on a route: itself by default; `None` leaves it out.

        It is called at start-up: once for each route and each mount (whose method is `*`), and once with `None` for
        requests that no route matches. A `KickError` stops the start.
        """
        return self

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> Iterable[KickError]:
        """Return the mistakes in its place among the middleware of a route; called at start-up."""
        return ()

    def configure(self, settings: Settings) -> None:
        """Change the settings of the application; called once, at start-up, before `for_route()`."""

    async def start(self) -> None:
        """Do what comes before the first request, when a server starts the application. An error stops the start."""

    async def aclose(self) -> None:
        """Release what it holds, when the application stops."""


AnyMiddleware: TypeAlias = Middleware | Callable[[RequestContext[Any], CallNext], Awaitable[Response]]
"""Whatever can stand in a list of middleware."""

HOOKS = ("uses_session", "optional", "providers", "health", "for_route", "check", "configure", "start", "aclose")
"""Names that count on a `Middleware` only."""
