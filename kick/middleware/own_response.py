"""Responses that middleware may change."""

from __future__ import annotations

from typing import Any

from kick.http import RequestContext, Response


def own_response(ctx: RequestContext[Any], response: object) -> Response | None:
    """Return the response of the layers within, as this request's own; `None` for what is no response.

    Around a handler, other than around an application, a layer further in may have returned one that it keeps.
    """
    if response is ctx.response:
        return ctx.response
    return ctx.adopt_response(response) if isinstance(response, Response) else None
