"""Middleware around handlers, composed at start-up, and the responses to exceptions."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kick.di.hints import takes
from kick.errors import KickError
from kick.exceptions import HTTPError, InternalServerError
from kick.http.context.context import RequestContext
from kick.http.context.responses import NOT_BUILT
from kick.http.errors import not_middleware
from kick.http.exception_handlers import find_handler, keep_unhandled, report_failure
from kick.http.log_text import one_line, shown
from kick.http.middleware import HOOKS, AnyMiddleware, Endpoint, Middleware
from kick.http.response.background import Background
from kick.http.response.base import Response, empty_response, head_of, header_line
from kick.http.routing.route import Route

logger: Final = logging.getLogger("kick.http")

CLIENT_CLOSED_REQUEST: Final = 499
"""The status in the log if the client has disconnected. It is never sent."""

_word: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def middleware_problem(layer: object) -> KickError | None:
    """Return the reason why something cannot be middleware; `None` if it can.

    >>> middleware_problem(print).cause
    'print is no middleware: it is not a coroutine function.'
    """
    if isinstance(layer, type):
        return not_middleware(layer, "it is a class")
    if not callable(layer):
        return not_middleware(layer, "it cannot be called")
    if not (inspect.iscoroutinefunction(layer) or inspect.iscoroutinefunction(type(layer).__call__)):
        return not_middleware(layer, "it is not a coroutine function")
    if not takes(layer, 2):
        return not_middleware(layer, "it does not take two arguments, the context and call_next")
    hook = next((name for name in HOOKS if hasattr(layer, name)), None)
    if hook is not None and not isinstance(layer, Middleware):
        return not_middleware(layer, f"it has {hook!r}, and does not inherit from kick.Middleware")
    return None


def for_route(layers: Iterable[AnyMiddleware], route: Route | None) -> list[AnyMiddleware]:
    """Return the middleware that runs on a route.

    >>> class Skipped(Middleware):
    ...     def for_route(self, route): return None
    >>> for_route([Skipped()], None)
    []
    """
    chosen: list[AnyMiddleware] = []
    for layer in layers:
        here = layer.for_route(route) if isinstance(layer, Middleware) else layer
        if here is not None:
            chosen.append(here)
    return chosen


def uses_session(layer: AnyMiddleware) -> bool:
    """Return whether middleware may use the session: a function may, a `Middleware` says so.

    >>> async def timing(ctx, call_next): return await call_next(ctx)
    >>> class Blind(Middleware): uses_session = False
    >>> uses_session(timing), uses_session(Blind())
    (True, False)
    """
    return not isinstance(layer, Middleware) or (layer.uses_session and not layer.optional)


def is_optional(layer: AnyMiddleware) -> bool:
    """Return true if middleware is left out of routes that do not use the session."""
    return isinstance(layer, Middleware) and layer.optional


def layers_of(layers: Iterable[Any], route: Route) -> tuple[list[Any], list[Any]]:
    """Return the middleware of the application, and that of the module, controller and method, as a route has it."""
    outer, inner = for_route(layers, route), for_route(route.middleware, route)
    return (without_idle_session(outer, inner) if route.has_no_session else outer), inner


def without_idle_session(outer: list[Any], inner: Sequence[Any] = ()) -> list[Any]:
    """Return the middleware without that which serves only others that may use the session, if none of them may."""
    needed = any(map(uses_session, (*outer, *inner)))
    return outer if needed else [layer for layer in outer if not is_optional(layer)]


def chain_of(layers: Iterable[Any], route: Route | None) -> list[tuple[str, str]]:
    """Return the steps of a request to a route, outermost first: the kind and the name of each."""
    if route is None:
        return [("application", name_of(layer)) for layer in for_route(layers, route)]
    outer, inner = layers_of(layers, route)
    steps = [("application", name_of(layer)) for layer in outer] + [("route", name_of(layer)) for layer in inner]
    return [*steps, ("handler", route.place)]


def around(layers: Sequence[Any], endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with middleware around it, the first outermost. Middleware sees the exceptions."""
    for layer in reversed(layers):
        endpoint = _layer(layer, endpoint)
    return endpoint


