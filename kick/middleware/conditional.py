"""`conditional()`: ETags for complete bodies, and 304 for clients that have the current version."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from kick.http import CallNext, Description, Middleware, RequestContext, Response, Route
from kick.http.response.base import ReadyResponse
from kick.http.response.etags import SAFE, Outcome, evaluate, not_modified, parse_http_date


class ConditionalLayer(Middleware):
    """Middleware that `conditional()` returns."""

    uses_session = False

    def for_route(self, route: Route | None) -> ConditionalLayer | None:
        """Return this middleware if the route answers GET."""
        return self if route is not None and route.method in SAFE else None

    def describe(self, route: Route | None) -> Description:
        """Return the 304, and the header that asks for it."""
        headers = {"If-None-Match": "The ETag of the version that the client has."}
        return Description(responses={304: "Not Modified"}, headers=headers)

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Add an ETag to the response, or make it a 304 if the client has the current version."""
        response = await call_next(ctx)
        if not isinstance(response, ReadyResponse) or response.status_code != 200:
            return response
        held = dict(response.raw_headers)
        if b"no-store" in held.get(b"cache-control", b""):
            return response
        etag = held.get(b"etag")
        if etag is None:
            etag = b'W/"%s"' % blake2b(response.body, digest_size=16).hexdigest().encode("ascii")
            response.raw_headers.append((b"etag", etag))
        modified = parse_http_date(held.get(b"last-modified", b"").decode("latin-1"))
        outcome = evaluate("GET", ctx.headers, etag=etag.decode("latin-1"), modified=modified)
        return not_modified(response) if outcome is Outcome.NOT_MODIFIED else response


def conditional() -> ConditionalLayer:
    """Middleware that adds an ETag to each complete body, and sends a 304 to a client that has the same body.

    The handler runs in any case; only the transfer of the body is saved. Streams, responses with `Cache-Control:
    no-store`, and files, which have their own ETags, are not changed. The ETag is weak, because a proxy may compress
    the body.

    >>> from kick import Controller, Get, Module, bootstrap
    >>> @Controller("/prices")
    ... class PriceController:
    ...     @Get()
    ...     async def prices(self) -> dict[str, int]:
    ...         return {"apples": 3}
    >>> app = bootstrap([Module("prices", controllers=[PriceController])], middleware=[conditional()])
    >>> from kick.testing import TestClient
    >>> with TestClient(app) as client:
    ...     tag = client.get("/prices").headers["etag"]
    ...     client.get("/prices", headers={"if-none-match": tag}).status_code
    304
    """
    return ConditionalLayer()
