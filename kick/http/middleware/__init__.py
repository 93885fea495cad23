"""Middleware that comes with kick: each is on or off by one line, and what an extra brings is imported on first use."""

from kick.http.middleware.access_log import AccessLog
from kick.http.middleware.request_id import request_id

__all__ = ["AccessLog", "request_id"]
