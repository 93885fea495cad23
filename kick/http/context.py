"""`RequestContext`: what every handler talks to."""

from __future__ import annotations

import secrets
import stat
from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Literal

from starlette.responses import FileResponse, StreamingResponse
from typing_extensions import TypeVar

from kick.http.address import as_location, is_local
from kick.http.codec import encode_json
from kick.http.cookies import SameSite, format_cookie
from kick.http.errors import NoSession, NoTemplates
from kick.http.problem import PROBLEM_JSON, HTTPError, NotFound
from kick.http.request import IncomingRequest
from kick.http.response import (
    HTML,
    JSON,
    TEXT,
    ReadyResponse,
    Response,
    add_vary,
    empty_response,
    header_line,
    own_copy,
    protected,
    set_header,
)
from kick.http.sse import ServerSentEvent, encode_events
from kick.session.contents import SessionData
from kick.session.session import Session

if TYPE_CHECKING:
    DataT = TypeVar("DataT", default=SessionData)
else:
    DataT = TypeVar("DataT", default=Any)

NOT_BUILT: Final[Any] = object()
"""In place of the response before there is one."""


class RequestContext(IncomingRequest, Generic[DataT], eq=False):
    """One request and the response to it.

    With `session(data=UserSession)`, write `RequestContext[UserSession]`, and `ctx.session.data` has that type.

    A helper such as `json()` returns the response; the last one built is sent when the handler returns `None`.

    >>> from kick.http import Controller, Get
    >>> @Controller("/greeting")
    ... class GreetingController:
    ...     @Get()
    ...     async def greet(self, ctx: RequestContext) -> Response:
    ...         ctx.set_header("cache-control", "no-store")
    ...         return ctx.text(f"Hello, {ctx.query.get('name', 'world')}!")
    """

    _session: Session[Any] | None = None
    _response: Response = NOT_BUILT
    _extra_headers: list[tuple[bytes, bytes]] | None = None

    @property
    def session(self) -> Session[DataT]:
        """The session. Raises a `KickError` that says what to add where `session()` does not run."""
        if self._session is None:
            raise NoSession(f"{self.method} {self.path}", self.route is not None and self.route.session is False)
        return self._session

    @property
    def csp_nonce(self) -> str:
        """What lets a script or style of this very response run: `<script nonce="{{ ctx.csp_nonce }}">`.

        Drawn when it is first asked for; `security_headers()` names it in the policy then.
        """
        nonce = self._drawn_nonce()
        if nonce is None:
            nonce = self.state._csp_nonce = secrets.token_urlsafe(18)
        return nonce

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
        self._response = response = empty_response(204)
        return response

    def redirect(self, url: str, status: int = 303, *, external: bool = False) -> Response:
        """Send the client elsewhere; 303 makes it a GET.

        Raises `ValueError` for an address on another host, unless `external=True` says that it is meant: an
        address that came with the request must not lead anyone away. `status` is 301, 302, 303, 307 or 308.
        """
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"{status} does not redirect: use 301, 302, 303, 307 or 308")
        if not external and not is_local(url, self.headers.get("host", "")):
            raise ValueError(f"redirect to another host: {url!r}. Pass external=True if that is meant.")
        self._response = response = empty_response(status, (b"location", as_location(url)))
        return response

    def send_file(
        self,
        path: str | PathLike[str],
        *,
        filename: str | None = None,
        media_type: str | None = None,
        disposition: Literal["inline", "attachment"] = "inline",
    ) -> Response:
        """A file, with ranges, `ETag` and `Last-Modified`; `filename` is the name that a download gets.

        Raises `NotFound` where there is no such file. `path` is taken as it is: a name that came with the request can
        lead anywhere.
        """
        try:
            status = Path(path).stat()
        except (OSError, ValueError):
            raise NotFound("There is no such file.") from None
        if not stat.S_ISREG(status.st_mode):
            raise NotFound("There is no such file.")
        response = FileResponse(
            path, media_type=media_type, filename=filename, content_disposition_type=disposition, stat_result=status
        )
        self._response = protected(response)
        return response

    def stream(
        self,
        chunks: AsyncIterable[bytes | str] | Iterable[bytes | str],
        *,
        media_type: str = "application/octet-stream",
        status: int = 200,
    ) -> Response:
        """A response piece by piece. The session is saved before the first one and takes no writes after."""
        self._response = response = protected(StreamingResponse(chunks, status, media_type=media_type))
        return response

    def sse(self, events: AsyncIterable[ServerSentEvent | str | Mapping[str, Any]]) -> Response:
        """Server-sent events (HTML Living Standard, section 9.2): `ServerSentEvent`s, texts, or JSON mappings."""
        self._response = response = protected(StreamingResponse(encode_events(events), media_type="text/event-stream"))
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
        return self._problem(HTTPError(status, detail, **extensions))

    def set_header(self, name: str, value: str) -> None:
        """Set a header of the response, whichever response it will be.

        Raises `ValueError` for a value that would break out of its line (RFC 9110, section 5.5).
        """
        self._add_header(*header_line(name, value))

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

    def delete_cookie(
        self,
        name: str,
        *,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        partitioned: bool = False,
    ) -> None:
        """Remove a cookie; the arguments are those it was set with."""
        self.set_cookie(name, "", max_age=0, path=path, domain=domain, secure=secure, partitioned=partitioned)

    # For the pipeline

    def _drawn_nonce(self) -> str | None:
        """The nonce, where somebody asked for it."""
        return None if self._state is None else getattr(self._state, "_csp_nonce", None)

    def _add_header(self, name: bytes, value: bytes) -> None:
        if self._extra_headers is None:
            self._extra_headers = []
        self._extra_headers.append((name, value))

    def _finish(self) -> Response:
        """Put the headers that were set on the context into the response that is sent.

        Caches are told no more than they were told already: a response with a session's cookie stays where it is.
        """
        response = self._own(self._response)
        for name, value in self._extra_headers or ():
            if name == b"set-cookie":
                response.raw_headers.append((name, value))
            elif name == b"vary":
                for field in value.split(b","):
                    add_vary(response, field.strip())
            elif name != b"cache-control" or (name, b"no-store") not in response.raw_headers:
                set_header(response, name, value)
        return response

    def _own(self, response: Response) -> Response:
        """A response that was not built here, as this request's own."""
        self._response = own = own_copy(response)
        return own

    def _problem(self, error: HTTPError) -> Response:
        response = ReadyResponse(
            encode_json(error.problem(self.request_id)), error.status, PROBLEM_JSON.encode("ascii")
        )
        response.raw_headers += [header_line(name, value) for name, value in error.headers.items()]
        self._response = response
        return response
