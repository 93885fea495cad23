"""Keys of clients for `rate_limit()`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from ipaddress import IPv6Address
from typing import Any, Final, TypeAlias

from kick.http import RequestContext

KeyOf: TypeAlias = Callable[[RequestContext[Any]], str | Awaitable[str | None] | None]
"""Returns the key of the client; `None` for a request that is not counted."""

_is_plain: Final = re.compile(r"[A-Za-z0-9_.:@-]{1,64}").fullmatch


def by_ip(ctx: RequestContext[Any]) -> str:
    """Return the address of the client. Clients of unknown address are counted together."""
    address = ctx.client_ip
    if address is None:
        return "unknown"
    return network_of(address) if ":" in address else address


def by_site(ctx: RequestContext[Any]) -> str:
    """Return the address of the client; of an IPv6 address the first 48 bits, those of a site (RFC 6177).

    A site has 65,536 networks of 64 bits.
    """
    address = ctx.client_ip
    if address is None:
        return "unknown"
    return network_of(address, bits=48) if ":" in address else address


def by_principal(ctx: RequestContext[Any]) -> str:
    """Return the principal of the session; without one, the address."""
    session = ctx.opened_session
    principal = None if session is None else session.principal
    return f"ip:{by_ip(ctx)}" if principal is None else f"user:{principal}"


KEYS: Final[dict[str, KeyOf]] = {"ip": by_ip, "site": by_site, "principal": by_principal}


def network_of(address: str, *, bits: int = 64) -> str:
    """Return the network of an IPv6 address; one of 64 bits belongs to one client (RFC 6177).

    >>> network_of("2001:db8:1:2:3:4:5:6"), network_of("::ffff:192.0.2.1"), network_of("fe80::1%eth0")
    ('2001:db8:1:2::', '192.0.2.1', 'fe80::')
    >>> network_of("2001:db8:1:2:3:4:5:6", bits=48)
    '2001:db8:1::'
    """
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 128 - bits << 128 - bits))


def plain_key(key: str) -> str:
    """Return a key without separators and of limited length, for any key of a user."""
    if _is_plain(key):
        return key
    return "#" + blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
