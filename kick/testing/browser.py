"""The browser of a client: its page, cookies that expire by the clock of kick, and the part that clients share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from http.cookiejar import Cookie, CookieJar
from typing import Any, Final, Self

from httpx2 import Request
from starlette.types import ASGIApp

from kick.clock import CLOCK
from kick.cookies import parse_cookies
from kick.middleware.csrf import HEADER, SAFE_METHODS, CsrfLayer
from kick.session.csrf_token import masked, new_token
from kick.testing.application import MISSING, app_of, overridden, session_layers
from kick.testing.asgi import TestedApp
from kick.testing.background import BackgroundCalls
from kick.testing.transport import socket_scope_of, upgrade_headers

SELF: Final = "self"
"""The origin of the application itself."""

_EXPIRES: Final = "expires by the clock of kick"
"""The attribute of a cookie for the time at which it expires. `Cookie.expires` is compared with that of the machine."""


class Page:
    """A page of the application (`"self"`), a page of another origin, or no page: a client that is no browser.

    A browser adds `Sec-Fetch-Site` and `Origin`. A page of the application sends the CSRF token too, and a page of
    another site gets no cookies that `SameSite` withholds. A request that has one of these headers stays as it is.
    """

    def __init__(self, app: Any, origin: str | None) -> None:
        if origin not in (SELF, None) and "://" not in origin:
            raise ValueError(f'origin is "self", None, or an origin such as "https://example.com", not {origin!r}')
        self._app = app_of(app)
        self._origin = origin
        layers = () if self._app is None else self._app.middleware
        self._has_tokens = any(isinstance(layer, CsrfLayer) for layer in layers)

    def prepare(self, request: Request, jar: CookieJar) -> None:
        """Add the headers of a browser to a request."""
        headers = request.headers
        if self._origin is None or "sec-fetch-site" in headers or "origin" in headers:
            return
        own = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        changes = request.method not in SAFE_METHODS
        if changes or "sec-websocket-key" in headers:
            headers["origin"] = own if self._origin == SELF else self._origin
        if self._origin == SELF:
            headers["sec-fetch-site"] = "same-origin"
            if changes and self._has_tokens and HEADER not in headers:
                self._add_token(request)
            return
        headers["sec-fetch-site"] = site = _relation(self._origin, own)
        if not changes:
            headers.update({"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"})
        if site == "cross-site":
            _withhold(request, [each for each in jar if _is_withheld(each, changes=changes)])

    def _add_token(self, request: Request) -> None:
        """Add the CSRF token of the session, or that of a visitor without one."""
        raw = [(b"cookie", request.headers.get("cookie", "").encode("latin-1"))]
        for layer in session_layers(self._app):
            claims = layer.manager.options.cookie.read(raw)
            digest = layer.manager.options.token.read(raw)
            if claims:
                request.headers[HEADER] = new_token(claims[0].session_id)
            elif digest is not None:
                request.headers[HEADER] = masked(digest)


def _relation(origin: str, own: str) -> str:
    """Return the value of `Sec-Fetch-Site`; two hosts with the same last two labels count as one site.

    >>> _relation("https://a.example.com", "https://b.example.com"), _relation("https://evil.com", "https://example.com")
    ('same-site', 'cross-site')
    """
    if origin == own:
        return "same-origin"
    (scheme, _, host), (own_scheme, _, own_host) = (each.partition("://") for each in (origin, own))
    sites = [each.partition(":")[0].split(".")[-2:] for each in (host, own_host)]
    return "same-site" if scheme == own_scheme and sites[0] == sites[1] else "cross-site"


def _is_withheld(cookie: Cookie, *, changes: bool) -> bool:
    """Return true if `SameSite` keeps a cookie from a request of another site (RFC 6265bis, section 5.2)."""
    same_site = next((str(value).lower() for name, value in _attributes(cookie).items() if name == "samesite"), "lax")
    return same_site == "strict" or (same_site != "none" and changes)


def _attributes(cookie: Cookie) -> dict[str, str | None]:
    names = ("SameSite", "samesite", "Samesite")
    return {name.lower(): cookie.get_nonstandard_attr(name) for name in names if cookie.has_nonstandard_attr(name)}


def _withhold(request: Request, cookies: list[Cookie]) -> None:
    names = {cookie.name for cookie in cookies}
    kept = [pair for pair in parse_cookies(request.headers.pop("cookie", "")) if pair[0] not in names]
    if kept:
        request.headers["cookie"] = "; ".join(f"{name}={value}" for name, value in kept)


class TestCookies(CookieJar):
    """The cookies of a client. A `Max-Age` counts from the time that `travel()` and `freeze()` have set."""

    def make_cookies(self, response: Any, request: Any) -> Sequence[Cookie]:
        """Return the cookies of a response."""
        cookies = super().make_cookies(response, request)
        for cookie in cookies:
            if cookie.expires is not None:
                cookie.set_nonstandard_attr(_EXPIRES, str(cookie.expires - time.time() + CLOCK.time()))
        return cookies


def forget_expired(jar: CookieJar) -> None:
    """Remove the cookies that have expired by the clock of kick."""
    for cookie in list(jar):
        expires = cookie.get_nonstandard_attr(_EXPIRES)
        if expires is not None and float(expires) <= CLOCK.time():
            jar.clear(cookie.domain, cookie.path, cookie.name)


class BrowserClient:
    """A browser for an application. Several browsers may use one application; `_first` has started it."""

    app: ASGIApp
    _first: Any
    _tested: TestedApp
    _page: Page
    _options: dict[str, Any]
    _settings: dict[str, Any]

    def _set_up(
        self,
        app: ASGIApp,
        *,
        base_url: str,
        headers: Mapping[str, str] | None,
        cookies: Mapping[str, str] | None,
        follow_redirects: bool,
        raise_exceptions: bool,
        origin: str | None,
        client: tuple[str, int],
        root_path: str,
        hooks: list[Any],
    ) -> None:
        self.app = app
        self._first = self
        self._tested = TestedApp(app, raise_exceptions=raise_exceptions)
        self._options = {"client": client, "root_path": root_path}
        self._settings = {
            "base_url": base_url,
            "headers": {"user-agent": "testclient", **(headers or {})},
            "follow_redirects": follow_redirects,
            "timeout": None,  # a debugger may stop a handler
            "event_hooks": {"response": hooks},
        }
        self._open(TestCookies(), origin)
        self._client.cookies.update(dict(cookies or {}))

    def _open(self, cookies: CookieJar, origin: str | None) -> None:
        """Open a browser with these cookies, in which a page of `origin` is shown."""
        self._page = Page(self.app, origin)

    def _handshake(
        self, url: str, subprotocols: Sequence[str] | None, headers: Mapping[str, str] | None, params: Any
    ) -> dict[str, Any]:
        """Return the ASGI scope of a WebSocket."""
        if url.startswith("ws"):
            url = f"http{url[2:]}"
        sent = {**upgrade_headers(subprotocols), **(headers or {})}
        return socket_scope_of(self._client.build_request("GET", url, headers=sent, params=params), self._options)

    @property
    def _client(self) -> Any:
        """This object as the client of httpx2 that it is too."""
        return self

    @property
    def background(self) -> BackgroundCalls:
        """The background tasks of all requests. See `BackgroundCalls`."""
        return self._tested.background

    def override(self, key: Any, replacement: Any = MISSING, /, **changes: Any) -> AbstractContextManager[Any]:
        """Replace a dependency: `with client.override(Mailer, fake):`, `with client.override(Settings, debug=True):`.

        `replacement` is an instance, or a `Provider` whose factory creates one. With `changes`, the present object is
        copied, and the copy has these values. What depends on it is built again. An override of the type of users, or
        of `Identity`, holds for guards too; roles are those in `user.roles` or `user.role`.

        Raises `KickError` as `app.override()` does, `di-override-unused` for a type that nobody asks for.
        """
        return overridden(self, key, replacement, changes)

    def another(self) -> Self:
        """Return another browser, with no cookies, for the same running application."""
        return self._sibling(TestCookies(), SELF)

    def page_of(self, origin: str | None) -> Self:
        """Return a client of the same browser, with the same cookies, whose requests a page of `origin` sends.

        `None` is for a client that is no browser.
        """
        return self._sibling(self._client.cookies.jar, origin)

    def _sibling(self, cookies: CookieJar, origin: str | None) -> Self:
        client = object.__new__(type(self))
        client.__dict__.update(self.__dict__)
        client._open(cookies, origin)
        return client
