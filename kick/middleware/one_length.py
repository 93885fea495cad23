"""Refusal of requests with two lengths (request smuggling; RFC 9112, section 6.1)."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.exceptions import PROBLEM_JSON, BadRequest
from kick.http.request.body import closing
from kick.http.request.request_id import generate_request_id
from kick.http.response.base import ReadyResponse, header_line
from kick.http.validation.encoding import encode_json

_LENGTHS: Final = {b"content-length", b"transfer-encoding"}


class OneLength:
    """ASGI middleware that closes connections with requests that have a `Content-Length` and a `Transfer-Encoding`.

    A proxy in front may go by the other one of the two, and take a part of the body for the next request. httptools
    refuses such requests; h11, which uvicorn and Hypercorn use, does not.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http" and {name for name, _ in scope["headers"]} >= _LENGTHS:
            error = BadRequest(
                "A request has one length: Content-Length, or Transfer-Encoding.", headers=closing(scope)
            )
            response = ReadyResponse(
                encode_json(error.problem(generate_request_id())), 400, PROBLEM_JSON.encode("ascii")
            )
            response.raw_headers += [header_line(name, value) for name, value in error.headers.items()]
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)
