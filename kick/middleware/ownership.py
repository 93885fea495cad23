"""Responses that a layer may change."""

from __future__ import annotations

from typing import Any

from kick.http.context.context import RequestContext
from kick.http.response.base import Response


def own_response(ctx: RequestContext[Any], response: object) -> Response | None:
    """The response of the layers within, as this request's own; `None` for what is no response.

    Around a handler, other than around an application, a layer further in may have returned one that it keeps.
    """
    if response is ctx._response:
        return ctx._response
    return ctx._own(response) if isinstance(response, Response) else None
