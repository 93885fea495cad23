"""The request part of `RequestContext`. Each part of a request is parsed when it is first used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import anyio
import msgspec
from starlette.datastructures import URL, FormData, Headers, QueryParams, State
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from kick.cookies import cookies_by_name, parse_cookies
from kick.di import Scope as Resources
from kick.errors import OfRequest
from kick.http.context.shared_request import SharedRequest
from kick.http.errors import missing_cookie_secret
from kick.http.log_text import shown
from kick.http.request.body import (
    ENDLESS,
    FORM,
    JSON,
    MULTIPART,
    WITHOUT_BODY,
    is_json,
    joined,
    media_type_of,
    one_chunk,
    parse_form,
    stream_body,
    too_large,
)
from kick.http.request.content_codings import DecodedReceive, coding_of, most_encoded, unsupported_coding
from kick.http.request.multipart import close_files, parse_multipart
from kick.http.request.request_id import generate_request_id
from kick.http.request.trace_context import Trace, parse_trace
from kick.http.request.upload_limits import ANY_FILES
from kick.http.routing.route import Route
from kick.http.routing.router import Miss
from kick.http.settings import Settings
from kick.http.uploads import UploadFile
from kick.http.validation.fields import query_of
from kick.http.validation.json_text import decode_json, malformed
from kick.shutdown import Shutdown
from kick.signing import CookieSigner

Cleanup = Callable[[BaseException | None], Awaitable[None]]
"""A callback for the end of a request. Its argument is the exception that ended the request, or `None`."""

HANDSHAKE: Final = "kick.handshake"
"""The key in the scope of the GET request that is the handshake of a WebSocket."""

_NOT_PARSED: Final = object()


async def _gone() -> Message:
    return {"type": "http.disconnect"}


class BodyHeaders(msgspec.Struct, frozen=True):
    """Headers of a request that describe its body.

    `media_type` is in lower case and without parameters, or empty. `length` is in bytes, and 0 if there is no
    `Content-Length`. `coding` is the content coding, as it was sent.
    """

    media_type: str
    length: int
    coding: bytes = b""


def announced(scope: Scope) -> BodyHeaders:
    """Read the headers that describe the body, in one pass.

    >>> announced({"headers": [(b"content-type", b"Text/HTML; charset=utf-8"), (b"content-length", b"7")]})
    BodyHeaders(media_type='text/html', length=7, coding=b'')
    """
    media_type, length, coding = "", 0, b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = JSON if value == b"application/json" else media_type_of(value)
        elif name == b"content-length" and value.isdigit():
            length = int(value) if len(value) < 20 else ENDLESS
        elif name == b"content-encoding":
            coding = coding + b", " + value if coding else value
    return BodyHeaders(media_type, length, coding)


class IncomingRequest(OfRequest, msgspec.Struct, eq=False):
    """The request: base class of `RequestContext`."""

    # A Struct is created faster than any other Python object, and each request creates one.

    scope: Scope
    """The ASGI connection scope."""
    receive: Receive
    """Receives the next ASGI message, without a limit of the body. Use `read()` or `body_stream()`, which have one."""
    send: Send
    """Sends an ASGI message, for the `Request` of Starlette. A handler returns a response instead."""
    settings: Settings
    """The HTTP settings of the application."""
    route: Route | None
    """The route of the request; `None` for a 404 or 405."""
    params: dict[str, Any]
    """The path parameters, converted."""

    rolled_back: bool = False
    """True if the clean-up of a provider has failed, so the session must not be saved."""
    resources: Resources | None = None
    """The scope with the dependencies of the handler, while it runs."""
    cleanups: list[Cleanup] | None = None
    """Callbacks of `on_end()`."""
    miss: Miss | None = None
    """The reason why there is no `route`."""
    known_request_id: str | None = None
    """The request id; `None` until it is set, or until `request_id` generates it."""
    announced: BodyHeaders | None = None
    """Media type and length of the body; `None` until the headers were parsed."""
    received: bytes | None = None
    """The body; `None` until it was read."""
    _cookie_pairs: list[tuple[str, str]] | None = None
    _cookies: dict[str, str] | None = None
    _headers: Headers | None = None
    _query: QueryParams | None = None
    _state: State | None = None
    _request: SharedRequest | None = None
    _seen: bytearray | None = None
    _taken: int = 0
    _form: FormData | None = None
    _body: Any = _NOT_PARSED

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {shown(self.path)}>"

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return self.scope["method"]  # type: ignore[no-any-return]

    @property
    def is_handshake(self) -> bool:
        """True for the handshake of a WebSocket, which is a GET request (RFC 6455, section 4.1)."""
        return HANDSHAKE in self.scope

    @property
    def path(self) -> str:
        """The path as the client sees it, percent-decoded and including the `root_path` of the server.

        It may have line breaks and other control characters. `f"{ctx.path!r}"` is safe in a line of a log.
        """
        return self.scope["path"]  # type: ignore[no-any-return]

    @property
    def url(self) -> URL:
        """The whole URL as the client sent it. Its percent-encoding is kept, for the signatures of webhooks.

        Raises `BadRequest` for an invalid URL.
        """
        try:
            return self.request.url
        except ValueError:
            raise malformed("url", "The URL is invalid.", "Expected an address", "url") from None

    @property
    def headers(self) -> Headers:
        """The request headers, by name in any case."""
        if self._headers is None:
            self._headers = Headers(scope=self.scope)
        return self._headers

    @property
    def query(self) -> QueryParams:
        """The query string as a multi-dict of texts. A parameter `query: T` gets it validated.

        Raises `BadRequest` if it is not UTF-8, or has more than 1000 fields.
        """
        if self._query is None:
            self._query = query_of(self.scope)
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name, percent-decoded, without malformed ones."""
        if self._cookies is None:
            self._cookies = cookies_by_name(self._pairs())
        return self._cookies

    @property
    def signed_cookies(self) -> dict[str, str]:
        """The cookies with a valid signature, which `set_cookie(..., signed=True)` has set."""
        signer = self._cookie_signer()
        found: dict[str, str] = {}
        for name, value in self.cookies.items():
            verified = signer.verify(name, value)
            if verified is not None:
                found[name] = verified
        return found

    @property
    def client_ip(self) -> str | None:
        """The IP address of the client. Behind a proxy, it needs `bootstrap(trusted_proxies=...)`."""
        client = self.scope.get("client")
        return None if client is None else client[0]

    @property
    def request_id(self) -> str:
        """The id of this request, for logs and problem details: 32 hexadecimal digits, or that of `request_id()`."""
        if self.known_request_id is None:
            self.known_request_id = generate_request_id()
        return self.known_request_id

    @request_id.setter
    def request_id(self, request_id: str) -> None:
        self.known_request_id = request_id

    @property
    def trace(self) -> Trace | None:
        """The distributed trace in the header `traceparent`; `None` if it is missing or malformed."""
        parents = self.headers.getlist("traceparent")
        return parse_trace(parents[0], ",".join(self.headers.getlist("tracestate"))) if len(parents) == 1 else None

    @property
    def state(self) -> State:
        """Values that middleware passes to handlers: `ctx.state.user = user`."""
        if self._state is None:
            self._state = State()
        return self._state

    @property
    def request(self) -> Request:
        """The Starlette request, for everything else. `ctx.request.session` is the session, as a `dict`."""
        if self._request is None:
            self._request = SharedRequest(self.scope, self.replay(), self.send)
            self._share_form()
        return self._request

    # The body

    @property
    def body(self) -> Any:
        """The body, parsed by its media type: a JSON value, a dict of form fields, text, or bytes; `None` for no body.

        Raises `BadRequest` for malformed JSON. A parameter `body: T` gets the body validated.
        """
        if self._body is _NOT_PARSED:
            self._body = self._parse()
        return self._body

    @property
    def media_type(self) -> str:
        """The media type of the body, in lower case and without parameters; empty if the request has none."""
        if self.announced is None:
            self.announced = announced(self.scope)
        return self.announced.media_type

    @property
    def raw_body(self) -> bytes:
        """The body as bytes. Middleware must call `await ctx.read()` before."""
        if self.received is None:
            if self.method in WITHOUT_BODY:
                return b""
            raise RuntimeError("the body has not been read: call `await ctx.read()` first")
        return self.received

    @property
    def form(self) -> FormData:
        """The fields and files of a form; empty if the body is not a form."""
        if self._form is None:
            raw = self.raw_body if self.media_type in (FORM, MULTIPART) else b""
            self._form = parse_form(raw) if self.media_type == FORM else FormData()
        return self._form

    @property
    def files(self) -> list[UploadFile]:
        """The files of a multipart form."""
        return [value for _, value in self.form.multi_items() if isinstance(value, UploadFile)]

    async def read(self) -> bytes:
        """Read the body up to its limit and keep it for handlers.

        A multipart form is parsed while it arrives, and `b""` is returned.
        """
        said = self.announced
        if said is None:
            said = self.announced = announced(self.scope)
        if said.coding:
            said = self._decode(said)
        if said.media_type == MULTIPART:
            if self._form is None:
                await self._read_multipart(said.length)
            return b""
        raw = self.received
        if raw is None:
            limit = self._limit()
            left = ENDLESS if limit is None else limit
            if said.length > left:
                raise too_large(self.scope, limit)
            message = await self.receive()
            raw = message.get("body")
            if raw is None or message.get("more_body"):  # most bodies arrive in one message; a disconnect has no body
                raw = await joined(message, self.receive, left)
            if len(raw) > left:
                raise too_large(self.scope, limit)
            self.received = raw
        return raw

    def body_stream(self) -> AsyncIterator[bytes]:
        """Return the body in pieces, for handlers with `stream=True`. The limit applies here too."""
        if self.received is not None:
            return one_chunk(self.received)
        said = self.announced or announced(self.scope)
        if said.coding:
            said = self._decode(said)
        return stream_body(self.scope, self.receive, self._limit(), said.length)

    # The client, and the end

    @property
    def stopping(self) -> Shutdown:
        """The shutdown of the application: `ctx.stopping.is_set`, `await ctx.stopping.wait()`."""
        return self.settings.shutdown

    async def disconnected(self) -> None:
        """Wait until the client has disconnected.

        A handler calls it while it does other work, before its response starts. The rest of a body that was not read
        is dropped, so a handler with `stream=True` must read the body first. To have the handler cancelled, write
        `@Get(cancel_on_disconnect=True)` instead.

        >>> async def report(ctx: IncomingRequest, slow: Callable[[], Awaitable[None]]) -> None:
        ...     async with anyio.create_task_group() as tasks:
        ...         tasks.start_soon(slow)
        ...         await ctx.disconnected()
        ...         tasks.cancel_scope.cancel()
        """
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.receive = _gone  # some servers send this message only once

    async def is_disconnected(self) -> bool:
        """Return true if the client has disconnected, without waiting. A loop can call it from time to time."""
        with anyio.CancelScope() as scope:
            scope.cancel()
            await self.disconnected()
            return True
        return False

    def on_end(self, cleanup: Cleanup) -> None:
        """Register a callback that is awaited when the response has been sent. The last one registered is first.

        Its argument is the exception that ended the request, or `None`. If one callback fails, the others still run.

        >>> async def timed(ctx: IncomingRequest, watch: Callable[[], float]) -> None:
        ...     async def log(error: BaseException | None) -> None:
        ...         print(repr(ctx.path), watch(), error)
        ...     ctx.on_end(log)
        """
        if self.cleanups is None:
            self.cleanups = []
        self.cleanups.append(cleanup)

    def replay(self) -> Receive:
        """Return an ASGI `receive` for another application. It repeats the body if `read()` has consumed it.

        A body that the other application reads is kept for `read()`, up to the limit.
        """
        told = False

        async def receive() -> Message:
            nonlocal told
            said = self.announced = self.announced or announced(self.scope)
            if said.coding:
                self._decode(said)
            if self.received is not None and not told:
                told = True
                return {"type": "http.request", "body": self.received, "more_body": False}
            message = await self.receive()
            if self.received is None and message["type"] == "http.request":
                told = not message.get("more_body", False)
                self._keep(message)
            return message

        return receive

    def _decode(self, said: BodyHeaders) -> BodyHeaders:
        """Decode the rest of the body, if it has a content coding. Raises the 415 if the route does not allow it.

        A mounted application gets the encoded body, with its header.
        """
        coding, route, length = coding_of(said.coding), self.route, said.length
        if coding and self.method not in WITHOUT_BODY and not (route is not None and route.is_mount):
            here = None if route is None else route.info.decompress
            if not (self.settings.decompress if here is None else here):
                raise unsupported_coding(self.scope, coding, "identity")
            limit = self._form_limit() if said.media_type == MULTIPART else self._limit()
            if limit is not None and length > most_encoded(limit):
                raise too_large(self.scope, limit)
            self.receive, length = DecodedReceive(self.scope, self.receive, coding, limit, length), 0
        self.announced = said = BodyHeaders(said.media_type, length)
        return said

    async def _read_multipart(self, length: int) -> None:
        limit, route, text_limit = self._form_limit(), self.route, self.settings.max_body
        upload_limits = (route and route.upload_limits) or ANY_FILES
        raw = self.received
        chunks = one_chunk(raw) if raw is not None else stream_body(self.scope, self.receive, limit, length)
        self._form = await parse_multipart(self.scope, chunks, upload_limits, text_limit=text_limit)
        files = self.files
        self.received = self.received or b""
        self._share_form()

        async def close(_: BaseException | None) -> None:
            await close_files(files)

        self.on_end(close)

    def _share_form(self) -> None:
        """Give a parsed form to the Starlette request, because its body cannot be read again."""
        if self._request is not None and self._form is not None:
            self._request.parsed_form = self._form

    def _parse(self) -> Any:
        media_type = self.media_type
        if media_type in (FORM, MULTIPART):
            form = self.form
            return {name: form[name] for name in form}
        raw = self.raw_body
        if not raw:
            return None
        if is_json(media_type):
            return decode_json(raw)
        if media_type.startswith("text/"):
            return raw.decode("utf-8", "replace")
        return raw

    def _limit(self) -> int | None:
        route = self.route
        return self.settings.max_body if route is None or route.max_body is None else route.max_body

    def _form_limit(self) -> int | None:
        """Return the limit of a multipart form: the limit of bodies plus that of the files."""
        limit, route = self._limit(), self.route
        if limit is None or route is None or route.max_body is not None or route.upload_limits is None:
            return limit
        return limit + route.upload_limits.room

    def _keep(self, message: Message) -> None:
        """Keep a piece of the body that the Starlette request reads, unless the handler streams the body."""
        chunk: bytes = message.get("body", b"")
        limit = self._limit()
        self._taken += len(chunk)
        if limit is not None and self._taken > limit:
            raise too_large(self.scope, limit)
        if self.route is not None and self.route.info.stream:
            return
        if self._seen is None:
            self._seen = bytearray()
        self._seen += chunk
        if not message.get("more_body", False):
            self.received = bytes(self._seen)

    def _pairs(self) -> list[tuple[str, str]]:
        """All cookies as they were sent, parsed once."""
        pairs = self._cookie_pairs
        if pairs is None:
            pairs = []
            for name, value in self.scope["headers"]:
                if name == b"cookie":
                    pairs += parse_cookies(value.decode("latin-1"))
            self._cookie_pairs = pairs
        return pairs

    def _cookie_signer(self) -> CookieSigner:
        if self.settings.cookie_signer is None:
            raise missing_cookie_secret()
        return self.settings.cookie_signer
