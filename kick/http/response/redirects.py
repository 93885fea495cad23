"""URLs of redirects, and the check that they stay on this host."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

_SAFE: Final = ":/%#?=@[]!$&'()*+,;"
_before_query: Final = re.compile(r"[?#]").split
_has_control: Final = re.compile(r"[\x00-\x1f\x7f]").search


def is_local(url: str, host: str) -> bool:
    """Return true if a browser that follows `url` stays on `host`, the value of the `Host` header.

    Browsers read a backslash as a slash, drop line breaks and tabs, and remove spaces at both ends (URL Living
    Standard, section 4.4). A URL that they might read differently from Python is not local.

    >>> is_local("/notes?page=2", "example.com"), is_local("https://example.com/notes", "example.com")
    (True, True)
    >>> [is_local(url, "example.com") for url in ("//evil.test", "/\\\\evil.test", "https://example.com@evil.test/")]
    [False, False, False]
    """
    if _has_control(url) or url != url.strip() or "\\" in _before_query(url)[0]:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.netloc:
        return parts.scheme in ("", "http", "https") and parts.netloc.lower() == host.lower()
    return not parts.scheme and not url.startswith("//")


def as_location(url: str) -> bytes:
    """Return the value of `Location` (RFC 9110, section 10.2.2), with invalid characters percent-encoded.

    >>> as_location("/café?q=a b")
    b'/caf%C3%A9?q=a%20b'

    Raises `ValueError` for text that has no UTF-8 form.
    """
    return quote(url, safe=_SAFE).encode("ascii")
