"""The files of the page: Swagger UI, which is packed with kick, and kick's own script and stylesheet."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import msgspec

from kick.http.response.base import ReadyResponse
from kick.middleware.compression.encodings import preferred

_FILES: Final = (
    ("swagger-ui.css", "swagger_ui/swagger-ui.css.gz"),
    ("swagger-ui-bundle.js", "swagger_ui/swagger-ui-bundle.js.gz"),
    ("page.css", "page.css"),
    ("page.js", "page.js"),
)
"""The name of each file, and its place in this package."""

_TYPES: Final = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8"}


class Asset(msgspec.Struct, frozen=True):
    """A file of the page, compressed with gzip."""

    name: str
    """The file name without the digest: `page.css`."""
    packed: bytes
    content_type: bytes

    @property
    def served_as(self) -> str:
        """The file name with a digest of the content, so that browsers may keep the file forever."""
        stem, _, suffix = self.name.rpartition(".")
        return f"{stem}.{hashlib.sha256(self.packed).hexdigest()[:12]}.{suffix}"

    def response(self, accept_encoding: str) -> ReadyResponse:
        """Return the response with the file, compressed for clients that accept gzip.

        >>> assets()[url_names()["page.css"]].response("br, gzip").raw_headers[-1]
        (b'content-encoding', b'gzip')
        """
        is_packed = preferred(accept_encoding.encode("latin-1"), [b"gzip"]) is not None
        response = ReadyResponse(self.packed if is_packed else gzip.decompress(self.packed), 200, self.content_type)
        response.raw_headers += [
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"vary", b"Accept-Encoding"),
            *([(b"content-encoding", b"gzip")] if is_packed else []),
        ]
        return response


@lru_cache(maxsize=1)
def assets() -> Mapping[str, Asset]:
    """Return the files by the names under which they are served. They are read once, when the page is first used."""
    found = [_asset(name, place) for name, place in _FILES]
    return MappingProxyType({each.served_as: each for each in found})


def url_names() -> Mapping[str, str]:
    """Return the names under which the files are served, by their own names.

    >>> sorted(url_names())
    ['page.css', 'page.js', 'swagger-ui-bundle.js', 'swagger-ui.css']
    """
    return {asset.name: served for served, asset in assets().items()}


def _asset(name: str, place: str) -> Asset:
    content = files("kick.openapi.page").joinpath(place).read_bytes()
    packed = content if place.endswith(".gz") else gzip.compress(content, mtime=0)
    return Asset(name, packed, _TYPES[name.rpartition(".")[2]])
