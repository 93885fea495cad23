"""Middleware that comes with kick: each is on or off by one line, and what an extra brings is imported on first use."""

# ruff: noqa: TC004  # type checkers see these imports, and `hand_on` makes the others

from typing import TYPE_CHECKING

from kick.names import hand_on

if TYPE_CHECKING:
    from kick.http.middleware.access_log import AccessLog
    from kick.http.middleware.compression import compression
    from kick.http.middleware.cors import cors
    from kick.http.middleware.rate_limit import rate_limit
    from kick.http.middleware.request_id import request_id
    from kick.http.middleware.security_headers import security_headers
else:
    hand_on(
        __name__,
        {
            "kick.http.middleware.access_log": ("AccessLog",),
            "kick.http.middleware.compression": ("compression",),
            "kick.http.middleware.cors": ("cors",),
            "kick.http.middleware.rate_limit": ("rate_limit",),
            "kick.http.middleware.request_id": ("request_id",),
            "kick.http.middleware.security_headers": ("security_headers",),
        },
    )

__all__ = ["AccessLog", "compression", "cors", "rate_limit", "request_id", "security_headers"]
