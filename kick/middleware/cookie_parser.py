"""`cookie_parser()`: the secret of signed cookies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kick.errors import KickError, raise_all
from kick.http import Middleware, Route, Settings
from kick.http.errors import two_cookie_secrets
from kick.signing import CookieSigner, Secret, secret_problems


class CookieParserLayer(Middleware):
    """Middleware that `cookie_parser()` returns: it configures the application, and runs on no route."""

    uses_session = False

    def __init__(self, signer: CookieSigner | None) -> None:
        self.signer = signer

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> list[KickError]:
        """Return the mistake of two secrets for one application."""
        others = [layer for layer in before if isinstance(layer, CookieParserLayer) and layer.signer is not None]
        return [two_cookie_secrets()] if others and self.signer is not None else []

    def configure(self, settings: Settings) -> None:
        """Give the application the secret of its signed cookies."""
        settings.cookie_signer = self.signer

    def for_route(self, route: Route | None) -> None:
        """Return nothing to run: a context parses its cookies at the first access."""


def cookie_parser(secret: Secret | None = None, *, accept_express: bool = False) -> CookieParserLayer:
    """Middleware that gives the application the secret of its signed cookies.

    `ctx.cookies` works without it. `ctx.set_cookie(..., signed=True)` signs with `secret`, and `ctx.signed_cookies`
    verifies with it. Of several secrets, the first signs and all verify. The signature covers the name and the value,
    so it is not valid for a cookie with another name. `bootstrap(cookie_secret=...)` does the same.

    Arguments:
        secret: one secret or several; `None` for cookies without signatures.
        accept_express: also accept cookies of the npm package cookie-parser, for a migration from Express. Their
            signature covers only the value, so a client can send a signed value under any name.

    >>> cookie_parser(secret="a secret of at least thirty-two bytes").signer is not None
    True
    """
    if secret is None:
        return CookieParserLayer(None)
    raise_all(secret_problems(secret, "cookie_parser()", stacklevel=3))
    return CookieParserLayer(CookieSigner(secret, accept_express=accept_express))
