"""`Middleware`: the base class of middleware with options, a choice of routes, or clean-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from kick.errors import KickError
from kick.http.context.context import RequestContext
from kick.http.description import NOTHING, Description
from kick.http.response.base import Response
from kick.http.routing.route import Route
from kick.http.settings import Settings

Endpoint: TypeAlias = Callable[[RequestContext[Any]], Awaitable[Response]]
"""Takes a context and returns a response: a handler with everything around it."""

CallNext: TypeAlias = Endpoint
"""The rest of the chain, which middleware calls."""


class Middleware:
    """Base class of middleware that is more than a function `(ctx, call_next) -> Response`.

    A coroutine function is middleware too, with the defaults of this class. The same middleware can be used for the
    application, a module, a controller or a handler. Middleware of the application always receives a response, also for
    404, 405 and 500; the others see the exception. Middleware also runs for the handshake of a WebSocket: a GET request
    whose acceptance is a response with the status 101.

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
    """True if it may read or change the session. If nothing on a route uses the session, none is loaded."""

    optional: bool = False
    """True if it is left out of routes that do not use the session. `session()` sets it."""

    providers: Sequence[Any] = ()
    """Providers that it adds to the container."""

    health: Mapping[str, Callable[[], Any]] = {}
    """Checks for `Health()`, by name: functions that raise an error if the part is not healthy."""

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Handle a request, or pass it on."""
        return await call_next(ctx)

    async def admit(self, ctx: RequestContext[Any]) -> None:
        """Raise the `HTTPError` with which a guard rejects a request, if it does.

        A middleware further out calls this before it reads a body, so that an upload is rejected before it arrives.
        """

    def for_route(self, route: Route | None) -> Middleware | None:
        """Return the middleware that runs on a route: itself by default; `None` leaves it out.

        It is called at start-up: once for each route and each mount (whose method is `*`), and once with `None` for
        requests that no route matches. A `KickError` prevents the start.
        """
        return self

    def describe(self, route: Route | None) -> Description:
        """Return its part in the OpenAPI document of a route: errors, headers, security.

        It is called when the document is made, on the middleware that `for_route()` chose. `None` asks for a route of
        which nothing is known.
        """
        return NOTHING

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> Iterable[KickError]:
        """Return the mistakes in the order of a route's middleware; called at start-up, after `configure()`."""
        return ()

    def configure(self, settings: Settings) -> None:
        """Change the settings of the application; called once, at start-up, before `for_route()`."""

    async def start(self) -> None:
        """Prepare for requests, when a server starts the application. An error prevents the start."""

    async def aclose(self) -> None:
        """Release resources, when the application stops."""


async def admit(ctx: RequestContext[Any]) -> None:
    """Let each guard reject a request whose body is about to be read. Raises its `HTTPError`."""
    for layer in (*ctx.settings.layers, *(() if ctx.route is None else ctx.route.middleware)):
        if isinstance(layer, Middleware):
            await layer.admit(ctx)


AnyMiddleware: TypeAlias = Middleware | Callable[[RequestContext[Any], CallNext], Awaitable[Response]]
"""The type of the items in a list of middleware."""

HOOKS = (
    "uses_session",
    "optional",
    "providers",
    "health",
    "admit",
    "for_route",
    "describe",
    "check",
    "configure",
    "start",
    "aclose",
)
"""Names of attributes that have a meaning only on a `Middleware`."""
