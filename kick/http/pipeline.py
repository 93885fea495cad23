"""Middleware around a handler, composed once; and exceptions made into responses."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kick.http.context import RequestContext
from kick.http.errors import NotMiddleware
from kick.http.problem import HTTPError, InternalServerError
from kick.http.response import TEXT, ReadyResponse, Response
from kick.http.routing import Endpoint, Route

logger: Final = logging.getLogger("kick.http")

CLIENT_CLOSED_REQUEST: Final = 499
"""The status in the log for a client that went away; nobody receives it."""

CallNext: TypeAlias = "Callable[[RequestContext[Any]], Awaitable[Response]]"
"""What middleware calls for the rest of the chain."""


@runtime_checkable
class Middleware(Protocol):
    """A coroutine function, or an object that can be called like one: `(ctx, call_next) -> Response`.

    It may also have

    * `for_route(route: Route | None) -> Middleware | None`: asked once for each route, at start-up, and once with
      `None` for requests that no route matches; what it returns runs there, `None` leaves it out;
    * `check(before, after) -> list[KickError]`: what is wrong with its place in the list;
    * `configure(settings)`: sets what the application decides about all requests;
    * `providers`: what it adds to the container;
    * `aclose()`: a coroutine method, awaited when the application stops.
    """

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Handle a request, or hand it on."""
        ...


def middleware_problem(layer: object) -> NotMiddleware | None:
    """Why something cannot be middleware; `None` when it can.

    >>> middleware_problem(print).cause
    'print is no middleware: it is not a coroutine function.'
    """
    if isinstance(layer, type):
        return NotMiddleware(layer, "it is a class")
    if not callable(layer):
        return NotMiddleware(layer, "it cannot be called")
    if not (inspect.iscoroutinefunction(layer) or inspect.iscoroutinefunction(type(layer).__call__)):
        return NotMiddleware(layer, "it is not a coroutine function")
    try:
        inspect.signature(layer).bind(object(), object())
    except TypeError:
        return NotMiddleware(layer, "it does not take two arguments, the context and call_next")
    return None


def for_route(layers: Iterable[Any], route: Route | None) -> list[Any]:
    """The middleware that has something to do for a route."""
    chosen: list[Any] = []
    for layer in layers:
        choose = getattr(layer, "for_route", None)
        here = layer if choose is None else choose(route)
        if here is not None:
            chosen.append(here)
    return chosen


def around(layers: Sequence[Any], endpoint: Endpoint) -> Endpoint:
    """`endpoint` inside of the layers, the first of which is the outermost; exceptions pass through them."""
    for layer in reversed(layers):
        endpoint = _layer(layer, endpoint)
    return endpoint


def answering(endpoint: Endpoint) -> Endpoint:
    """`endpoint`, with its exceptions made into responses, and what was set on the context put into them."""

    async def answer(ctx: RequestContext[Any]) -> Response:
        try:
            response: Response | None = await endpoint(ctx)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a response
            response = response_to(ctx, error)
        if response is None:
            response = no_response(ctx)
        if ctx._extra_headers is not None:
            ctx._finish(response)
        return response

    return answer


def guarded(layers: Sequence[Any], endpoint: Endpoint) -> Endpoint:
    """`endpoint` inside of the layers, each of which always sees a response, whatever happens within it.

    What the outermost raises is for the caller.
    """
    for layer in reversed(layers):
        endpoint = _layer(layer, answering(endpoint))
    return endpoint


def response_to(ctx: RequestContext[Any], error: Exception) -> Response:
    """The response to an exception: problem details for an `HTTPError`, an opaque 500 and a log entry for others."""
    if isinstance(error, HTTPError):
        if error.status >= 500 and error.__cause__ is not None:
            logger.error("%s %s: %s: %r", ctx.method, ctx.path, error, error.__cause__)
        return ctx._problem(error)
    if isinstance(error, HTTPException):
        if error.status_code >= 400:
            return ctx._problem(HTTPError(error.status_code, error.detail, headers=error.headers))
        return ReadyResponse(b"", error.status_code, TEXT)
    if isinstance(error, ClientDisconnect):
        return ReadyResponse(b"", CLIENT_CLOSED_REQUEST, TEXT)
    logger.error("%s %s failed, request id %s", ctx.method, ctx.path, ctx.request_id, exc_info=error)
    return ctx._problem(InternalServerError("The server made a mistake; it has been noted."))


def _layer(layer: Any, inner: Endpoint) -> Endpoint:
    def run(ctx: RequestContext[Any]) -> Awaitable[Response]:
        return layer(ctx, inner)  # type: ignore[no-any-return]

    return run


def no_response(ctx: RequestContext[Any]) -> Response:
    """The 500 for middleware that forgot to return."""
    return response_to(
        ctx, TypeError("middleware returned None: it must return a response, as in `return await call_next(ctx)`")
    )
