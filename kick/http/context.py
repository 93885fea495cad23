"""`RequestContext`: what every handler talks to. Each part of a request is worked out when it is first asked for."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, Literal
from urllib.parse import quote, urlsplit

from starlette.datastructures import URL, FormData, Headers, QueryParams, State, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import TypeVar

from kick.di import Scope as Resources
from kick.http.body import (
    form_values,
    is_json,
    media_type_of,
    parse_form,
    parse_multipart,
    read_body,
    stream_body,
)
from kick.http.codec import decode_json, encode_json
from kick.http.cookies import SameSite, cookies_by_name, format_cookie, parse_cookies
from kick.http.errors import NoCookieSecret, NoSession, NoTemplates
from kick.http.problem import PROBLEM_JSON, HTTPError
from kick.http.response import HTML, JSON, TEXT, ReadyResponse, Response, set_header
from kick.http.sse import ServerSentEvent, encode_events
from kick.session.contents import SessionData
from kick.session.session import Session
from kick.signing import Signer

if TYPE_CHECKING:
    from kick.http.routing import Route
    from kick.http.settings import Settings

    DataT = TypeVar("DataT", default=SessionData)
else:
    DataT = TypeVar("DataT", default=Any)


class RequestContext(Generic[DataT]):
    """One request and the response to it.

    With `session(data=UserSession)`, write `RequestContext[UserSession]`, and `ctx.session.data` has that type.

    A helper such as `json()` returns the response; the last one built is sent when the handler returns `None`.
    """

    __slots__ = (
        "_body",
        "_cookie_pairs",
        "_cookies",
        "_extra_headers",
        "_form",
        "_headers",
        "_query",
        "_raw",
        "_receive",
        "_request",
        "_request_id",
        "_resources",
        "_response",
        "_send",
        "_session",
        "_settings",
        "_state",
        "params",
        "route",
        "scope",
    )

    _body: Any
    _cookies: dict[str, str]
    _headers: Headers
    _query: QueryParams
    _request: Request
    _state: State

    params: dict[str, Any]
    """The path parameters, converted."""
    route: Route | None
    """The route that was found; `None` when the response is a 404 or 405."""
    scope: Scope
    """The ASGI connection scope."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        settings: Settings,
        route: Route | None,
        params: dict[str, Any],
    ) -> None:
        self.scope = scope
        self.route = route
        self.params = params
        self._receive = receive
        self._send = send
        self._settings = settings
        self._session: Session[Any] | None = None
        self._response: Response | None = None
        self._extra_headers: list[tuple[bytes, bytes]] | None = None
        self._raw: bytes | None = None
        self._form: FormData | None = None
        self._cookie_pairs: list[tuple[str, str]] | None = None
        self._request_id: str | None = None
        self._resources: Resources | None = None

    def __repr__(self) -> str:
        return f"<RequestContext {self.method} {self.path}>"

    # The request

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return self.scope["method"]  # type: ignore[no-any-return]

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return self.scope["path"]  # type: ignore[no-any-return]

    @property
    def url(self) -> URL:
        """The whole URL as the client sees it."""
        return self.request.url

    @property
    def headers(self) -> Headers:
        """The request headers, by name in any case."""
        try:
            return self._headers
        except AttributeError:
            self._headers = Headers(scope=self.scope)
            return self._headers

    @property
    def query(self) -> QueryParams:
        """The query string as a multi-dict of texts. Declare `query: T` to have it validated."""
        try:
            return self._query
        except AttributeError:
            self._query = QueryParams(self.scope["query_string"])
            return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name, percent-decoded; what is malformed is left out."""
        try:
            return self._cookies
        except AttributeError:
            self._cookies = cookies_by_name(self._pairs())
            return self._cookies

    @property
    def signed_cookies(self) -> dict[str, str]:
        """The cookies that `set_cookie(..., signed=True)` made, checked; all others are left out."""
        signer = self._cookie_signer()
        found: dict[str, str] = {}
        for name, value in self.cookies.items():
            verified = signer.verify(value[2:]) if value.startswith("s:") else None
            if verified is not None:
                found[name] = verified[0]
        return found

    @property
    def client_ip(self) -> str | None:
        """The address of the client, as the server knows it."""
        client = self.scope.get("client")
        return None if client is None else client[0]

    @property
    def request_id(self) -> str:
        """A name for this request, for logs and problem details: 32 hexadecimal digits."""
        if self._request_id is None:
            self._request_id = secrets.token_hex(16)
        return self._request_id

    @property
    def state(self) -> State:
        """A place for what middleware has to say to handlers: `ctx.state.user = user`."""
        try:
            return self._state
        except AttributeError:
            self._state = State()
            return self._state

    @property
    def request(self) -> Request:
        """The Starlette request, for everything else."""
        try:
            return self._request
        except AttributeError:
            self._request = Request(self.scope, self._replay, self._send)
            return self._request

    @property
    def session(self) -> Session[DataT]:
        """The session. Raises a `KickError` that says what to add where `session()` does not run."""
        if self._session is None:
            raise NoSession(f"{self.method} {self.path}", self.route is not None and self.route.session is False)
        return self._session

    # The body

    @property
    def body(self) -> Any:
        """The body by its media type: the value of JSON, a dict of form fields, text, or bytes; `None` without one.

        Raises `BadRequest` for JSON that is malformed. Declare `body: T` to have it validated.
        """
        try:
            return self._body
        except AttributeError:
            self._body = self._parse()
            return self._body

    @property
    def raw_body(self) -> bytes:
        """The body as it came. Middleware calls `await ctx.read()` before it."""
        if self._raw is None:
            raise RuntimeError("the body has not been read: call `await ctx.read()` first")
        return self._raw

    @property
    def form(self) -> FormData:
        """The fields and files of a form; empty when the body is none."""
        if self._form is None:
            is_form = media_type_of(self.scope) == "application/x-www-form-urlencoded"
            self._form = parse_form(self.raw_body) if is_form else FormData()
        return self._form

    @property
    def files(self) -> list[UploadFile]:
        """The files of a multipart form."""
        return [value for _, value in self.form.multi_items() if isinstance(value, UploadFile)]

    async def read(self) -> bytes:
        """Read the body, at most as much as the limit allows, and keep it; handlers find it read already.

        A multipart form is taken apart while it arrives, and `b""` is returned.
        """
        if self._raw is None:
            limit = self._limit()
            if media_type_of(self.scope) == "multipart/form-data":
                self._raw = b""
                self._form = await parse_multipart(self.scope, self._receive, limit)
            else:
                self._raw = await read_body(self.scope, self._receive, limit)
        return self._raw

    def body_stream(self) -> AsyncIterator[bytes]:
        """The body piece by piece, for handlers declared with `stream=True`; the limit holds here too."""
        if self._raw is not None:
            return _once(self._raw)
        return stream_body(self.scope, self._receive, self._limit())

    def _parse(self) -> Any:
        media_type = media_type_of(self.scope)
        if media_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            return form_values(self.form, frozenset())
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
        return self._settings.max_body if route is None or route.max_body is None else route.max_body

    async def _replay(self) -> Message:
        if self._raw is None:
            return await self._receive()
        return {"type": "http.request", "body": self._raw, "more_body": False}

    # The response

    def json(self, data: Any, status: int = 200) -> Response:
        """A JSON response."""
        self._response = response = ReadyResponse(encode_json(data), status, JSON)
        return response

    def text(self, text: str, status: int = 200) -> Response:
        """A plain text response."""
        self._response = response = ReadyResponse(text.encode(), status, TEXT)
        return response

    def html(self, html: str, status: int = 200) -> Response:
        """An HTML response."""
        self._response = response = ReadyResponse(html.encode(), status, HTML)
        return response

    def no_content(self) -> Response:
        """A 204: done, and nothing to say."""
        self._response = response = ReadyResponse(b"", 204, JSON)
        return response

    def redirect(self, url: str, status: int = 303, *, external: bool = False) -> Response:
        """Send the client elsewhere; 303 makes it a GET.

        Raises `ValueError` for an address on another host, unless `external=True` says that it is meant: an
        address that came with the request must not lead anyone away.
        """
        if not external and not _is_local(url, self.headers.get("host", "")):
            raise ValueError(f"redirect to another host: {url!r}. Pass external=True if that is meant.")
        response = ReadyResponse(b"", status, TEXT)
        response.raw_headers = [
            (b"content-length", b"0"),
            (b"location", quote(url, safe=":/%#?=@[]!$&'()*+,;").encode("ascii")),
        ]
        self._response = response
        return response

    def send_file(
        self,
        path: str | PathLike[str],
        *,
        filename: str | None = None,
        media_type: str | None = None,
        disposition: Literal["inline", "attachment"] = "inline",
    ) -> Response:
        """A file, with ranges, `ETag` and `Last-Modified`; `filename` is the name that a download gets."""
        self._response = response = FileResponse(
            path, media_type=media_type, filename=filename, content_disposition_type=disposition
        )
        return response

    def stream(
        self,
        chunks: AsyncIterable[bytes | str] | Iterable[bytes | str],
        *,
        media_type: str = "application/octet-stream",
        status: int = 200,
    ) -> Response:
        """A response piece by piece. The session is saved before the first one and takes no writes after."""
        self._response = response = StreamingResponse(chunks, status, media_type=media_type)
        return response

    def sse(self, events: AsyncIterable[ServerSentEvent | str | Mapping[str, Any]]) -> Response:
        """Server-sent events (HTML Living Standard, section 9.2): `ServerSentEvent`s, texts, or JSON mappings."""
        self._response = response = StreamingResponse(encode_events(events), media_type="text/event-stream")
        response.raw_headers.append((b"cache-control", b"no-store"))
        response.raw_headers.append((b"x-accel-buffering", b"no"))
        return response

    def render(self, template: str, /, status: int = 200, **values: Any) -> Response:
        """A page from a Jinja2 template in `bootstrap(templates=...)`; it sees `values` and `ctx`."""
        if self._settings.templates is None:
            raise NoTemplates
        return self.html(self._settings.templates.render(template, {"ctx": self, **values}), status)

    def problem(self, status: int, detail: str | None = None, **extensions: Any) -> Response:
        """Problem details (RFC 9457), to be returned; raise an `HTTPError` to break off instead."""
        self._response = response = self._problem(HTTPError(status, detail, **extensions))
        return response

    def set_header(self, name: str, value: str) -> None:
        """Set a header of the response, whichever response it will be.

        Raises `ValueError` for a value that would break out of its line.
        """
        if not (name.isascii() and name.isprintable()) or any(char in value for char in "\r\n\0"):
            raise ValueError(f"not a header: {name!r}: {value!r}")
        self._add_header(name.lower().encode("ascii"), value.encode("latin-1"))

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: timedelta | float | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        http_only: bool = True,
        same_site: SameSite = "lax",
        partitioned: bool = False,
        signed: bool = False,
    ) -> None:
        """Set a cookie with the response, whichever it will be; `signed=True` for `ctx.signed_cookies`.

        Arguments:
            max_age: a `timedelta` or seconds; `None` for as long as the browser runs.
            secure: over https only; `None` for what the request came by.
        """
        if signed:
            value = f"s:{self._cookie_signer().sign(value)}"
        header = format_cookie(
            name,
            value,
            max_age=max_age,
            path=path,
            domain=domain,
            secure=self.scope.get("scheme") == "https" if secure is None else secure,
            http_only=http_only,
            same_site=same_site,
            partitioned=partitioned,
        )
        self._add_header(b"set-cookie", header.encode("ascii"))

    def delete_cookie(self, name: str, *, path: str = "/", domain: str | None = None) -> None:
        """Remove a cookie; `path` and `domain` are those it was set with."""
        self.set_cookie(name, "", max_age=0, path=path, domain=domain)

    # For the pipeline

    def _add_header(self, name: bytes, value: bytes) -> None:
        if self._extra_headers is None:
            self._extra_headers = []
        self._extra_headers.append((name, value))

    def _finish(self, response: Response) -> None:
        """Put the headers that were set on the context into the response that is sent."""
        for name, value in self._extra_headers or ():
            if name == b"set-cookie":
                response.raw_headers.append((name, value))
            else:
                set_header(response, name, value)
        self._extra_headers = None

    def _problem(self, error: HTTPError) -> Response:
        response = ReadyResponse(
            encode_json(error.problem(self.request_id)), error.status, PROBLEM_JSON.encode("ascii")
        )
        for name, value in error.headers.items():
            response.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
        return response

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

    def _cookie_signer(self) -> Signer:
        if self._settings.cookie_signer is None:
            raise NoCookieSecret
        return self._settings.cookie_signer

    def _client(self) -> dict[str, Any]:
        """Where the request comes from, for the list of a person's devices."""
        return {"ip": self.client_ip, "user_agent": self.headers.get("user-agent", "")[:200]}


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


def _is_local(url: str, host: str) -> bool:
    """Whether a browser that is sent to `url` stays on this host; it reads a backslash as a slash."""
    if any(ord(char) <= 32 for char in url):
        return False
    parts = urlsplit(url.replace("\\", "/"))
    if parts.netloc:
        return parts.scheme in ("", "http", "https") and parts.netloc == host
    return not parts.scheme and not url.replace("\\", "/").startswith("//")
