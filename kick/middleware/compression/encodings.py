"""Content codings: the choice of one for a client (RFC 9110, section 12.5.3), and the encoders."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from kick.http.request.content_codings import zstd_module

_quality: Final = re.compile(rb"[ \t]*[qQ][ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*").fullmatch

LONGEST: Final = 1000
"""The most bytes of `Accept-Encoding` that are read; browsers send about 30."""


class Encoder(Protocol):
    """Encodes one body in pieces."""

    def piece(self, chunk: bytes) -> bytes:
        """Compress a chunk, so that it can be decoded immediately."""
        ...

    def end(self) -> bytes:
        """Return the end of the compressed data."""
        ...


class Gzip:
    """gzip (RFC 1952)."""

    def __init__(self, level: int) -> None:
        self._encoder = zlib.compressobj(level, zlib.DEFLATED, 31)

    def piece(self, chunk: bytes) -> bytes:
        """Return the chunk, encoded and flushed."""
        return self._encoder.compress(chunk) + self._encoder.flush(zlib.Z_SYNC_FLUSH) if chunk else b""

    def end(self) -> bytes:
        """Return the trailer."""
        return self._encoder.flush()

    @staticmethod
    def whole(body: bytes, level: int) -> bytes:
        """Encode a complete body.

        >>> len(Gzip.whole(b"a" * 1000, 6)) < 50
        True
        """
        return zlib.compress(body, level, 31)


class Zstd:
    """zstd (RFC 8878), with Python 3.14 or the package `backports.zstd`."""

    def __init__(self, level: int) -> None:
        self._encoder = zstd_module().ZstdCompressor(level)

    def piece(self, chunk: bytes) -> bytes:
        """Return the chunk, encoded and flushed."""
        encoder = self._encoder
        return bytes(encoder.compress(chunk, encoder.FLUSH_BLOCK)) if chunk else b""

    def end(self) -> bytes:
        """Return the end of the frame."""
        return bytes(self._encoder.flush())

    @staticmethod
    def whole(body: bytes, level: int) -> bytes:
        """Encode a complete body."""
        return bytes(zstd_module().compress(body, level))


def preferred(accepted: bytes, offered: Sequence[bytes]) -> bytes | None:
    """Return the offered coding that a client prefers; `None` for none. `offered` begins with the best.

    Malformed members are ignored.

    >>> preferred(b"gzip, deflate, br, zstd", (b"zstd", b"gzip"))
    b'zstd'
    >>> preferred(b"gzip;q=1.0, zstd;q=0.5, *;q=0", (b"zstd", b"gzip"))
    b'gzip'
    >>> preferred(b"gzip;q=0, *;q=0.5", (b"zstd", b"gzip")), preferred(b"identity", (b"gzip",))
    (b'zstd', None)
    """
    if len(accepted) > LONGEST:
        return None
    qualities: dict[bytes, float] = {}
    for member in accepted.lower().split(b","):
        coding, mark, parameter = member.partition(b";")
        match = _quality(parameter) if mark else None
        if not mark or match is not None:
            name = coding.strip(b" \t")
            qualities[b"gzip" if name == b"x-gzip" else name] = 1.0 if match is None else float(match[1])
    others = qualities.get(b"*", 0.0)
    best, most = None, 0.0
    for coding in offered:
        quality = qualities.get(coding, others)
        if quality > most:
            best, most = coding, quality
    return best if most >= qualities.get(b"identity", 0.0) else None


CODINGS: Final[dict[bytes, tuple[Callable[[int], Encoder], Callable[[bytes, int], bytes]]]] = {
    b"gzip": (Gzip, Gzip.whole),
    b"zstd": (Zstd, Zstd.whole),
}
"""The encoders of each coding, for pieces and for whole bodies."""
