"""The origins whose pages may open a WebSocket.

A browser allows pages of any site to connect, and sends the cookies with the handshake. Without a check of `Origin`, a
page of another site could act as the logged-in user (RFC 6455, section 10.2; cross-site WebSocket hijacking).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

ANY: Final = "*"

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_is_origin: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@\\]+").fullmatch
_begins: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^\s/?#@\\]+)").match


def may_connect(headers: Iterable[tuple[bytes, bytes]], scheme: str, allowed: Collection[str]) -> bool:
    """Return true if a handshake comes from a page of the application, from an allowed origin, or from no browser.

    `scheme` is that of the handshake, `http` or `https`. With `http`, a page with https is accepted too, because a
    proxy may terminate TLS.

    >>> may_connect([(b"host", b"example.com"), (b"origin", b"https://example.com")], "https", ())
    True
    >>> may_connect([(b"host", b"example.com"), (b"origin", b"https://evil.example")], "https", ())
    False
    >>> may_connect([(b"host", b"example.com")], "https", ())
    True
    """
    origins: list[str] = []
    hosts: list[str] = []
    for name, value in headers:
        if name == b"origin":
            origins.append(value.decode("latin-1").lower())
        elif name == b"host":
            hosts.append(value.decode("latin-1").lower())
    if not origins or ANY in allowed:
        return True
    if len(origins) > 1:
        return False
    return origins[0] in allowed or (len(hosts) == 1 and _is_own(origins[0], hosts[0], scheme))


def _is_own(origin: str, host: str, scheme: str) -> bool:
    its_scheme, separator, its_host = origin.partition("://")
    if not separator or its_scheme not in _DEFAULT_PORTS or (scheme == "https" and its_scheme != "https"):
        return False
    port = _DEFAULT_PORTS[its_scheme]
    return bool(its_host) and its_host.removesuffix(port) == host.removesuffix(port)


def is_origin(text: object) -> bool:
    """Return true if a text is an origin as browsers write it (RFC 6454, section 6.2), or `"*"` or `"null"`.

    >>> is_origin("https://app.example.com:8443"), is_origin("https://app.example.com/"), is_origin("example.com")
    (True, False, False)
    """
    if not isinstance(text, str) or text in (ANY, "null"):
        return isinstance(text, str)
    return _is_origin(text) is not None and text == nearest_origin(text)


def nearest_origin(text: object) -> str | None:
    """Return the origin that was probably meant.

    >>> nearest_origin("https://App.example.com/chat"), nearest_origin("app.example.com"), nearest_origin(7)
    ('https://app.example.com', 'https://app.example.com', None)
    """
    if not isinstance(text, str):
        return None
    match = _begins(text) or _begins(f"https://{text}")
    if match is None:
        return None
    scheme, host = match[1].lower(), match[2].lower()
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS.get(scheme, ' '))}"
