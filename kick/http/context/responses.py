"""The writing half of `RequestContext`: response helpers, headers and cookies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from os import PathLike
from types import AsyncGeneratorType
from typing import Any, Final, ParamSpec, Protocol

from kick.cookies import SameSite, format_cookie
from kick.exceptions import PROBLEM_JSON, HTTPError
from kick.http.context.request import IncomingRequest
from kick.http.errors import missing_templates
from kick.http.response.background import Background
from kick.http.response.base import (
    HTML,
    JSON,
    TEXT,
    ReadyResponse,
    Response,
    add_vary,
    empty_response,
    header_line,
    own_copy,
    set_header,
)
from kick.http.response.etags import SAFE, client_has_it, entity_tag, http_date, in_utc, not_modified
from kick.http.response.files import Disposition, content_disposition, media_type_of, open_file
from kick.http.response.redirects import as_location, is_local
from kick.http.response.sse import HEARTBEAT, Events, EventStream
from kick.http.response.streaming import Chunks, StreamResponse
from kick.http.validation.encoding import Encode, encode_json, unencodable

P = ParamSpec("P")


class Promise(Protocol):
    """The encoders of a declared response."""

    @property
    def encode(self) -> Encode:
        """The encoder of the whole response."""
        ...

    @property
    def encode_item(self) -> Encode:
        """The encoder of the data of an event."""
        ...


class _NotBuilt:
    """Stands in the place of the response until one is built."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<no response yet>"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"there is no response yet, so no {name!r}: take what `await call_next(ctx)` returns")


NOT_BUILT: Final[Any] = _NotBuilt()


