"""The endpoint of requests that match no route."""

from __future__ import annotations

from typing import Any

from kick.exceptions import MethodNotAllowed, NotFound
from kick.http.context.context import RequestContext
from kick.http.response.base import Response, empty_response
from kick.http.routing.router import Miss


async def unmatched(ctx: RequestContext[Any]) -> Response:
    """Return the response to a request that matches no route: a 404, a 405, a redirect, or that to OPTIONS."""
    miss = ctx.miss or Miss()
    if ctx.method == "OPTIONS" and ctx.path == "*":
        return empty_response(204)
    if miss.error is not None:
        raise miss.error
    if miss.location is not None:
        return empty_response(301 if ctx.method in ("GET", "HEAD") else 308, (b"location", miss.location))
    if not miss.allowed:
        raise NotFound(f"There is nothing at {ctx.path}.")
    allow = sorted({*miss.allowed, "OPTIONS"})
    if ctx.method == "OPTIONS":
        return empty_response(204, (b"allow", ", ".join(allow).encode("ascii")))
    raise MethodNotAllowed(f"{ctx.method} is not possible at {ctx.path}.", allow=allow)
