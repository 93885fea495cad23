"""Middleware that comes with kick."""

from kick.http.middleware.access_log import AccessLog
from kick.http.middleware.request_id import request_id

__all__ = ["AccessLog", "request_id"]
