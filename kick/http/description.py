"""`Description`: the part of middleware in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The description of middleware on a route, for the OpenAPI document. `Middleware.describe()` returns it.

    Arguments:
        errors: the error statuses with which it may answer, and the reason for each. They are documented as problem
            details (RFC 9457).
        error_types: further media types of all error responses of the route, such as `text/html` for error pages.
        responses: other statuses with which it may answer, without a body, and the reason for each.
        headers: the request headers that it reads, by name, each with its description.
        security: the names of the security schemes that a request needs, all of them together.
        security_with_cookies: the names of schemes that a request needs only if it has cookies, such as a CSRF token.
            Where `@Raises(security=...)` allows a cookie or a header, they belong to the cookie.
        schemes: definitions of security schemes by name, as Security Scheme Objects (OpenAPI 3.1, section 4.8.27).

    >>> Description(errors={402: "The balance is too low."}, security=["bearer"]).errors[402]
    'The balance is too low.'
    """

    errors: Mapping[int, str] = {}
    error_types: Sequence[str] = ()
    responses: Mapping[int, str] = {}
    headers: Mapping[str, str] = {}
    security: Sequence[str] = ()
    security_with_cookies: Sequence[str] = ()
    schemes: Mapping[str, Mapping[str, Any]] = {}


NOTHING = Description()
"""The description of middleware that says nothing about itself."""
