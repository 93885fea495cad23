"""`cookie_parser()`: the secret of signed cookies."""

from __future__ import annotations

from kick.errors import raise_all
from kick.http import Middleware, Route, Settings
from kick.signing import CookieSigner, Secret, secret_problems


class CookieParserLayer(Middleware):
    """Middleware that `cookie_parser()` returns: it configures the application, and runs on no route."""

    uses_session = False

    def __init__(self, signer: CookieSigner | None) -> None:
        self.signer = signer

    def configure(self, settings: Settings) -> None:
        """Give the application the secret of its signed cookies."""
        settings.cookie_signer = self.signer

    def for_route(self, route: Route | None) -> None:
        """Run nowhere: a context parses its cookies when they are first asked for, once."""


def cookie_parser(secret: Secret | None = None, *, accept_express: bool = False) -> CookieParserLayer:
    """Middleware that gives the application the secret of its signed cookies.

    `ctx.cookies` works without it. `secret` is what `ctx.set_cookie(..., signed=True)` signs with and
    `ctx.signed_cookies` verifies with: one, or several, of which the first signs and all verify. The signature is over
    the name and the value, so that a cookie is worth nothing under another name.

    `accept_express=True` also reads what the npm package cookie-parser signed, while users move from Express: there the
    signature is over the value alone, and whoever has one signed value may send it under any name.

    >>> cookie_parser(secret="a secret of at least thirty-two bytes").signer is not None
    True
    """
    if secret is None:
        return CookieParserLayer(None)
    raise_all(secret_problems(secret, "cookie_parser()", stacklevel=3))
    return CookieParserLayer(CookieSigner(secret, accept_express=accept_express))
