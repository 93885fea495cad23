"""`compression()`: compressed bodies, except where the size could reveal a secret."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final, Literal, TypeAlias

import anyio.to_thread
import msgspec
from starlette.background import BackgroundTask
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from kick.errors import KickError, missing_extra
from kick.http import CallNext, RequestContext, Response
from kick.http.request.content_codings import has_zstd
from kick.http.response.base import HeadResponse, ReadyResponse, add_vary
from kick.http.response.streaming import is_stream
from kick.middleware.compression.encodings import CODINGS, Encoder, preferred
from kick.middleware.own_response import own_response
from kick.middleware.per_route import PerRoute

Coding: TypeAlias = Literal["gzip", "zstd"]

IN_THREAD: Final = 1 << 16
"""From this size in bytes, a body is compressed in a worker thread, because it takes about a millisecond."""

NOT_MODIFIED: Final = 304

_KINDS: Final = (
    b"text/",
    b"application/json",
    b"application/problem+json",
    b"application/javascript",
    b"application/xml",
    b"application/xhtml+xml",
    b"application/wasm",
    b"application/x-ndjson",
    b"application/graphql-response+json",
    b"image/svg+xml",
)
_SUFFIXES: Final = (b"+json", b"+xml")
_NEVER: Final = b"text/event-stream"


def bad_compression_option(option: str, given: object, expected: str, example: str) -> KickError:
    """Return the error of an invalid option of `compression()`."""
    return KickError(
        "compression-option",
        cause=f"compression({option}={given!r}) is not {expected}.",
        fix=f"Write, for example, `compression({example})`.",
    )


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `compression()`; levels by coding, the best coding first."""

    enabled: bool
    minimum: int
    levels: dict[bytes, int]
    private: bool


