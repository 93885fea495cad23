"""Conditional requests and ETags (RFC 9110, section 13): a client that has the current version gets a 304."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum, auto
from typing import Final

from starlette.datastructures import Headers

from kick.exceptions import PreconditionFailed
from kick.http.response.base import Response, empty_response

SAFE: Final = frozenset({"GET", "HEAD"})
"""The methods that may be answered with 304."""

_is_opaque: Final = re.compile(r"[\x21\x23-\x7e]*").fullmatch
_tags: Final = re.compile(r'[ \t,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)').match
_NOT_OF_304: Final = frozenset(
    {b"content-length", b"content-type", b"content-encoding", b"content-language", b"content-range", b"accept-ranges"}
)


class Outcome(Enum):
    """The result of evaluating the preconditions of a request."""

    SEND = auto()
    """Send the response, or make the change."""
    NOT_MODIFIED = auto()
    """304: the client has the current version."""
    FAILED = auto()
    """412: the client has an older version."""


def entity_tag(value: str, *, weak: bool = False) -> str:
    """Return an ETag as it is sent (section 8.8.3).

    >>> entity_tag("v7"), entity_tag("v7", weak=True)
    ('"v7"', 'W/"v7"')

    Raises `ValueError` for quotes, spaces, control characters, and characters beyond ASCII.
    """
    if not _is_opaque(value):
        raise ValueError(f"not an entity tag: {value!r}")
    return f'W/"{value}"' if weak else f'"{value}"'


def evaluate(method: str, headers: Headers, *, etag: str | None, modified: datetime | None) -> Outcome:
    """Evaluate the preconditions of a request, in the order of section 13.2.2.

    `etag` and `modified` are those of the current version; both are `None` if there is none.

    >>> evaluate("GET", Headers({"if-none-match": '"v6", W/"v7"'}), etag='"v7"', modified=None)
    <Outcome.NOT_MODIFIED: 2>
    >>> evaluate("PUT", Headers({"if-match": '"v6"'}), etag='"v7"', modified=None)
    <Outcome.FAILED: 3>

    Malformed dates are ignored.
    """
    if_match, if_none_match = _joined(headers, "if-match"), _joined(headers, "if-none-match")
    exists = etag is not None or modified is not None
    if if_match is not None:
        if not (exists and _listed(if_match, etag, weakly=False)):
            return Outcome.FAILED
    elif _is_later(modified, headers.get("if-unmodified-since")):
        return Outcome.FAILED
    unchanged = Outcome.NOT_MODIFIED if method in SAFE else Outcome.FAILED
    if if_none_match is not None:
        return unchanged if exists and _listed(if_none_match, etag, weakly=True) else Outcome.SEND
    since = parse_http_date(headers.get("if-modified-since")) if method in SAFE else None
    if since is not None and modified is not None and modified.replace(microsecond=0) <= since:
        return Outcome.NOT_MODIFIED
    return Outcome.SEND


def client_has_it(method: str, headers: Headers, *, etag: str | None, modified: datetime | None) -> bool:
    """Return true if the response is a 304. The arguments are those of `evaluate`.

    >>> client_has_it("GET", Headers({"if-none-match": '"v7"'}), etag='"v7"', modified=None)
    True

    Raises `PreconditionFailed` if the request asks for a version that no longer exists.
    """
    outcome = evaluate(method, headers, etag=etag, modified=modified)
    if outcome is Outcome.FAILED:
        raise PreconditionFailed("The version that the request asks for no longer exists.")
    return outcome is Outcome.NOT_MODIFIED


def http_date(moment: datetime) -> str:
    """Return a time in the format of `Last-Modified` (section 5.6.7); without a time zone it is UTC.

    >>> http_date(datetime(2026, 5, 17, 12))
    'Sun, 17 May 2026 12:00:00 GMT'
    """
    return format_datetime(in_utc(moment), usegmt=True)


def in_utc(moment: datetime) -> datetime:
    """Return a time in UTC. A time without a time zone is UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def not_modified(response: Response) -> Response:
    """Return the 304 for a response: with its headers, except those that describe the body (section 15.4.5)."""
    kept = [header for header in response.raw_headers if header[0] not in _NOT_OF_304]
    empty = empty_response(304, *kept)
    empty.background = response.background
    return empty


def _listed(field: str, etag: str | None, *, weakly: bool) -> bool:
    """Return true if an ETag is in a list; `*` matches any existing one."""
    if field.strip() == "*":
        return True
    if etag is None or (not weakly and etag.startswith("W/")):
        return False
    wanted = etag.removeprefix("W/")
    position = 0
    while (found := _tags(field, position)) is not None:
        position = found.end()
        if (found[1].removeprefix("W/") if weakly else found[1]) == wanted:
            return True
    return False


def _is_later(modified: datetime | None, field: str | None) -> bool:
    since = parse_http_date(field)
    return since is not None and modified is not None and modified.replace(microsecond=0) > since


def parse_http_date(field: str | None) -> datetime | None:
    """Return the time in an HTTP date (RFC 9110, section 5.6.7); `None` if it is missing or malformed."""
    try:
        return in_utc(parsedate_to_datetime(field)) if field else None
    except (ValueError, OverflowError):
        return None


def _joined(headers: Headers, name: str) -> str | None:
    lines = headers.getlist(name)
    return ", ".join(lines) if lines else None
