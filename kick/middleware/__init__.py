"""The middleware of kick. Packages of extras are imported on first use."""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from kick.middleware.access_log.log import AccessLog as AccessLog
    from kick.middleware.compression.middleware import compression as compression
    from kick.middleware.conditional import conditional as conditional
    from kick.middleware.cookie_parser import cookie_parser as cookie_parser
    from kick.middleware.cors import cors as cors
    from kick.middleware.csrf import csrf as csrf
    from kick.middleware.rate_limit.middleware import rate_limit as rate_limit
    from kick.middleware.request_id import request_id as request_id
    from kick.middleware.security_headers.middleware import security_headers as security_headers
    from kick.middleware.session import session as session
else:
    __all__ = lazy_exports(
        __name__,
        {
            "kick.middleware.conditional": ("conditional",),
            "kick.middleware.cookie_parser": ("cookie_parser",),
            "kick.middleware.access_log.log": ("AccessLog",),
            "kick.middleware.compression.middleware": ("compression",),
            "kick.middleware.cors": ("cors",),
            "kick.middleware.csrf": ("csrf",),
            "kick.middleware.rate_limit.middleware": ("rate_limit",),
            "kick.middleware.request_id": ("request_id",),
            "kick.middleware.security_headers.middleware": ("security_headers",),
            "kick.middleware.session": ("session",),
        },
    )
