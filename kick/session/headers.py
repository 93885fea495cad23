"""What a session changes in the headers of a response."""

from __future__ import annotations

from typing import TypeAlias

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
"""Header names, in lower case, and values, as ASGI has them."""


def finish_headers(headers: RawHeaders, *, accessed: bool, cookie: bytes | None) -> None:
    """Add the cookie, and say to caches what depends on it (RFC 9110, section 12.5.5; RFC 9111, section 5.2.2.5).

    >>> headers = [(b"vary", b"Accept"), (b"cache-control", b"public")]
    >>> finish_headers(headers, accessed=True, cookie=b"kick.sid=s:...")
    >>> headers
    [(b'vary', b'Accept, Cookie'), (b'set-cookie', b'kick.sid=s:...'), (b'cache-control', b'no-store')]
    """
    if accessed:
        _vary_by_cookie(headers)
    if cookie is not None:
        headers[:] = [header for header in headers if header[0] != b"cache-control"]
        headers += [(b"set-cookie", cookie), (b"cache-control", b"no-store")]


def _vary_by_cookie(headers: RawHeaders) -> None:
    for index, (name, value) in enumerate(headers):
        if name == b"vary":
            listed = {each.strip().lower() for each in value.split(b",")}
            if not listed & {b"cookie", b"*"}:
                headers[index] = (name, value + b", Cookie")
            return
    headers.append((b"vary", b"Cookie"))
