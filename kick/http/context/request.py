"""The reading half of `RequestContext`: each part of a request is parsed when it is first used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec
from starlette.datastructures import URL, FormData, Headers, QueryParams, State
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from kick.cookies import cookies_by_name, parse_cookies
from kick.di import Scope as Resources
from kick.errors import OfRequest
from kick.http.errors import missing_cookie_secret
from kick.http.log_text import shown
from kick.http.request.body import (
    FORM,
    MULTIPART,
    WITHOUT_BODY,
    BodyHeaders,
    announced,
    is_json,
    one_chunk,
    parse_form,
    read_body,
    stream_body,
    too_large,
)
from kick.http.request.content_codings import DecodedReceive, coding_of, most_encoded, unsupported_coding
from kick.http.request.multipart import close_files, parse_multipart
from kick.http.request.request_id import draw_request_id
from kick.http.request.target import sent_url
from kick.http.request.trace_context import Trace, parse_trace
from kick.http.request.upload_limits import ANY_FILES
from kick.http.routing.route import Route
from kick.http.routing.router import Miss
from kick.http.settings import Settings
from kick.http.uploads import UploadFile
from kick.http.validation.fields import query_of
from kick.http.validation.serialization import decode_json, malformed
from kick.shutdown import Shutdown
from kick.signing import CookieSigner

if TYPE_CHECKING:
    from kick.session.asgi.request_session import RequestSession

Cleanup = Callable[[BaseException | None], Awaitable[None]]
"""A callback for the end of a request; it is given the exception that ended it."""

HANDSHAKE: Final = "kick.handshake"
"""The key of a WebSocket's handshake in the scope of the GET request that it is."""

_NOT_PARSED: Final = object()


async def _gone() -> Message:
    return {"type": "http.disconnect"}


class SharedRequest(OfRequest, Request):
    """The request as Starlette has it; a form that was taken apart already is found there too, for its body is gone."""

    parsed_form: FormData | None = None
    _sent_url: URL | None = None
    find_session: Callable[[], RequestSession] | None = None
    """Returns the session of the context; `None` where it has none."""
    _found_session: RequestSession | None = None

    @property
    def session(self) -> dict[str, Any]:
        """The session of the request; that of the scope where the context has none."""
        if self.find_session is None:
            return super().session
        if self._found_session is None:
            self._found_session = self.find_session()
        self._found_session.mark_accessed()
        return self._found_session

    @session.setter
    def session(self, value: object) -> None:
        # `request.session |= {...}` assigns what it has changed in place.
        if value is not self.session:
            raise AttributeError("request.session cannot be replaced: clear() it, then update() it")

    @property
    def url(self) -> URL:
        """The whole URL as the client sent it."""
        if self._sent_url is None:
            self._sent_url = sent_url(self.scope)
        return self._sent_url

    def form(self, **limits: Any) -> Any:
        """Return the form, to be awaited or entered; `limits` are for one that was not taken apart yet."""
        return super().form(**limits) if self.parsed_form is None else _Parsed(self.parsed_form)

    async def close(self) -> None:
        """Close the files of the form."""
        if self.parsed_form is None:
            await super().close()
        else:
            await self.parsed_form.close()


