"""Responses that are safe to change."""

from __future__ import annotations

from typing import Any

from kick.http import RequestContext, Response


def own_response(ctx: RequestContext[Any], response: object) -> Response | None:
    """Return a response that this request may change; `None` for an object that is not a response.

    It is a copy if other middleware may return the same object again, as around a handler.
    """
    if response is ctx.response:
        return ctx.response
    return ctx.adopt_response(response) if isinstance(response, Response) else None
