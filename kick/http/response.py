"""`Response`: Starlette's, made cheap for bodies that are ready."""

from __future__ import annotations

from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import Response as Response
from starlette.types import Receive, Scope, Send

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
HTML: Final = b"text/html; charset=utf-8"

_NO_BODY: Final = frozenset({204, 205, 304})


class ReadyResponse(Response):
    """A `Response` whose body and content type are bytes already, so that nothing is left to work out.

    >>> ReadyResponse(b"{}", 200, JSON).raw_headers
    [(b'content-length', b'2'), (b'content-type', b'application/json')]
    """

    background: BackgroundTask | None

    def __init__(self, body: bytes, status: int, content_type: bytes) -> None:
        self.status_code = status
        self.background = None
        if status in _NO_BODY:
            self.body = b""
            self.raw_headers = []
        else:
            self.body = body
            self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", content_type)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})
        if self.background is not None:
            await self.background()


class HeadResponse(Response):
    """The head of another response: the same status and headers, and no body (RFC 9110, section 9.3.2)."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status_code
        self.raw_headers = response.raw_headers
        self.background = response.background
        self.body = b""


def set_header(response: Response, name: bytes, value: bytes) -> None:
    """Set a header in place of those of that name; `name` is in lower case."""
    headers = [header for header in response.raw_headers if header[0] != name]
    headers.append((name, value))
    response.raw_headers[:] = headers


def add_vary(response: Response, field: bytes) -> None:
    """Name `field` in `Vary` (RFC 9110, section 12.5.5), once.

    >>> response = ReadyResponse(b"{}", 200, JSON)
    >>> add_vary(response, b"Cookie"), add_vary(response, b"Cookie"), response.headers["vary"]
    (None, None, 'Cookie')
    """
    headers = response.raw_headers
    for index, (name, value) in enumerate(headers):
        if name == b"vary":
            listed = [each.strip().lower() for each in value.split(b",")]
            if field.lower() not in listed and b"*" not in listed:
                headers[index] = (name, value + b", " + field)
            return
    headers.append((b"vary", field))
