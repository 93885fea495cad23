"""Decoding the content codings of request bodies (RFC 9110, section 8.4) while they arrive."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from anyio.lowlevel import checkpoint
from starlette.types import Message, Receive, Scope

from kick.exceptions import PayloadTooLarge, UnsupportedMediaType
from kick.http.request.body import closing, too_large
from kick.http.validation.json_text import malformed

PIECE: Final = 1 << 16
"""Most bytes that are decoded at a time: 64 KiB. So a small body cannot fill the memory when it is decoded."""

MOST_RATIO: Final = 100
"""Most decoded bytes for each encoded byte, beyond the first `PIECE`. JSON and texts of people have 5 to 30.

gzip reaches 1,000 and zstd any number. So without this limit, a few bytes would cost as much as the largest body.
"""

_WINDOW: Final = 23  # 8 MiB, the most that zstd may ask for as a content coding (RFC 9659, section 3)
_SMALLEST_MEMBER: Final = 1024  # the average beyond the first few: each member costs a new decoder
_FREE_MEMBERS: Final = 16


class Decompressor(Protocol):
    """Interface of the decompressors of `zlib` and `zstd`."""

    @property
    def eof(self) -> bool:
        """True after the end of a member or frame."""
        ...

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of a member or frame."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Decode a piece."""
        ...


def accepted_codings() -> str:
    """Return the codings that are decoded, as `Accept-Encoding` lists them (RFC 9110, section 12.5.3).

    >>> accepted_codings().split(", ")[:2]
    ['gzip', 'deflate']
    """
    return "gzip, deflate, zstd" if has_zstd() else "gzip, deflate"


def coding_of(value: bytes) -> str:
    """Return the coding in a `Content-Encoding`, in lower case; empty for `identity`.

    >>> coding_of(b" X-GZIP"), coding_of(b"identity"), coding_of(b"gzip, zstd")
    ('gzip', '', 'gzip, zstd')
    """
    coding = value.strip().lower().decode("latin-1")
    return {"x-gzip": "gzip", "identity": ""}.get(coding, coding)


def unsupported_coding(scope: Scope, coding: str, accepted: str) -> UnsupportedMediaType:
    """Return the 415 for a body with another coding than those that are accepted (RFC 9110, section 15.5.16).

    >>> unsupported_coding({"http_version": "2"}, "br", "gzip").headers
    {'accept-encoding': 'gzip'}
    """
    wanted = "without a Content-Encoding" if accepted == "identity" else f"with one of {accepted}"
    headers = {"accept-encoding": accepted, **closing(scope)}
    return UnsupportedMediaType(f"The body has the Content-Encoding {coding!r}; send it {wanted}.", headers=headers)


