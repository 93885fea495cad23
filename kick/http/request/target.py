"""The target of a request, with its percent-encoding as the client sent it (RFC 9112, section 3.2)."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.datastructures import URL
from starlette.types import Scope

_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


def sent_path(scope: Scope) -> str:
    """Return the path as the client sent it; bytes that no URL may contain are percent-encoded (RFC 3986, section 2).

    >>> sent_path({"path": "/a/b", "raw_path": b"/a%2fb"}), sent_path({"path": "/a b%"})
    ('/a%2fb', '/a%20b%25')

    If the server does not keep the original path, the path is encoded again.
    """
    raw_path: bytes | None = scope.get("raw_path")
    if raw_path is None:
        return quote(scope["path"], safe="/!$&'()*+,;=:@~")
    return _printable(raw_path.partition(b"?")[0])


def sent_url(scope: Scope) -> URL:
    """Return the URL as the client sent it: percent-encoding is kept, and signatures over the URL can be checked.

    >>> scope = {"type": "http", "scheme": "https", "headers": [(b"host", b"example.com")]}
    >>> str(sent_url({**scope, "path": "/a/b", "raw_path": b"/a%2Fb", "query_string": b"q=%7e"}))
    'https://example.com/a%2Fb?q=%7e'
    """
    query = _printable(scope.get("query_string", b"")).encode("ascii")
    return URL(scope={**scope, "path": sent_path(scope), "query_string": query})


def _printable(raw: bytes) -> str:
    text = raw.decode("latin-1")
    return text if text.isascii() and text.isprintable() and " " not in text else quote(raw, safe=_PRINTABLE)
