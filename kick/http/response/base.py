"""`Response`: that of Starlette, faster for bodies that are complete, and with safe headers."""

from __future__ import annotations

import re
from copy import copy
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, Self

from starlette.background import BackgroundTask
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse
from starlette.responses import Response as Response
from starlette.types import Receive, Scope, Send

from kick.cookies import is_token

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
HTML: Final = b"text/html; charset=utf-8"

_new: Final = object.__new__
_name_of: Final = itemgetter(0)
_NO_BODY: Final = frozenset({204, 205, 304})
_breaks_out: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
"""Finds characters that a header value must not contain (RFC 9110, section 5.5), such as line breaks."""


class HasSafeHeaders(Response):
    """A `Response` whose headers reject line breaks; see `SafeHeaders`."""

    @property
    def headers(self) -> MutableHeaders:
        """The headers, for reading and changing."""
        return SafeHeaders(raw=self.raw_headers)


class SafeResponse(HasSafeHeaders):
    """Base class of the responses that kick creates."""

    background: BackgroundTask | None

    def __copy__(self) -> Self:
        """Return a shallow copy. The default of `copy()` is slower, because it uses the methods for pickling."""
        own = _new(type(self))
        own.__dict__.update(self.__dict__)
        return own


class ReadyResponse(SafeResponse):
    """A `Response` whose body and content type are already bytes, so it is created quickly.

    >>> ReadyResponse(b"{}", 200, JSON).raw_headers
    [(b'content-length', b'2'), (b'content-type', b'application/json')]
    """

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


class HeadResponse(ReadyResponse):
    """The head of another response: the same status and headers, and no body (RFC 9110, section 9.3.2)."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status_code
        self.raw_headers = response.raw_headers
        self.background = response.background
        self.body = b""


class SafeHeaders(MutableHeaders):
    """Headers of a response that raise `ValueError` for line breaks and other invalid characters.

    >>> SafeHeaders()["location"] = "/\\r\\nset-cookie: sid=1"
    Traceback (most recent call last):
    ValueError: not a header: 'location': '/\\r\\nset-cookie: sid=1'
    """

    def __setitem__(self, key: str, value: str) -> None:
        header_line(key, value)
        super().__setitem__(key, value)

    def setdefault(self, key: str, value: str) -> str:
        """Return the value of a header; set it if it is missing."""
        header_line(key, value)
        return super().setdefault(key, value)

    def append(self, key: str, value: str) -> None:
        """Add a header, and keep those with the same name."""
        header_line(key, value)
        super().append(key, value)


def header_line(name: str, value: str) -> tuple[bytes, bytes]:
    """Return a header as it is sent, its name in lower case.

    >>> header_line("X-Count", "7")
    (b'x-count', b'7')

    Raises `ValueError` for a name that is no token (RFC 9110, section 5.1) and for a value that would break out of its
    line or is not latin-1 (section 5.5).
    """
    if not is_token(name) or _breaks_out(value):
        raise ValueError(f"not a header: {name!r}: {value!r}")
    return name.lower().encode("ascii"), value.strip(" \t").encode("latin-1")


def empty_response(status: int, *headers: tuple[bytes, bytes]) -> ReadyResponse:
    """Return a response without a body, with `Content-Length: 0`.

    >>> empty_response(303, (b"location", b"/")).raw_headers, empty_response(204).raw_headers
    ([(b'content-length', b'0'), (b'location', b'/')], [])
    """
    response = ReadyResponse(b"", status, TEXT)
    response.raw_headers = [*response.raw_headers[:1], *headers]
    return response


def head_of(response: Response) -> Response:
    """Return the response to HEAD for the response to GET.

    A file, and a response with `answers_head`, answers HEAD by itself.

    >>> head_of(ReadyResponse(b"{}", 200, JSON)).body
    b''
    """
    knows = isinstance(response, FileResponse) or getattr(response, "answers_head", False)
    return response if knows else HeadResponse(response)


def protected(response: Response) -> Response:
    """Check the headers of a response, and return the response with headers that reject line breaks.

    Raises `ValueError` if a header already contains one.
    """
    for name, value in response.raw_headers:
        header_line(name.decode("latin-1"), value.decode("latin-1"))
    if not isinstance(response, HasSafeHeaders):
        kind: Any = type(response)
        response.__class__ = _with_safe_headers(kind)
    return response


@lru_cache(maxsize=256)
def _with_safe_headers(kind: Any) -> Any:
    """Return a subclass of a response class with headers that reject line breaks.

    Starlette creates the headers itself, in a private attribute. So only a subclass can replace them.
    """
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind)(kind.__name__, (HasSafeHeaders, kind), names)


def own_copy(response: Response) -> Response:
    """Return a response with the same content and a copy of the headers.

    If a handler returns the same object several times, the cookies of one client must not be sent to the next.

    >>> kept = Response("pong")
    >>> own_copy(kept).headers["set-cookie"] = "sid=1"
    >>> "set-cookie" in kept.headers
    False
    """
    if type(response) is ReadyResponse:
        own = _new(ReadyResponse)
        own.status_code = response.status_code
        own.background = response.background
        own.body = response.body
        own.raw_headers = response.raw_headers[:]
        return own
    mine = response.__copy__() if isinstance(response, SafeResponse) else copy(response)
    mine.raw_headers = [*response.raw_headers]
    return mine if isinstance(response, SafeResponse) else protected(mine)


def set_header(response: Response, name: bytes, value: bytes) -> None:
    """Set a header and remove others with its name, which is in lower case."""
    headers = response.raw_headers
    if name in map(_name_of, headers):
        headers[:] = [header for header in headers if header[0] != name]
    headers.append((name, value))


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
