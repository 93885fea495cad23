"""Headers that a session reads from a request and changes in a response."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

from kick.cookies import SameSite

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
"""Header names in lower case, and their values, as in ASGI."""


def client_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the IP address and user agent in an ASGI scope, for the list of a user's devices.

    >>> client_of({"client": ("192.0.2.1", 50000), "headers": [(b"user-agent", b"curl/8")]})
    {'ip': '192.0.2.1', 'user_agent': 'curl/8'}
    """
    client = scope.get("client")
    agent: bytes = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return {"ip": None if client is None else client[0], "user_agent": agent.decode("latin-1")[:200]}


def is_withheld(scope: Mapping[str, Any], same_site: SameSite | None) -> bool:
    """Return true if `SameSite` makes browsers send no cookie with a request, given by its ASGI scope.

    They send none if another site has caused the request (RFC 6265bis, section 5.2). With `lax`, top-level navigations
    by GET or HEAD are an exception. The header `Sec-Fetch-Site` names the site, in older browsers `Origin`.

    >>> mode, dest = (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")
    >>> scope = {"method": "GET", "headers": [(b"sec-fetch-site", b"cross-site"), mode, dest]}
    >>> is_withheld(scope, "lax"), is_withheld({**scope, "method": "POST"}, "lax"), is_withheld(scope, "strict")
    (False, True, True)
    """
    if same_site == "none":
        return False
    headers = {name: value for name, value in reversed(scope["headers"]) if name in _TELLING}
    site = headers.get(b"sec-fetch-site")
    if site is None:
        is_navigation, is_cross_site = False, _is_of_another_site(headers.get(b"origin"), headers.get(b"host", b""))
    else:
        is_cross_site = site == b"cross-site"
        is_navigation = headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"
    return is_cross_site and not (same_site != "strict" and is_navigation and scope.get("method") in ("GET", "HEAD"))


_TELLING: Final = frozenset({b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"origin", b"host"})


def _is_of_another_site(origin: bytes | None, host: bytes) -> bool:
    """Return true if an `Origin` is of another site, as far as this is known without a list of public suffixes.

    A host and its sub-domains count as one site, and so do two sub-domains of one name with at least two labels, unless
    names below it are registered by anybody: `co.uk`, `github.io`.
    """
    if origin is None or origin == b"null":  # a page with `Referrer-Policy: no-referrer` sends this to its own site too
        return False
    theirs, ours = (_host_of(each.rpartition(b"//")[2]) for each in (origin, host))
    if theirs == ours or theirs.endswith(b"." + ours) or ours.endswith(b"." + theirs):
        return False
    above, own = theirs.partition(b".")[2], ours.partition(b".")[2]
    return not (above == own and b"." in above) or _is_public(own)


def _is_public(name: bytes) -> bool:
    """Return true for names that are known to be public suffixes, and for parts of an IPv4 address."""
    second, _, top = name.rpartition(b".")
    return (len(top) == 2 and second in _SECOND_LEVEL) or name in _OF_HOSTING or top.isdigit()


_SECOND_LEVEL: Final = frozenset(
    b"ac co com edu gen go gob gouv gov gv id in info lg ltd me mil muni ne net nhs nom or org plc pro sch web".split()
)
"""Labels before a country code below which names are registered: `co.uk`, `com.au`, `or.jp`."""

_OF_HOSTING: Final = frozenset(
    b"appspot.com azurewebsites.net blogspot.com cloudfront.net firebaseapp.com fly.dev github.io gitlab.io "
    b"herokuapp.com myshopify.com netlify.app ngrok.io onrender.com pages.dev pythonanywhere.com run.app surge.sh "
    b"vercel.app web.app workers.dev".split()
)
"""Suffixes of services where anybody gets a name. The list of all public suffixes has 10,000, and changes each week."""


def _host_of(authority: bytes) -> bytes:
    """Return the host of a host and port, without the dot of the root at its end."""
    host = authority.rpartition(b":")[0] if authority[-1:].isdigit() and b":" in authority else authority
    return host.lower().removesuffix(b".")


def finish_headers(headers: RawHeaders, *, accessed: bool, cookies: Collection[bytes], private: bool = False) -> None:
    """Add the cookie, and the headers for caches (RFC 9110, section 12.5.5; RFC 9111, section 5.2.2.5).

    A `private` response, one for a logged-in user, is not stored if it does not say otherwise by `Cache-Control`: after
    the logout, the back button shows nothing. With an `ETag` or `Last-Modified`, only the cache of the browser may keep
    it, and asks each time. Without a word, any cache might keep it for a time of its own choice (section 4.2.2).

    >>> headers = [(b"vary", b"Accept"), (b"cache-control", b"public")]
    >>> finish_headers(headers, accessed=True, cookies=[b"kick.sid=s:..."])
    >>> headers
    [(b'vary', b'Accept, Cookie'), (b'set-cookie', b'kick.sid=s:...'), (b'cache-control', b'no-store')]
    """
    if accessed:
        for header in headers:
            if header[0] == b"vary":
                headers[headers.index(header)] = b"vary", _with_cookie(header[1])
                break
        else:
            headers.append((b"vary", b"Cookie"))
    if private and not cookies:
        names = {name for name, _ in headers}
        if b"cache-control" not in names:
            headers.append((b"cache-control", b"no-store" if names.isdisjoint(_VALIDATORS) else b"private, no-cache"))
    if cookies:
        headers[:] = [header for header in headers if header[0] != b"cache-control"]
        headers += [(b"set-cookie", cookie) for cookie in cookies]
        headers.append((b"cache-control", b"no-store"))


_VALIDATORS: Final = frozenset({b"etag", b"last-modified"})


def _with_cookie(vary: bytes) -> bytes:
    listed = {each.strip().lower() for each in vary.split(b",")}
    return vary if listed & {b"cookie", b"*"} else vary + b", Cookie"