def guarded(layers: Sequence[Any], endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with middleware around it. Exceptions become responses before the next middleware sees them.

    An exception of the outermost middleware is raised to the caller.
    """
    for layer in reversed(layers):
        endpoint = _layer(layer, _answering(endpoint))
    return endpoint


def hiding_session(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint to whose code the session of the context is not visible."""

    async def endpoint_without_session(ctx: RequestContext[Any]) -> Response:
        opened, ctx.opened_session = ctx.opened_session, None
        try:
            return await endpoint(ctx)
        finally:
            ctx.opened_session = opened

    return endpoint_without_session


def settled(ctx: RequestContext[Any], returned: Any) -> Response:
    """Return a copy of the response that middleware returned, because middleware may return the same object again."""
    if isinstance(returned, Response):
        try:
            return ctx.adopt_response(returned)
        except ValueError as error:
            return response_to(ctx, error)
    route = ctx.route
    names = [getattr(each, "__qualname__", name_of(each)) for each in (() if route is None else route.middleware)]
    layers = ", ".join(names) or "the middleware"
    given = "None" if returned is None or returned is NOT_BUILT else f"a {type(returned).__qualname__}"
    place = f"{ctx.method} {shown(ctx.path)}" if route is None else route.place
    return response_to(
        ctx,
        TypeError(
            f"middleware around {place} ({layers}, or that of the application) returned {given} in place of a "
            "response: end it with `return await call_next(ctx)`"
        ),
    )


def finished(ctx: RequestContext[Any]) -> Response:
    """Return the response with the headers of the context; a 500 if one of its own headers is invalid."""
    try:
        return ctx.finish_response()
    except ValueError as error:  # a header of middleware contains a line break
        response_to(ctx, error)
        return ctx.finish_response()


def response_to(ctx: RequestContext[Any], error: Exception) -> Response:
    """Return the response to an exception: problem details of an `HTTPError`, else an opaque 500 with a log entry."""
    try:
        response = _known(ctx, error)
    except Exception as failure:  # noqa: BLE001  # an HTTPError whose extensions cannot be encoded as JSON
        failure.__context__ = error
        response, error = None, failure
    _drop_background(ctx)
    if response is None:
        keep_unhandled(ctx, error)
        report_failure(ctx, error)
        response = _explained(ctx, error) if ctx.settings.debug else ctx.problem_response(_opaque())
    ctx.response = response = head_of(response) if ctx.method == "HEAD" else response
    return response


async def answer_error(ctx: RequestContext[Any], error: Exception) -> Response:
    """Return the response of the application's handler for an exception; without one, that of `response_to`.

    An exception of this handler gets the same response as an exception of the request.
    """
    handler = find_handler(ctx.settings.exception_handlers, error)
    if handler is None:
        return response_to(ctx, error)
    _drop_background(ctx)
    ctx.response = NOT_BUILT
    try:
        returned = await handler(ctx, error)
        if not isinstance(returned, Response):
            kind = type(returned).__qualname__
            raise TypeError(f"the exception handler {name_of(handler)} returned a {kind} in place of a response")
        response = ctx.adopt_response(returned)
    except Exception as failure:  # noqa: BLE001  # whatever it is becomes a response
        return response_to(ctx, failure)
    ctx.response = response = head_of(response) if ctx.method == "HEAD" else response
    return response


def _drop_background(ctx: RequestContext[Any]) -> None:
    """Drop the background tasks of a handler that failed."""
    for cleanup in ctx.cleanups or ():
        if isinstance(getattr(cleanup, "__self__", None), Background):
            cleanup.__self__.drop()  # type: ignore[attr-defined]


def _opaque(**extensions: Any) -> HTTPError:
    return InternalServerError("The server had an unexpected error, which was logged.", **extensions)


def _explained(ctx: RequestContext[Any], error: Exception) -> Response:
    """Return a response that explains an error to the developer: a page for a browser, extensions for other clients."""
    try:
        from kick.http.debug.page import error_page, prefers_html, readable_trace

        if prefers_html(ctx.headers.get("accept", "")):
            ctx.response = response = error_page(ctx, error, chain_of(ctx.settings.layers, ctx.route))
            return response
        return ctx.problem_response(_opaque(exception=type(error).__qualname__, trace=readable_trace(error)))
    except Exception:
        logger.exception("the error could not be explained, request id %s", ctx.request_id)
        return ctx.problem_response(_opaque())


def _known(ctx: RequestContext[Any], error: Exception) -> Response | None:
    if isinstance(error, HTTPError):
        if error.status >= 500 and error.__cause__ is not None:
            logger.error("%s %s: %s: %r", ctx.method, shown(ctx.path), one_line(str(error)), error.__cause__)
        return ctx.problem_response(error)
    if isinstance(error, HTTPException):
        headers = error.headers or {}
        if 400 <= error.status_code <= 599:
            return ctx.problem_response(HTTPError(error.status_code, error.detail, headers=headers))
        return empty_response(error.status_code, *(header_line(name, value) for name, value in headers.items()))
    if isinstance(error, ClientDisconnect):
        return empty_response(CLIENT_CLOSED_REQUEST)
    return None


def _answering(endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with a response for each exception."""

    async def answer(ctx: RequestContext[Any]) -> Response:
        try:
            response = await endpoint(ctx)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a response
            return await answer_error(ctx, error)
        return response if response is ctx.response else settled(ctx, response)

    return answer


def _layer(layer: Any, inner: Endpoint) -> Endpoint:
    call = layer if inspect.isfunction(layer) else layer.__call__  # found once instead of at every request

    def run(ctx: RequestContext[Any]) -> Awaitable[Response]:
        return call(ctx, inner)  # type: ignore[no-any-return]

    return run


def name_of(layer: Any) -> str:
    """Return the name of middleware, as it is written in an application.

    >>> class RateLimitLayer: ...
    >>> name_of(RateLimitLayer()), name_of(for_route)
    ('rate_limit', 'for_route')
    """
    name = getattr(layer, "__qualname__", None)
    if name is not None:
        return str(name.partition(".<locals>")[0])
    words = _word.sub("_", type(layer).__name__).lower()
    return str(words.removesuffix("_middleware").removesuffix("_layer"))
