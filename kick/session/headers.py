"""What a session reads in the headers of a request, and changes in those of a response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
"""Header names, in lower case, and values, as ASGI has them."""


def client_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Where a request comes from, by its ASGI scope, for the list of a person's devices.

    >>> client_of({"client": ("192.0.2.1", 50000), "headers": [(b"user-agent", b"curl/8")]})
    {'ip': '192.0.2.1', 'user_agent': 'curl/8'}
    """
    client = scope.get("client")
    agent: bytes = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return {"ip": None if client is None else client[0], "user_agent": agent.decode("latin-1")[:200]}


def finish_headers(headers: RawHeaders, *, accessed: bool, cookie: bytes | None) -> None:
    """Add the cookie, and say to caches what depends on it (RFC 9110, section 12.5.5; RFC 9111, section 5.2.2.5).

    >>> headers = [(b"vary", b"Accept"), (b"cache-control", b"public")]
    >>> finish_headers(headers, accessed=True, cookie=b"kick.sid=s:...")
    >>> headers
    [(b'vary', b'Accept, Cookie'), (b'set-cookie', b'kick.sid=s:...'), (b'cache-control', b'no-store')]
    """
    if accessed:
        for index, (name, value) in enumerate(headers):
            if name == b"vary":
                headers[index] = (name, _with_cookie(value))
                break
        else:
            headers.append((b"vary", b"Cookie"))
    if cookie is not None:
        headers[:] = [header for header in headers if header[0] != b"cache-control"]
        headers += [(b"set-cookie", cookie), (b"cache-control", b"no-store")]


def _with_cookie(vary: bytes) -> bytes:
    listed = {each.strip().lower() for each in vary.split(b",")}
    return vary if listed & {b"cookie", b"*"} else vary + b", Cookie"
