"""Allowed hosts: parsing and checking of the `Host` header (RFC 9110, section 7.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import AddressValueError, IPv6Address
from typing import Any, Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.errors import KickError
from kick.exceptions import PROBLEM_JSON, BadRequest
from kick.http.request.request_id import generate_request_id
from kick.http.response.base import ReadyResponse
from kick.http.validation.encoding import encode_json

_SHAPE: Final = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?").fullmatch
_LABELS: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*").fullmatch
_MOST_PORTS: Final = 65535

REFUSAL: Final = "This server does not serve the host of this request."


class Host(NamedTuple):
    """The host of a request in lower case, without a final dot; an IPv6 address has no brackets."""

    name: str
    port: int | None = None


def parse_host(text: str) -> Host | None:
    """Parse a `Host` header; `None` for an invalid one (RFC 3986, section 3.2.2).

    >>> parse_host("Example.COM.:8000"), parse_host("[2001:DB8::1]")
    (Host(name='example.com', port=8000), Host(name='2001:db8::1', port=None))
    >>> [parse_host(text) for text in ("", "a b", "evil.test/", "user@host", "a..b", "[::1", "h:99999")]
    [None, None, None, None, None, None, None]
    """
    found = _SHAPE(text)
    if found is None:
        return None
    name, digits = found[1], found[2]
    port = int(digits) if digits else None
    if port is not None and port > _MOST_PORTS:
        return None
    if name[0] == "[":
        try:
            return Host(str(IPv6Address(name[1:-1])), port)
        except AddressValueError:
            return None
    name = name.lower().removesuffix(".")
    return Host(name, port) if _LABELS(name) else None


def bad_allowed_host(given: object) -> KickError:
    """Return the error for an entry of `allowed_hosts=` that is not a host."""
    return KickError(
        "allowed-host",
        cause=f"allowed_hosts has {given!r}, which is not a host name or IP address.",
        fix='Write each host without scheme and port, and sub-domains with a star: `allowed_hosts=["example.com", '
        '"*.example.com"]`.',
    )


class HostPatterns:
    """Patterns of the allowed hosts.

    >>> hosts = HostPatterns(["example.com", "*.example.org", "::1"])
    >>> [hosts.allow(each) for each in (b"EXAMPLE.com:8000", b"a.b.example.org.", b"[::1]")]
    [True, True, True]
    >>> [hosts.allow(each) for each in (b"example.org", b"evilexample.org", b"example.com.evil.test", b"a b")]
    [False, False, False, False]
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        names = [each.lower().removesuffix(".") for each in patterns]
        self._suffixes = tuple(each[1:] for each in names if each[0] == "*")
        self._names = frozenset(_as_parsed(each) for each in names if each[0] != "*")
        self._usual = frozenset(each.encode() for each in self._names if ":" not in each)

    def allow(self, value: bytes) -> bool:
        """Return true if a `Host` header has an allowed host, with any port."""
        if value in self._usual:
            return True
        host = parse_host(value.decode("latin-1"))
        if host is None:
            return False
        return host.name in self._names or (bool(self._suffixes) and host.name.endswith(self._suffixes))


def host_problems(given: Any) -> list[KickError]:
    """Return the errors in the list `allowed_hosts=`."""
    return [bad_allowed_host(each) for each in given if not _is_pattern(each)]


def _as_parsed(name: str) -> str:
    """Return the name in the form of `parse_host`."""
    return str(IPv6Address(name.strip("[]"))) if ":" in name else name


def _is_pattern(given: Any) -> bool:
    if not isinstance(given, str):
        return False
    if ":" in given.strip("[]"):
        try:
            return bool(IPv6Address(given.strip("[]")))
        except AddressValueError:
            return False
    host = parse_host(given.removeprefix("*."))
    return host is not None and host.port is None


class AllowedHosts:
    """ASGI middleware that responds with 400 if a request has no allowed host, or several hosts.

    A WebSocket is rejected before it is accepted.

    Arguments:
        allow: returns true if the value of a `Host` header is allowed, such as `HostPatterns([...]).allow`.
        detail: the text of the response.
    """

    def __init__(self, app: ASGIApp, allow: Callable[[bytes], bool], *, detail: str = REFUSAL) -> None:
        self._app = app
        self._allow = allow
        self._detail = detail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        kind = scope["type"]
        if kind not in ("http", "websocket") or self._is_allowed(scope):
            await self._app(scope, receive, send)
        elif kind == "http":
            await _refusal(self._detail)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})

    def _is_allowed(self, scope: Scope) -> bool:
        found: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                if found is not None:
                    return False
                found = value
        return found is not None and self._allow(found)


def _refusal(detail: str) -> ReadyResponse:
    error = BadRequest(detail)
    return ReadyResponse(encode_json(error.problem(generate_request_id())), 400, PROBLEM_JSON.encode("ascii"))