class ResponseHelpers(IncomingRequest, eq=False):
    """The response: base class of `RequestContext`."""

    response: Response = NOT_BUILT
    """The response under way: the last one that was built. It is false as long as there is none.

    Middleware that returns another one need not set it.
    """
    promise: Promise | None = None
    """The encoders of the declared type of the response, while its handler runs."""
    added_headers: list[tuple[bytes, bytes]] | None = None
    """Headers set on the context, for the response that is sent in the end, whichever it is."""

    # The response

    def json(self, data: Any, status: int = 200) -> Response:
        """Return a JSON response, with the fields that the handler declares if the status is below 400.

        Raises `TypeError` for a value that has no JSON form, or that does not fit the declared type.
        """
        promise = self.promise
        encode = self.settings.encoder.encode if promise is None or status >= 400 else promise.encode
        try:
            self.response = response = ReadyResponse(encode(data), status, JSON)
        except TypeError as error:
            raise unencodable(data, error) from error
        return response

    def text(self, text: str, status: int = 200) -> Response:
        """Return a plain text response."""
        self.response = response = ReadyResponse(text.encode(), status, TEXT)
        return response

    def html(self, html: str, status: int = 200) -> Response:
        """Return an HTML response."""
        self.response = response = ReadyResponse(html.encode(), status, HTML)
        return response

    def no_content(self) -> Response:
        """Return a 204, a response without content."""
        self.response = response = empty_response(204)
        return response

    def redirect(self, url: str, status: int = 303, *, external: bool = False, fallback: str | None = None) -> Response:
        """Send the client elsewhere; 303 makes it a GET.

        An address that came with the request must not lead anyone away from this host. `fallback` is where to go in
        place of one that would; without it, such an address is a `ValueError`. `external=True` says that another host
        is meant. `status` is 301, 302, 303, 307 or 308.

        `ctx.redirect(ctx.query.get("next", "/"), fallback="/")`
        """
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"{status} does not redirect: use 301, 302, 303, 307 or 308")
        if not external and not is_local(url, self.headers.get("host", "")):
            if fallback is None:
                raise ValueError(f"redirect to another host: {url!r}. Pass external=True if that is meant.")
            url = fallback
        self.response = response = empty_response(status, (b"location", as_location(url)))
        return response

    def send_file(
        self,
        path: str | PathLike[str],
        *,
        root: str | PathLike[str] | None = None,
        filename: str | None = None,
        media_type: str | None = None,
        disposition: Disposition = "inline",
    ) -> Response:
        """Return a file, with ranges (RFC 9110, section 14), `ETag`, `Last-Modified`, and 304 for a client that has it.

        Arguments:
            path: the file. Without `root` it is taken as it is: a name that came with the request can lead anywhere.
            root: the folder in which the file has to be, whatever the name says. Hidden names (`.env`) are not found.
            filename: the name that a download gets; with `disposition="attachment"`, that of the file if there is none.
            media_type: by default what the ending of the name stands for.

        Raises `NotFound` where there is no such file, or none that may be read; `OSError` where the system fails to
        look; and `PreconditionFailed` where the request asks for a version that is no longer there.
        """
        response = open_file(path, root=root, filename=filename, media_type=media_type, disposition=disposition)
        etag, modified = response.headers["etag"], response.modified
        unchanged = client_has_it(self.method, self.headers, etag=etag, modified=modified)
        self.response = answer = not_modified(response) if unchanged else response
        return answer

    def download(self, content: bytes | str, filename: str, *, media_type: str | None = None) -> Response:
        """Bytes or a text to be saved as a file; its name may be in any script (RFC 6266).

        What is misleading in the name is left out: folders, control characters, text that runs backwards.
        `media_type` is by default what the ending of the name stands for.
        """
        body = content.encode() if isinstance(content, str) else content
        _, media = header_line("content-type", media_type or media_type_of(filename))
        self.response = response = ReadyResponse(body, 200, media)
        response.raw_headers.append((b"content-disposition", content_disposition("attachment", filename)))
        return response

    def stream(self, chunks: Chunks, *, media_type: str = "application/octet-stream", status: int = 200) -> Response:
        """Return a response piece by piece, as quickly as the client takes them: bytes or texts.

        An async generator is closed at once when the client goes away. A plain one runs in a worker thread. The session
        is saved before the first piece and takes no writes after.
        """
        self.response = response = StreamResponse(chunks, status, media_type)
        if type(chunks) is not AsyncGeneratorType:
            response.threads = self.settings.threads
        if self.route is not None and self.route.info.stream:
            response.listens = False
        return response

    def sse(self, events: Events, *, heartbeat: float | None = HEARTBEAT, retry: int | None = None) -> Response:
        """Server-sent events (HTML Living Standard, section 9.2): `ServerSentEvent`s, texts, or JSON mappings.

        The stream ends when the client goes away, and when the application stops: browsers then connect again, and say
        with `ctx.last_event_id` what they have.

        Arguments:
            heartbeat: seconds of silence after which a comment is sent, so that no proxy closes the connection;
                `None` for none.
            retry: milliseconds after which a browser connects again; `None` leaves it to the browser.

        Raises `ValueError` for a heartbeat that is not above 0.
        """
        settings = self.settings
        self.response = response = EventStream(
            events,
            settings.shutdown,
            settings.hearts,
            heartbeat=heartbeat,
            retry=retry,
            threads=settings.threads,
        )
        response.encode = settings.encoder.encode if self.promise is None else self.promise.encode_item
        return response

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that the client has, when it connects again to a stream of them."""
        value = self.headers.get("last-event-id")
        return None if value is None else value.encode("latin-1").decode("utf-8", "replace")

    def render(self, template: str, /, status: int = 200, **values: Any) -> Response:
        """Return a page from a Jinja2 template in `bootstrap(templates=...)`.

        It sees `values`, `ctx`, and what `JinjaTemplates(globals=..., context=...)` adds.
        """
        if self.settings.templates is None:
            raise missing_templates()
        return self.html(self.settings.templates.render(template, self._page_values(values)), status)

    def is_not_modified(
        self, etag: str | None = None, *, last_modified: datetime | None = None, weak: bool = False
    ) -> bool:
        """Return whether the client has the current version; then return `ctx.not_modified()` (RFC 9110, section 13).

        `etag` names the version: a number, a digest. `last_modified` is when it was made; without a zone it is UTC. For
        GET and HEAD they become the `ETag` and `Last-Modified` of the response, whichever it will be.

        ```python
        if ctx.is_not_modified(str(note.version)):
            return ctx.not_modified()
        ```

        Raises `ValueError` for an `etag` with quotes, spaces or characters beyond ASCII, and `PreconditionFailed` as
        `check_preconditions()` does.
        """
        tag = None if etag is None else entity_tag(etag, weak=weak)
        if self.method in SAFE:
            if tag is not None:
                self.set_header("etag", tag)
            if last_modified is not None:
                self.set_header("last-modified", http_date(last_modified))
        moment = None if last_modified is None else in_utc(last_modified)
        return client_has_it(self.method, self.headers, etag=tag, modified=moment)

    def check_preconditions(
        self, etag: str | None = None, *, last_modified: datetime | None = None, weak: bool = False
    ) -> None:
        """Raise `PreconditionFailed` (412) where a change would undo somebody else's (RFC 9110, section 13.1).

        `etag` and `last_modified` are those of the current version; without them there is none yet. `If-Match` has to
        name it, and `If-None-Match: *` asks that there be none.

        ```python
        ctx.check_preconditions(str(note.version))
        note.text = body.text
        ```

        Raises `ValueError` for an `etag` with quotes, spaces or characters beyond ASCII.
        """
        self.is_not_modified(etag, last_modified=last_modified, weak=weak)

    def not_modified(self) -> Response:
        """Return a 304: the client has it already."""
        self.response = response = empty_response(304)
        return response

    def background(self, function: Callable[P, Any], *args: P.args, **options: P.kwargs) -> None:
        """Call a function when the response has been sent; several are called in their order.

        A coroutine function is awaited, another runs in a worker thread. One that fails is logged, with the request id,
        and stops no other. They run even where the client has gone; where the handler raises, they do not. A server
        that stops waits for them. The session is closed by then: pass values, not the context.

        `ctx.background(mailer.send, user.email, subject="Welcome")`
        """
        self._left_to_do().add(function, *args, **options)

    def problem(self, status: int, detail: str | None = None, **extensions: Any) -> Response:
        """Problem details (RFC 9457), to be returned; raise an `HTTPError` to break off instead."""
        return self.problem_response(HTTPError(status, detail, **extensions))

    def set_header(self, name: str, value: str) -> None:
        """Set a header of the response, whichever response it will be.

        Raises `ValueError` for a value that would break out of its line (RFC 9110, section 5.5).
        """
        self.add_raw_header(*header_line(name, value))

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

        Raises `ValueError` for what browsers refuse, and for a cookie over 4,096 bytes.
        """
        if signed:
            value = self._cookie_signer().sign(name, value)
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
        self.add_raw_header(b"set-cookie", header.encode("ascii"))

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

    # For middleware

    def add_raw_header(self, name: bytes, value: bytes) -> None:
        """Add a header to the response, whichever it will be: a name in lower case and a value, both unchecked."""
        if self.added_headers is None:
            self.added_headers = []
        self.added_headers.append((name, value))

    def finish_response(self) -> Response:
        """Put the headers that were set on the context into the response that is sent.

        Caches are told no more than they were told already: a response with a session's cookie stays where it is.
        """
        response = self.adopt_response(self.response)
        for name, value in self.added_headers or ():
            if name == b"set-cookie":
                response.raw_headers.append((name, value))
            elif name == b"vary":
                for field in value.split(b","):
                    add_vary(response, field.strip())
            elif name != b"cache-control" or (name, b"no-store") not in response.raw_headers:
                set_header(response, name, value)
        return response

    def adopt_response(self, response: Response) -> Response:
        """Make a copy of a response the response under way: one that a handler keeps is sent to others too.

        Raises `ValueError` for a response with headers that break out of their line.
        """
        self.response = own = own_copy(response)
        return own

    def problem_response(self, error: HTTPError) -> Response:
        """Problem details for an error, without raising it. `problem()` makes them of a status."""
        response = ReadyResponse(
            encode_json(error.problem(self.request_id)), error.status, PROBLEM_JSON.encode("ascii")
        )
        response.raw_headers += [header_line(name, value) for name, value in error.headers.items()]
        self.response = response
        return response

    def _page_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a template."""
        page: dict[str, Any] = {"ctx": self}
        url_for = getattr(self, "url_for", None)
        if url_for is not None:
            page["url_for"] = url_for
        for add in self.settings.page_values:
            page.update(add(self))
        return {**page, **values}

    def _left_to_do(self) -> Background:
        """Return the background tasks of the request; they are one of its clean-ups, so others pay nothing."""
        for cleanup in self.cleanups or ():
            background = getattr(cleanup, "__self__", None)
            if isinstance(background, Background):
                return background
        of = f"{self.method} {repr(self.path)[1:-1]}"
        report = partial(self.settings.report, self)
        background = Background(of, self.request_id, self.settings.threads, report=report)
        self.on_end(background.run)
        return background
