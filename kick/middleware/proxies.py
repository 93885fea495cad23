"""Trusted proxies: the client, scheme and host of a request, as the proxies in front of the application report them.

Every client can send the headers `Forwarded` and `X-Forwarded-For`, and each proxy appends an entry at the right end.
They are therefore read from the right, and only as long as the sender of an entry is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from kick.errors import KickError, raise_all
from kick.http.routing.paths import root_in
from kick.middleware.hosts import parse_host

Headers: TypeAlias = Literal["x-forwarded", "forwarded"]
Address: TypeAlias = bytes
"""The 4 or 16 bytes of an address: ten times faster than an object of `ipaddress`."""
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]

UNIX: Final = "unix"
"""The entry for a proxy on a Unix socket, which has no address."""

PEER: Final = "kick.peer"
"""The key in the scope for the address and port of the trusted proxy that sent the request."""

OPTIONAL: Final = ("host", "prefix")
"""Values that are read only if the application states that its proxies set them."""

_FORWARDED: Final = frozenset({b"x-forwarded-for", b"forwarded"})
_SCHEMES: Final = {"http": ("http", "ws"), "https": ("https", "wss"), "ws": ("http", "ws"), "wss": ("https", "wss")}
_WITH_PORT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?").fullmatch
_MAPPED: Final = bytes(10) + b"\xff\xff"
"""The prefix of IPv4 addresses written as IPv6 (RFC 4291, section 2.5.5.2)."""
_LONGEST: Final = 64
"""A limit above the length of any address with a port, in characters."""

_is_prefix: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*/?", re.ASCII).fullmatch
_LONGEST_PREFIX: Final = 512
_DOTS: Final = frozenset({".", ".."})

_PAIR: Final = re.compile(
    r"""[ \t]*+([!#$%&'*+.^_`|~0-9A-Za-z-]++)=(?:([^\s;,"]++)|"((?:[^"\\]|\\.)*+)")[ \t]*+([;,]|$)"""
).match


def bad_trusted_proxies(given: object) -> KickError:
    """Return the error for a `trusted_proxies=` that is neither a number of proxies nor a list of their networks."""
    return KickError(
        "trusted-proxies",
        cause=f"trusted_proxies={given!r} is neither a number of proxies nor a list of networks.",
        fix='Pass their number, `trusted_proxies=1`, or their networks: `trusted_proxies=["10.0.0.0/8", "unix"]`.',
    )


def bad_forwarded_headers(given: object) -> KickError:
    """Return the error for a `TrustedProxies(headers=...)` that kick does not know."""
    return KickError(
        "trusted-proxies-headers",
        cause=f"TrustedProxies(headers={given!r}) names no kind of headers that kick reads.",
        fix='Name what your proxies write: `TrustedProxies(1, headers="x-forwarded")` or `headers="forwarded"`.',
    )


class Network(NamedTuple):
    """A network: the number of bytes of its addresses, its mask, and the value of the masked bits."""

    size: int
    mask: int
    bits: int


class Hop(NamedTuple):
    """The entry of one proxy about the sender of a request. Missing and invalid values are `None`."""

    address: Address | None
    port: int = 0
    scheme: str | None = None
    host: str | None = None
    prefix: str | None = None


class TrustedProxies:
    """The proxies that are trusted, and the headers that they write.

    Arguments:
        trusted: the number of proxies that every request passes, or the networks and addresses of the proxies:
            `["10.0.0.0/8", "::1"]`. `"unix"` means a proxy on a Unix socket.
        headers: `"x-forwarded"` for `X-Forwarded-For` and `-Proto`; `"forwarded"` for `Forwarded` (RFC 7239). Only one
            of them is read, because most proxies write one, and forward the other unchanged from the client.
        host: read `X-Forwarded-Host` too. Only for proxies that always set it. Most do not: they forward the header
            of the client, who could then choose the host in links and redirects. (In `Forwarded`, the host is part of
            the entry that the proxy itself writes, so it is always read.)
        prefix: read `X-Forwarded-Prefix` too, under the same condition.

    >>> TrustedProxies(["10.0.0.0/8"], headers="forwarded")
    TrustedProxies(['10.0.0.0/8'], headers='forwarded')
    >>> TrustedProxies(1, host=True)
    TrustedProxies(1, headers='x-forwarded', host=True)

    Raises `KickError`: `trusted-proxies` and `trusted-proxies-headers`.
    """

    def __init__(
        self,
        trusted: int | Sequence[str],
        *,
        headers: Headers = "x-forwarded",
        host: bool = False,
        prefix: bool = False,
    ) -> None:
        problems: list[KickError] = [] if headers in ("x-forwarded", "forwarded") else [bad_forwarded_headers(headers)]
        self.trusted = trusted
        self.headers = headers
        self.host = host
        self.prefix = prefix
        self.count = 0
        self.networks: list[Network] = []
        self.by_socket = False
        if isinstance(trusted, int) and not isinstance(trusted, bool) and trusted >= 0:
            self.count = trusted
        elif isinstance(trusted, Iterable) and not isinstance(trusted, str | bytes):
            self._read(list(trusted), problems)
        else:
            problems.append(bad_trusted_proxies(trusted))
        raise_all(problems)
        self._trusts_peer = lru_cache(1024)(self._trusts_text)  # the peers are the proxies, so there are few

    def __repr__(self) -> str:
        more = "".join(f", {name}=True" for name in OPTIONAL if getattr(self, name))
        return f"TrustedProxies({self.trusted!r}, headers={self.headers!r}{more})"

    def __bool__(self) -> bool:
        return bool(self.count or self.networks or self.by_socket)

    @classmethod
    def of(cls, given: Any) -> TrustedProxies | None:
        """Parse `bootstrap(trusted_proxies=...)`; `None` if no proxy is trusted.

        >>> TrustedProxies.of(1), TrustedProxies.of(()), TrustedProxies.of(None)
        (TrustedProxies(1, headers='x-forwarded'), None, None)
        """
        proxies = given if isinstance(given, TrustedProxies) else cls(() if given is None else given)
        return proxies or None

    @classmethod
    def of_text(cls, text: str) -> TrustedProxies | None:
        """Parse an environment variable: a number, or networks separated by commas.

        The words `host` and `prefix` in the list set the arguments of these names.

        >>> TrustedProxies.of_text("10.0.0.0/8, unix"), TrustedProxies.of_text("2"), TrustedProxies.of_text("")
        (TrustedProxies(['10.0.0.0/8', 'unix'], headers='x-forwarded'), TrustedProxies(2, headers='x-forwarded'), None)
        >>> TrustedProxies.of_text("1, host")
        TrustedProxies(1, headers='x-forwarded', host=True)
        """
        entries = [each.strip() for each in text.split(",") if each.strip()]
        networks = [each for each in entries if each not in OPTIONAL]
        if entries and not networks:
            raise bad_trusted_proxies(text)
        is_number = len(networks) == 1 and networks[0].isascii() and networks[0].isdigit()
        trusted = int(networks[0]) if is_number else networks
        return cls.of(cls(trusted, host="host" in entries, prefix="prefix" in entries))

    def client_of(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> Hop | None:
        """Return the client of a request that `peer` sent, and its target; `None` if `peer` is the client.

        An invalid entry (`unknown`, `_hidden`, garbage) ends the search. The address of the client is then unknown, and
        that of the last valid entry, a proxy, is used instead.
        """
        if not (self.count or (self.by_socket if peer is None else self._trusts_peer(peer))):
            return None
        hops = _forwarded(headers) if self.headers == "forwarded" else self._x_forwarded(headers)
        found: Hop | None = None
        known: Hop | None = None
        for passed, hop in enumerate(hops, 1):
            found = hop
            if hop.address is None:
                break
            known = hop
            if passed >= self.count if self.count else not self._trusts(hop.address):
                break
        if found is None or known is None or found is known:
            return found
        return found._replace(address=known.address, port=known.port)

    def _x_forwarded(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Hop]:
        """Return the entries of `X-Forwarded-For`, the last one first. Other headers are from the nearest proxy."""
        lines: list[bytes] = []
        proto = told = own = prefixed = b""
        for name, value in headers:
            if name == b"x-forwarded-for":
                lines.append(value)
            elif name == b"x-forwarded-proto":
                proto = value
            elif name == b"x-forwarded-host" and self.host:
                told = value
            elif name == b"x-forwarded-prefix" and self.prefix:
                prefixed = value
            elif name == b"host":
                own = value
        prefix = parse_prefix(_last(prefixed))
        scheme = _scheme(_last(proto))
        host = None if told == own else _host(_last(told))
        nothing = True
        for line in reversed(lines):
            for entry in reversed(line.decode("latin-1").split(",")):
                nothing = False
                yield _hop(entry.strip(" \t"), scheme, host, prefix)
        if nothing and (scheme or host or prefix):
            yield Hop(None, 0, scheme, host, prefix)

    def _read(self, given: list[Any], problems: list[KickError]) -> None:
        for each in given:
            if each == UNIX:
                self.by_socket = True
                continue
            try:
                if not isinstance(each, str):
                    raise ValueError(each)
                network = ip_network(each, strict=False)
                bits = int(network.network_address)
                self.networks.append(Network(len(network.network_address.packed), int(network.netmask), bits))
            except ValueError:
                problems.append(bad_trusted_proxies(self.trusted))
                return

    def _trusts_text(self, text: str) -> bool:
        found = parse_address(text)
        return found is not None and self._trusts(found[0])

    def _trusts(self, address: Address) -> bool:
        size, bits = len(address), int.from_bytes(address)
        return any(bits & network.mask == network.bits and size == network.size for network in self.networks)


class ProxiedApp:
    """ASGI middleware that writes the client, scheme and host from the trusted proxies into the scope."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] in ("http", "websocket"):
            scope = seen_through(self._proxies, scope)
        await self._app(scope, receive, send)


def seen_through(proxies: TrustedProxies, scope: Scope) -> Scope:
    """Return the scope that the application would receive without the proxies.

    >>> scope = {"type": "http", "scheme": "http", "client": ("10.0.0.1", 4711), "headers": [
    ...     (b"host", b"inner:8000"), (b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https")]}
    >>> seen = seen_through(TrustedProxies(1), scope)
    >>> seen["client"], seen["scheme"]
    (('203.0.113.9', 0), 'https')
    """
    client = scope.get("client")
    hop = proxies.client_of(None if client is None else client[0], scope["headers"])
    if hop is None:
        return scope
    scope = {**scope, PEER: client}
    if hop.address is not None:
        scope["client"] = (text_of(hop.address), hop.port)
    if hop.scheme is not None:
        scope["scheme"] = _SCHEMES[hop.scheme][scope["type"] == "websocket"]
    if hop.host is not None:
        others = [header for header in scope["headers"] if header[0] != b"host"]
        scope["headers"] = [(b"host", hop.host.encode("ascii")), *others]
    if hop.prefix is not None:
        _put_below(scope, hop.prefix)
    return scope


def _put_below(scope: Scope, prefix: str) -> None:
    """Add the prefix that the proxy removed: in ASGI, `path` begins with `root_path`."""
    path, raw_path = scope["path"], scope.get("raw_path")
    root = root_in(path, scope.get("root_path", ""))  # set by the server, for example `kick start --root-path`
    scope["root_path"] = unquote(prefix)
    scope["path"] = unquote(prefix) + path[len(root) :]
    if raw_path is not None:
        below = raw_path if not root else b"/" + raw_path.split(b"/", root.count("/") + 1)[-1]
        scope["raw_path"] = prefix.encode("ascii") + below


def has_ignored_headers(scope: Scope) -> bool:
    """Return true if a request has forwarding headers from a sender that is not trusted.

    >>> scope = {"type": "http", "client": ("10.0.0.1", 4711), "headers": [(b"x-forwarded-for", b"203.0.113.9")]}
    >>> has_ignored_headers(scope), has_ignored_headers(seen_through(TrustedProxies(1), {**scope, "scheme": "http"}))
    (True, False)
    """
    return PEER not in scope and any(name in _FORWARDED for name, _ in scope["headers"])


def parse_address(text: str) -> tuple[Address, int] | None:
    """Parse an address with an optional port in a header; the port is 0 if missing. Return `None` for anything else.

    >>> [parse_address(each) for each in ("192.0.2.7:4711", "[::ffff:192.0.2.7]")]
    [(b'\\xc0\\x00\\x02\\x07', 4711), (b'\\xc0\\x00\\x02\\x07', 0)]
    >>> text_of(parse_address("2001:DB8:0::1")[0])
    '2001:db8::1'
    >>> [parse_address(each) for each in ("unknown", "_hidden", "fe80::1%eth0", "192.0.2.7:99999", "1.2.3")]
    [None, None, None, None, None]
    """
    if len(text) > _LONGEST:
        return None
    port = 0
    found = _WITH_PORT(text)
    if found is not None:
        text, port = found[1] or found[2], int(found[3] or 0)
    elif text.count(":") < 2:
        return None
    try:
        address = inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return None
    if address[:12] == _MAPPED:
        address = address[12:]
    return None if port > 65535 else (address, port)


def text_of(address: Address) -> str:
    """Return the text of an address (RFC 5952)."""
    return inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Hop]:
    """Return the elements of `Forwarded`, the last one first; stop at a malformed line."""
    lines = [value.decode("latin-1") for name, value in headers if name == b"forwarded"]
    for line in reversed(lines):
        elements = forwarded_elements(line)
        if elements is None:
            return
        for element in reversed(elements):
            yield _hop(element.get("for", ""), _scheme(element.get("proto")), _host(element.get("host")))


def forwarded_elements(line: str) -> list[dict[str, str]] | None:
    """Return the elements of a `Forwarded` header (RFC 7239, section 4); `None` if it is malformed.

    >>> forwarded_elements('For="[2001:db8::1]:4711";proto=https, for=192.0.2.43')
    [{'for': '[2001:db8::1]:4711', 'proto': 'https'}, {'for': '192.0.2.43'}]
    >>> forwarded_elements('for="1.1.1.1'), forwarded_elements("for=a;for=b"), forwarded_elements("x")
    (None, None, None)
    """
    elements: list[dict[str, str]] = []
    element: dict[str, str] = {}
    at, end = 0, len(line.rstrip(" \t"))
    while at < end:
        pair = _PAIR(line, at, end)
        if pair is None:
            return None
        name, token, quoted, after = pair.groups()
        name = name.lower()
        if name in element:
            return None
        element[name] = token if token is not None else re.sub(r"\\(.)", r"\1", quoted)
        at = pair.end()
        if after != ";":
            elements.append(element)
            element = {}
            if after == "," and at >= end:
                return None
    return None if element else elements


def _hop(entry: str, scheme: str | None, host: str | None, prefix: str | None = None) -> Hop:
    address, port = parse_address(entry) or (None, 0)
    return Hop(address, port, scheme, host, prefix)


def _last(line: bytes) -> str:
    """Return the last element of a list, which the nearest proxy wrote."""
    return line.rpartition(b",")[2].strip(b" \t").decode("latin-1")


def _scheme(text: str | None) -> str | None:
    lowered = None if text is None else text.lower()
    return lowered if lowered in _SCHEMES else None


def parse_prefix(text: str) -> str | None:
    """Parse the path prefix of the application at a proxy, percent-encoded; `None` if it is missing or not usable.

    A prefix that a browser would read as another host or path is not usable.

    >>> parse_prefix("/shop/"), parse_prefix("/a%20b/c"), parse_prefix("/"), parse_prefix("")
    ('/shop', '/a%20b/c', None, None)
    >>> [parse_prefix(text) for text in ("//evil.test", "shop", "/a/../b", "/a?b", "/%2e%2e", "/a%2fb", "/%00")]
    [None, None, None, None, None, None, None]
    """
    if not text or len(text) > _LONGEST_PREFIX or _is_prefix(text) is None:
        return None
    plain = unquote(text, errors="replace")
    if not plain.isprintable() or "\ufffd" in plain or "\\" in plain or plain.count("/") != text.count("/"):
        return None
    return text.rstrip("/") or None if _DOTS.isdisjoint(plain.split("/")) else None


def _host(text: str | None) -> str | None:
    return text if text is not None and parse_host(text) is not None else None
