"""Responses that a layer may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kick.http.response.base import Response

if TYPE_CHECKING:
    from kick.http.context.context import RequestContext


def own_response(ctx: RequestContext[Any], response: object) -> Response | None:
    """The response of the layers within, as this request's own; `None` for what is no response.

    Around a handler, other than around an application, a layer further in may have returned one that it keeps.
    """
    if response is ctx._response:
        return ctx._response
    return ctx._own(response) if isinstance(response, Response) else None
