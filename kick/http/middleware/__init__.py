"""Middleware that comes with kick: each is on or off by one line, and what an extra brings is imported on first use."""

from kick.http.middleware.access_log import AccessLog
from kick.http.middleware.compression import compression
from kick.http.middleware.cors import cors
from kick.http.middleware.rate_limit import rate_limit
from kick.http.middleware.request_id import request_id
from kick.http.middleware.security_headers import security_headers

__all__ = ["AccessLog", "compression", "cors", "rate_limit", "request_id", "security_headers"]