class _Parsed:
    """A form that can be awaited, and entered; its files are closed when the request ends."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    def __await__(self) -> Generator[Any, Any, FormData]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> FormData:
        return self._form

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()


class IncomingRequest(OfRequest, msgspec.Struct, eq=False):
    """The request: base class of `RequestContext`."""

    # A Struct, because one is made for every request, and nothing in Python is made as quickly.

    scope: Scope
    """The ASGI connection scope."""
    receive: Receive
    """Receives the next ASGI message of the request. `read()` and `body_stream()` keep to the limits, this does not."""
    send: Send
    """Sends an ASGI message. A response is returned instead; this is for what Starlette's `Request` needs."""
    settings: Settings
    """The HTTP settings of the application."""
    route: Route | None
    """The route that was found; `None` when the response is a 404 or 405."""
    params: dict[str, Any]
    """The path parameters, converted."""

    rolled_back: bool = False
    """True if a clean-up of a provider failed: what the request wrote is not kept, and the session is not saved."""
    resources: Resources | None = None
    """The scope with the dependencies of the handler, while it runs."""
    cleanups: list[Cleanup] | None = None
    """Callbacks of `on_end()`."""
    miss: Miss | None = None
    """The reason why there is no `route`."""
    known_request_id: str | None = None
    """The request id, where it has been generated or set. `request_id` generates it."""
    announced: BodyHeaders | None = None
    """Media type and length of the body, once somebody has read them in the headers."""
    received: bytes | None = None
    """The body, once it has been read. `raw_body` raises where it has not."""
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
        """The path as the client sees it, percent-decoded; it begins with the server's `root_path`, if it has one."""
        return self.scope["path"]  # type: ignore[no-any-return]

    @property
    def url(self) -> URL:
        """The whole URL as the client sent it: percent-encoding is kept, for the signatures of webhooks.

        Raises `BadRequest` for one that nobody can read.
        """
        try:
            return self.request.url
        except ValueError:
            raise malformed("url", "The address cannot be read.", "Expected an address", "url") from None

    @property
    def headers(self) -> Headers:
        """The request headers, by name in any case."""
        if self._headers is None:
            self._headers = Headers(scope=self.scope)
        return self._headers

    @property
    def query(self) -> QueryParams:
        """The query string as a multi-dict of texts. Declare `query: T` to have it validated.

        Raises `BadRequest` for one that is not UTF-8.
        """
        if self._query is None:
            self._query = query_of(self.scope)
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name, percent-decoded; what is malformed is left out."""
        if self._cookies is None:
            self._cookies = cookies_by_name(self._pairs())
        return self._cookies

    @property
    def signed_cookies(self) -> dict[str, str]:
        """The cookies that `set_cookie(..., signed=True)` made for these names; all others are left out."""
        signer = self._cookie_signer()
        found: dict[str, str] = {}
        for name, value in self.cookies.items():
            verified = signer.verify(name, value)
            if verified is not None:
                found[name] = verified
        return found

    @property
    def client_ip(self) -> str | None:
        """The address of the client: of whoever connected, or what `bootstrap(trusted_proxies=...)` makes of it."""
        client = self.scope.get("client")
        return None if client is None else client[0]

    @property
    def request_id(self) -> str:
        """A name for this request, for logs and problem details: 32 hexadecimal digits, or what `request_id()` took."""
        if self.known_request_id is None:
            self.known_request_id = draw_request_id()
        return self.known_request_id

    @request_id.setter
    def request_id(self, request_id: str) -> None:
        self.known_request_id = request_id

    @property
    def trace(self) -> Trace | None:
        """The distributed trace that the request came with (`traceparent`); `None` for none and for a malformed one."""
        parents = self.headers.getlist("traceparent")
        return parse_trace(parents[0], ",".join(self.headers.getlist("tracestate"))) if len(parents) == 1 else None

    @property
    def state(self) -> State:
        """A place for what middleware has to say to handlers: `ctx.state.user = user`."""
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
        """The body by its media type: the value of JSON, a dict of form fields, text, or bytes; `None` without one.

        Raises `BadRequest` for JSON that is malformed. Declare `body: T` to have it validated.
        """
        if self._body is _NOT_PARSED:
            self._body = self._parse()
        return self._body

    @property
    def media_type(self) -> str:
        """The media type of the body, in lower case and without parameters; empty where the request has none."""
        if self.announced is None:
            self.announced = announced(self.scope)
        return self.announced.media_type

    @property
    def raw_body(self) -> bytes:
        """The body as it came. Middleware calls `await ctx.read()` before it."""
        if self.received is None:
            if self.method in WITHOUT_BODY:
                return b""
            raise RuntimeError("the body has not been read: call `await ctx.read()` first")
        return self.received

    @property
    def form(self) -> FormData:
        """The fields and files of a form; empty when the body is none."""
        if self._form is None:
            raw = self.raw_body if self.media_type in (FORM, MULTIPART) else b""
            self._form = parse_form(raw) if self.media_type == FORM else FormData()
        return self._form

    @property
    def files(self) -> list[UploadFile]:
        """The files of a multipart form."""
        return [value for _, value in self.form.multi_items() if isinstance(value, UploadFile)]

    async def read(self) -> bytes:
        """Read the body, at most as much as the limit allows, and keep it; handlers find it read already.

        A multipart form is taken apart while it arrives, and `b""` is returned.
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
            raw = self.received = await read_body(self.scope, self.receive, self._limit(), said.length)
        return raw

    def body_stream(self) -> AsyncIterator[bytes]:
        """Return the body piece by piece, for handlers declared with `stream=True`; the limit holds here too."""
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
        """Wait until the client has gone away.

        For a handler, next to what it is busy with; once the response has begun, the server says so itself. What is
        left of a body that was not read is dropped: a handler with `stream=True` reads it to its end first. To have
        the handler cancelled, write `@Get(cancel_on_disconnect=True)` instead.

        >>> async def report(ctx: IncomingRequest, slow: Callable[[], Awaitable[None]]) -> None:
        ...     async with anyio.create_task_group() as tasks:
        ...         tasks.start_soon(slow)
        ...         await ctx.disconnected()
        ...         tasks.cancel_scope.cancel()
        """
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.receive = _gone  # some servers say it once only

    async def is_disconnected(self) -> bool:
        """Return whether the client has gone away, without waiting: for a loop that looks from time to time."""
        with anyio.CancelScope() as scope:
            scope.cancel()
            await self.disconnected()
            return True
        return False

    def on_end(self, cleanup: Cleanup) -> None:
        """Await a callback when the response has been sent, the last one registered first.

        It is called with the exception that ended the request, or `None`. One that fails stops no other.

        >>> async def timed(ctx: IncomingRequest, watch: Callable[[], float]) -> None:
        ...     async def log(error: BaseException | None) -> None:
        ...         print(ctx.path, watch(), error)
        ...     ctx.on_end(log)
        """
        if self.cleanups is None:
            self.cleanups = []
        self.cleanups.append(cleanup)

    def replay(self) -> Receive:
        """Return an ASGI `receive` for another application: it gives the body again, if `read()` has consumed it.

        What the other application reads is kept, within the limit, so that `read()` finds it.
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
        """Decode the body from here on, if it has a content coding. Raises the 415 where that is not wanted.

        What is mounted gets the body as it was sent, with the header that says so.
        """
        coding, route, length = coding_of(said.coding), self.route, said.length
        if coding and self.method not in WITHOUT_BODY and not (route is not None and route.is_mount):
            here = None if route is None else route.info.decompress
            if not (self.settings.decompress if here is None else here):
                raise unsupported_coding(self.scope, coding, "identity")
            limit = self._form_limit() if said.media_type == MULTIPART else self._limit()
            if limit is not None and length > most_encoded(limit):
                raise too_large(self.scope, limit)
            self.receive, length = DecodedReceive(self.scope, self.receive, coding, limit), 0
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
        """Let the Starlette request find a form that was taken apart already: its body is gone."""
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
        """Return the limit of a multipart form: that of bodies, and the room that files have beyond it."""
        limit, route = self._limit(), self.route
        if limit is None or route is None or route.max_body is not None or route.upload_limits is None:
            return limit
        return limit + route.upload_limits.room

    def _keep(self, message: Message) -> None:
        """Remember a piece of the body that the Starlette request takes, unless the handler streams it."""
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
        """All the cookies, as they were sent; parsed once."""
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