class DecodedReceive:
    """An ASGI `receive` that gives the body decoded, at most `PIECE` bytes in a message.

    `limit` is the limit of the body in bytes. The reader of the messages checks it for the decoded bytes. This class
    checks it for the encoded bytes, because many encoded bytes may decode to nothing. It also checks `MOST_RATIO`, for
    the `length` of the encoded body, or for what has arrived of a body whose length is not told. The constructor raises
    `UnsupportedMediaType` for a coding that is not supported; calls raise `PayloadTooLarge` and `BadRequest`.
    """

    def __init__(self, scope: Scope, receive: Receive, coding: str, limit: int | None, length: int = 0) -> None:
        decoders = _decoders()
        if coding not in decoders:
            raise unsupported_coding(scope, coding, accepted_codings())
        self._scope = scope
        self._receive = receive
        self._coding = coding
        self._new = decoders[coding]
        self._limit = limit
        self._length = length
        self._taken = self._given = self._members = 0
        self._rest: list[bytes] = []
        self._decoder: Decompressor | None = None
        self._may_hold_more = False
        self._more = True
        self._ended = False

    async def __call__(self) -> Message:
        """Return the next message: a piece of the body, the end of the body, or a later message of the server."""
        waits = False
        while not self._ended:
            piece = self._next_piece()
            if piece:
                self._check_ratio(len(piece))
                if not waits:
                    await checkpoint()  # decoding a large body must not delay other requests
                return {"type": "http.request", "body": piece, "more_body": True}
            if not self._more:
                self._ended = True
                if self._decoder is not None:
                    raise self._malformed("it ends too early")
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            waits = True
            self._take(message)
        return await self._receive()

    def _take(self, message: Message) -> None:
        body: bytes = message.get("body", b"")
        self._more = message.get("more_body", False)
        self._taken += len(body)
        if self._limit is not None and self._taken > most_encoded(self._limit):
            raise too_large(self._scope, self._limit)
        self._rest = [body[start : start + PIECE] for start in range(0, len(body), PIECE)]
        self._rest.reverse()

    def _check_ratio(self, decoded: int) -> None:
        self._given += decoded
        encoded = max(self._length, self._taken)
        if self._given > PIECE + MOST_RATIO * encoded:
            detail = f"The body decodes to more than {MOST_RATIO} times its size."
            raise PayloadTooLarge(detail, headers=closing(self._scope), limit=PIECE + MOST_RATIO * encoded)

    def _next_piece(self) -> bytes:
        """Return the next decoded bytes. They are empty if more of the body is needed, and at its end."""
        while self._rest or self._may_hold_more:
            data = self._rest.pop() if self._rest else b""
            if self._decoder is None:
                self._decoder = self._begin_member(data)
            try:
                piece = self._decoder.decompress(data, PIECE)
            except Exception as error:
                if not isinstance(error, _broken()):
                    raise
                raise self._malformed("it is damaged") from None
            self._keep_rest(self._decoder, len(piece))
            if piece:
                return piece
        return b""

    def _begin_member(self, data: bytes) -> Decompressor:
        self._members += 1
        if self._members > _FREE_MEMBERS + self._taken // _SMALLEST_MEMBER:
            raise self._malformed("it has too many parts")
        return self._new(data)

    def _keep_rest(self, decoder: Decompressor, decoded: int) -> None:
        self._may_hold_more = decoded == PIECE and not decoder.eof
        if decoder.eof:
            self._decoder = None
            rest = decoder.unused_data
            if self._coding == "deflate" and (rest or self._rest):
                raise self._malformed("something follows its end")
        else:
            rest = getattr(decoder, "unconsumed_tail", b"")  # zstd keeps it
        if rest:
            self._rest.append(rest)

    def _malformed(self, reason: str) -> Exception:
        detail = f"The body is not valid {self._coding}: {reason}."
        return malformed("body", detail, f"Expected {self._coding}", "content-encoding")


def most_encoded(limit: int) -> int:
    """Return the most bytes that a body of `limit` bytes may have when encoded; incompressible data gets longer.

    >>> most_encoded(1_000_000)
    1004930
    """
    return limit + limit // 256 + 1024


def _decoders() -> dict[str, Callable[[bytes], Decompressor]]:
    decoders = {"gzip": lambda _: zlib.decompressobj(31), "deflate": _deflate}
    return {**decoders, "zstd": _zstd} if has_zstd() else decoders


def _deflate(begin: bytes) -> Decompressor:
    """Return a decoder of zlib (RFC 1950), or of raw deflate (RFC 1951), which some clients send as `deflate`."""
    # Raw deflate never begins with these bits: they would be a stored block with a padding bit set.
    return zlib.decompressobj(15 if begin[0] & 0x0F == 8 else -15)


def _zstd(_: bytes) -> Decompressor:
    zstd = zstd_module()
    decoder: Decompressor = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW})
    return decoder


def _broken() -> tuple[type[Exception], ...]:
    return (zlib.error, zstd_module().ZstdError) if has_zstd() else (zlib.error,)


def has_zstd() -> bool:
    """Return true if zstd can be encoded and decoded: it needs Python 3.14 or the package `backports.zstd`."""
    try:
        zstd_module()
    except ImportError:
        return False
    return True


def zstd_module() -> Any:
    """Return the module for zstd (RFC 8878), of Python 3.14 or `backports.zstd`. Raises `ImportError`."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
