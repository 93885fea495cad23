"""`request_id()`: the id of a request, from a header or generated, sent in a response header."""

from __future__ import annotations

from typing import Any

from kick.cookies import is_token
from kick.errors import KickError
from kick.http import CallNext, Middleware, RequestContext, Response
from kick.http.request.request_id import current_request_id, usable_id
from kick.http.response.base import set_header


class RequestIdLayer(Middleware):
    """Middleware that `request_id()` returns."""

    uses_session = False

    def __init__(self, name: bytes, inbound: bool) -> None:
        self._name = name
        self._inbound = inbound

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Set the id of the request, and add it to the response."""
        name = self._name
        found = self._sent_with(ctx) if self._inbound else None
        ctx.request_id = request_id = found or ctx.request_id
        response = await call_next(ctx)
        set_header(response, name, request_id.encode("ascii"))
        return response

    def _sent_with(self, ctx: RequestContext[Any]) -> str | None:
        values = [value for name, value in ctx.scope["headers"] if name == self._name]
        text = values[0].decode("latin-1") if len(values) == 1 else ""
        return text if usable_id(text) else None


class LoggedRequestIdLayer(RequestIdLayer):
    """Middleware that `request_id(logs=True)` returns."""

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Set the id of the request, and add it to the response and to the records of `logging`."""
        if self._inbound:
            ctx.request_id = self._sent_with(ctx) or ctx.request_id
        before = current_request_id.get()
        current_request_id.set(ctx.request_id)

        async def forget(_: BaseException | None) -> None:
            current_request_id.set(before)

        ctx.on_end(forget)  # not after `call_next`: streams and background tasks run later
        return await super().__call__(ctx, call_next)


def request_id(*, header: str = "X-Request-ID", inbound: bool = False, logs: bool = False) -> RequestIdLayer:
    """Middleware that sends the id of each request, `ctx.request_id`, in a header of its response.

    Arguments:
        header: the header.
        inbound: use the id in the header of the request, if it is a token (RFC 9110, section 5.6.2) of at most 128
            characters. Only use it if your proxy sets the header. Otherwise clients choose the ids in your logs.
        logs: set `kick.telemetry.current_request_id`, so that records of `logging` have the id. List this middleware
            first.

    >>> from kick import bootstrap
    >>> from kick.testing import TestClient
    >>> with TestClient(bootstrap([], [request_id(inbound=True)])) as client:
    ...     client.get("/", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"]
    'abc-1'

    Raises `KickError`: `request-id-header` for an invalid header name.
    """
    if not is_token(header):
        raise KickError(
            "request-id-header",
            cause=f"request_id(header={header!r}): this is not a valid header name (RFC 9110, section 5.1).",
            fix='Use a common one: `request_id(header="X-Request-ID")`.',
        )
    layer = LoggedRequestIdLayer if logs else RequestIdLayer
    return layer(header.lower().encode("ascii"), inbound)
