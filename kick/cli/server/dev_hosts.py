"""The hosts that `kick dev` accepts: protection against DNS rebinding.

In DNS rebinding, an attacker lets the host name of their page resolve to 127.0.0.1. The browser treats the application
as the same origin as the page, so the page can read its responses, including error pages and the list of routes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from kick.middleware.hosts import AllowedHosts, HostPatterns, parse_host

if TYPE_CHECKING:
    from starlette.types import ASGIApp

LOCAL: Final = ("localhost", "*.localhost")
_DETAIL: Final = "`kick dev` does not answer for this host. If it is yours, add `--allowed-host NAME`."


def dev_hosts(names: Sequence[str]) -> Callable[[bytes], bool]:
    """Return whether the value of a `Host` header is allowed: this machine's, an address, or one of the names.

    A name that an attacker owns is never an address.

    >>> allow = dev_hosts(["*.tunnel.example"])
    >>> [allow(each) for each in (b"localhost:8000", b"127.0.0.1", b"192.168.0.7:80", b"[::1]:80", b"a.tunnel.example")]
    [True, True, True, True, True]
    >>> [allow(each) for each in (b"evil.test", b"localhost.evil.test", b"127.0.0.1.evil.test", b"")]
    [False, False, False, False]
    """
    patterns = HostPatterns([*LOCAL, socket.gethostname(), *names])

    @lru_cache(256)
    def allow(value: bytes) -> bool:
        return patterns.allow(value) or _is_address(value)

    return allow


def guarded(app: ASGIApp, names: Sequence[str]) -> ASGIApp:
    """Return an application that checks the host of each request first."""
    return AllowedHosts(app, dev_hosts(names), detail=_DETAIL)


def _is_address(value: bytes) -> bool:
    host = parse_host(value.decode("latin-1"))
    try:
        return host is not None and bool(ip_address(host.name))
    except ValueError:
        return False
