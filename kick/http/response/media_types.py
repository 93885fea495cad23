"""Media types of files: which ones browsers only show, and which ones they run or apply to a page."""

from __future__ import annotations

import re
from mimetypes import guess_type
from typing import Final

BINARY: Final = "application/octet-stream"
"""The type of content that browsers neither show nor run (RFC 2046, section 4.5.1)."""

NO_SNIFF: Final = (b"x-content-type-options", b"nosniff")
"""The header with which browsers do not guess another type (Fetch, section 3.6)."""

SANDBOX: Final = (b"content-security-policy", b"sandbox; default-src 'none'")
"""The policy of content that may be of an attacker: where it is shown, it runs nothing and has no origin (CSP 3)."""

_INERT: Final = frozenset(
    {
        "application/pdf",
        "image/apng",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/heic",
        "image/heif",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "image/vnd.microsoft.icon",
        "image/webp",
        "image/x-icon",
        "image/x-ms-bmp",
        "text/csv",
        "text/plain",
        "text/vtt",
    }
)
_is_recording: Final = re.compile(r"(?:audio|video)/[a-z0-9.-]+").fullmatch
"""Without `+`, because each type that ends in `+xml` is a document with scripts (MIME Sniffing, section 4.6)."""

_runs: Final = re.compile(r"(?:text|application)/(?:x-)?(?:java|ecma|j|live)script[0-9.]*|text/css").fullmatch

_is_well_formed: Final = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+"
    r"(?:[ \t]*;[ \t]*[A-Za-z0-9!#$&^_.+-]+=(?:[A-Za-z0-9!#$&^_.+:/-]+|\"[^\",\\]*\"))*"
).fullmatch
"""Matches one media type. Of several with commas between them, browsers take the last (Fetch, section 3.5)."""


def media_type_of(name: str) -> str:
    """Return the media type that a file name stands for.

    >>> media_type_of("report.pdf"), media_type_of("report")
    ('application/pdf', 'application/octet-stream')
    """
    return guess_type(name)[0] or BINARY


def is_inert(media_type: str) -> bool:
    """Return true if browsers show content of this type without running anything in it, or do not show it at all.

    It is a closed list: raster pictures, sound, video, PDF, plain text, CSV and subtitles.

    >>> [is_inert(each) for each in ("image/png", "Text/Plain; charset=utf-8", "image/svg+xml", "image/png, text/html")]
    [True, True, False, False]
    """
    essence = _essence(media_type)
    return essence in _INERT or _is_recording(essence) is not None


def inert_in_pages(media_type: str) -> str:
    """Return a media type that no page can load as a script or stylesheet; of those that can be, the binary one.

    `Content-Disposition` does not count for `<script src>` and `<link rel=stylesheet>`, only the media type does, and
    only with `nosniff` (Fetch, section 3.6).

    >>> inert_in_pages("text/javascript; charset=utf-8"), inert_in_pages("application/zip")
    ('application/octet-stream', 'application/zip')
    """
    essence = _essence(media_type)
    return media_type if essence and _runs(essence) is None else BINARY


def _essence(media_type: str) -> str:
    """Return a media type in lower case, without parameters; nothing for one that is malformed."""
    return media_type.partition(";")[0].rstrip(" \t").lower() if _is_well_formed(media_type) else ""
