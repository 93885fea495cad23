"""Default middleware of every application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kick.errors import KickError
from kick.middleware.cookie_parser import CookieParserLayer
from kick.middleware.security_headers.middleware import SecurityHeadersLayer, security_headers
from kick.signing import CookieSigner, Secret, secret_problems

_PLACE: Final = "bootstrap(cookie_secret=...)"


def with_standard(middleware: Sequence[Any], cookie_secret: Secret | None, problems: list[KickError]) -> list[Any]:
    """Return the middleware of an application, with `security_headers()` around it unless the list contains it.

    `cookie_secret` stands for a `cookie_parser(secret)`. Mistakes are added to `problems`.

    >>> [type(layer).__name__ for layer in with_standard([], "a secret of at least thirty-two bytes", [])]
    ['SecurityHeadersLayer', 'CookieParserLayer']
    >>> with_standard([security_headers(enabled=False)], None, [])[0].is_idle
    True
    """
    layers = [*middleware]
    if not any(isinstance(layer, SecurityHeadersLayer) for layer in middleware):
        layers.insert(0, security_headers())
    if cookie_secret is not None:
        problems += (found := secret_problems(cookie_secret, _PLACE, stacklevel=4))
        if not found:
            layers.insert(1, CookieParserLayer(CookieSigner(cookie_secret)))
    return layers