class CompressionLayer(PerRoute):
    """Middleware that `compression()` returns."""

    uses_session = False

    def __init__(self, options: Options) -> None:
        self.options = options
        self._minimum = options.minimum
        self._private = options.private
        self._levels = options.levels
        self._offered = tuple(options.levels)

    @property
    def is_idle(self) -> bool:
        """True if it is switched off."""
        return not self.options.enabled

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Compress the body of the response if this is useful and safe."""
        response = await call_next(ctx)
        mine = response if response is ctx.response else own_response(ctx, response)
        if mine is None:
            return response
        if mine.status_code == NOT_MODIFIED:
            _as_if_compressed(ctx, mine)
            return mine
        is_ready = type(mine).__call__ in _READY
        if is_ready and len(mine.body) < self._minimum:
            return mine
        if not (is_ready or isinstance(mine, FileResponse) or is_stream(mine)) or isinstance(mine, HeadResponse):
            return mine
        if not _may_compress(mine) or not (self._private or _is_public(ctx, mine)):
            return mine
        add_vary(mine, b"Accept-Encoding")
        coding = self._coding(ctx, mine)
        if coding is None:
            return mine
        return await self._ready(mine, coding) if is_ready else self._stream(ctx, mine, coding)

    def _coding(self, ctx: RequestContext[Any], response: Response) -> bytes | None:
        """Return the coding for this client; none for a range request, which is for a part of the original file."""
        accepted = [value for name, value in ctx.scope["headers"] if name == b"accept-encoding"]
        if not accepted:
            return None
        if isinstance(response, FileResponse):
            if response.stat_result is None or response.stat_result.st_size < self._minimum:
                return None
            if any(name == b"range" for name, _ in ctx.scope["headers"]):
                return None
        return preferred(b",".join(accepted), self._offered)

    async def _ready(self, response: Response, coding: bytes) -> Response:
        body, level = bytes(response.body), self._levels[coding]
        whole = CODINGS[coding][1]
        smaller = whole(body, level) if len(body) < IN_THREAD else await anyio.to_thread.run_sync(whole, body, level)
        if len(smaller) < len(body):
            _encode_headers(response, coding, (b"content-length", b"%d" % len(smaller)))
            response.body = smaller
        return response

    def _stream(self, ctx: RequestContext[Any], response: Response, coding: bytes) -> Response:
        _encode_headers(response, coding)
        encoder = CODINGS[coding][0](self._levels[coding])
        ctx.response = wrapped = EncodedResponse(response, encoder)
        return wrapped


class EncodedResponse(Response):
    """A stream whose pieces are compressed."""

    def __init__(self, inner: Response, encoder: Encoder) -> None:
        self.inner: Final = inner
        """The response that is compressed."""
        self._encoder = encoder
        self.status_code = inner.status_code
        self.raw_headers = inner.raw_headers
        self.body = b""

    @property
    def background(self) -> BackgroundTask | None:
        """The background task of `inner`."""
        return self.inner.background

    @background.setter
    def background(self, task: BackgroundTask | None) -> None:
        self.inner.background = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; the client can decode each piece as soon as it arrives."""

        async def encode(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self.raw_headers
            elif message["type"] == "http.response.body":
                message["body"] = await self._piece(bytes(message.get("body", b"")), message.get("more_body", False))
                if not message["body"] and message.get("more_body", False):
                    return
            await send(message)

        extensions = {name: each for name, each in scope.get("extensions", {}).items() if name not in _SHORTCUTS}
        await self.inner({**scope, "extensions": extensions}, receive, encode)

    async def _piece(self, chunk: bytes, more: bool) -> bytes:
        encoder = self._encoder
        if len(chunk) < IN_THREAD:
            piece = encoder.piece(chunk)
        else:
            piece = await anyio.to_thread.run_sync(encoder.piece, chunk)
        return piece if more else piece + encoder.end()


_READY: Final = (ReadyResponse.__call__, Response.__call__)
_SHORTCUTS: Final = ("http.response.pathsend", "http.response.zerocopysend")


def compression(
    *,
    enabled: bool = True,
    minimum: int = 1000,
    codings: tuple[Coding, ...] | None = None,
    gzip_level: int = 5,
    zstd_level: int = 3,
    private: bool = False,
) -> CompressionLayer:
    """Middleware that compresses bodies of text: JSON, HTML and the like.

    It does not compress small or compressed bodies, parts (206), event streams, and responses with `no-transform`. It
    does not compress a response that has used the session or sets a cookie either. If a body contains a secret and also
    text from an attacker, its compressed size reveals the secret character by character (BREACH).

    Arguments:
        enabled: `@Use(compression(enabled=False))` switches it off for a route.
        minimum: the smallest size of a body in bytes.
        codings: the codings, the best first; by default zstd, if it is installed (extra `compression`), and gzip.
        gzip_level: 1 to 9.
        zstd_level: 1 to 19.
        private: `@Use(compression(private=True))` compresses responses of a route although they use the session. It is
            safe if they contain no secret, or no text from the request.

    >>> compression(codings=("gzip",)).options.levels
    {b'gzip': 5}

    Raises `KickError` for an invalid option, and `missing-extra` for zstd without its package.
    """
    given: Any = minimum
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise bad_compression_option("minimum", minimum, "a number of bytes", "minimum=1000")
    levels: dict[str, Any] = {"gzip": gzip_level, "zstd": zstd_level}
    for name, most in (("gzip", 9), ("zstd", 19)):
        level = levels[name]
        if isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= most:
            raise bad_compression_option(f"{name}_level", level, f"a number from 1 to {most}", f"{name}_level=3")
    chosen: Any = codings
    if codings is None:
        chosen = ("zstd", "gzip") if has_zstd() else ("gzip",)
    if isinstance(chosen, str) or not chosen or not set(chosen) <= set(levels):
        raise bad_compression_option("codings", codings, "some of gzip and zstd", 'codings=("gzip",)')
    if "zstd" in chosen and not has_zstd():
        raise missing_extra("compression(codings=...) with zstd", "backports.zstd", "compression")
    return CompressionLayer(
        Options(
            enabled=enabled,
            minimum=minimum,
            levels={name.encode(): levels[name] for name in chosen},
            private=private,
        )
    )


def _may_compress(response: Response) -> bool:
    """Return true if the body is text, not encoded yet, and may be transformed."""
    if response.status_code in (204, 205, 206, 304):
        return False
    kind = b""
    for name, value in response.raw_headers:
        if name in (b"content-encoding", b"content-range"):
            return False
        if name == b"cache-control" and b"no-transform" in value.lower():
            return False
        if name == b"content-type":
            kind = value.lower().partition(b";")[0].strip()
    return kind != _NEVER and (kind.startswith(_KINDS) or kind.endswith(_SUFFIXES))


def _is_public(ctx: RequestContext[Any], response: Response) -> bool:
    """Return true if the response sets no cookie, and has not used the session and will not."""
    session = ctx.opened_session
    if session is not None and (session.state.accessed or (session.state.cookie_came and is_stream(response))):
        return False
    headers = response.raw_headers if ctx.added_headers is None else [*response.raw_headers, *ctx.added_headers]
    return all(name != b"set-cookie" for name, _ in headers)


def _as_if_compressed(ctx: RequestContext[Any], response: Response) -> None:
    """Add the headers of the compressed response to its 304: `Vary`, and the same ETag."""
    add_vary(response, b"Accept-Encoding")
    sent = b",".join(value for name, value in ctx.scope["headers"] if name == b"if-none-match")
    response.raw_headers[:] = [
        (name, b"W/" + value) if name == b"etag" and b"W/" + value in sent else (name, value)
        for name, value in response.raw_headers
    ]


def _encode_headers(response: Response, coding: bytes, *more: tuple[bytes, bytes]) -> None:
    """Set the headers of an encoded response: its length, no ranges, a weak `ETag` (section 8.8.3.3)."""
    gone = (b"content-length", b"accept-ranges", b"content-encoding")
    kept = [
        (name, b"W/" + value) if name == b"etag" and not value.startswith(b"W/") else (name, value)
        for name, value in response.raw_headers
        if name not in gone
    ]
    response.raw_headers[:] = [*kept, (b"content-encoding", coding), *more]
