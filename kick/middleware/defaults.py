"""Default middleware of every application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kick.middleware.security_headers.middleware import SecurityHeadersLayer, security_headers


def with_standard(middleware: Sequence[Any]) -> list[Any]:
    """Return the middleware of an application, with `security_headers()` around it unless the list contains it.

    >>> [type(layer).__name__ for layer in with_standard([])]
    ['SecurityHeadersLayer']
    >>> with_standard([security_headers(enabled=False)])[0].is_idle
    True
    """
    if any(isinstance(layer, SecurityHeadersLayer) for layer in middleware):
        return [*middleware]
    return [security_headers(), *middleware]
