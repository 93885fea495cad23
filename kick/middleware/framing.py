"""Refusal of requests that a proxy may understand otherwise (request smuggling; RFC 9112, section 11.2)."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.exceptions import PROBLEM_JSON, BadRequest
from kick.http.request.body import closing
from kick.http.request.request_id import generate_request_id
from kick.http.response.base import ReadyResponse, header_line
from kick.http.validation.encoding import encode_json

RawHeaders = list[tuple[bytes, bytes]]

_LENGTHS: Final = {b"content-length", b"transfer-encoding"}


class CheckedFraming:
    """ASGI middleware that closes connections with requests whose end two servers may see at different places.

    * A request has a `Content-Length` or a `Transfer-Encoding` (RFC 9112, section 6.1). A proxy in front may go by the
      other one of the two, and take a part of the body for the next request. httptools refuses such requests; h11,
      which uvicorn and Hypercorn use, does not.
    * A request with a body does not ask for another protocol. httptools does not read this body, and uvicorn takes it
      for the next request, with whatever headers the client has put there. `kick start` reads it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            names = {name for name, _ in scope["headers"]}
            if names >= _LENGTHS:
                await _refuse("A request has one length: Content-Length, or Transfer-Encoding.", scope, receive, send)
                return
            if (b"upgrade" in names or scope["method"] == "CONNECT") and has_body(scope["headers"]):
                await _refuse("A request that asks for another protocol has no body.", scope, receive, send)
                return
        await self._app(scope, receive, send)


def has_body(headers: RawHeaders) -> bool:
    """Return whether a request announces a body that is not empty (RFC 9112, section 6).

    >>> has_body([(b"content-length", b"00")]), has_body([(b"transfer-encoding", b"chunked")])
    (False, True)
    """
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0") != b"")
        for name, value in headers
    )


def drop_upgrade(headers: RawHeaders) -> None:
    """Drop an `Upgrade` that the server ignores (RFC 9110, section 7.8)."""
    if any(name == b"upgrade" for name, _ in headers):
        headers[:] = [header for header in headers if header[0] != b"upgrade"]


async def _refuse(detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    error = BadRequest(detail, headers=closing(scope))
    response = ReadyResponse(encode_json(error.problem(generate_request_id())), 400, PROBLEM_JSON.encode("ascii"))
    response.raw_headers += [header_line(name, value) for name, value in error.headers.items()]
    await response(scope, receive, send)
