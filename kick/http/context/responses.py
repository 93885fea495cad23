"""The response part of `RequestContext`: response helpers, headers and cookies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from os import PathLike
from types import AsyncGeneratorType
from typing import Any, Final, NamedTuple

import kick.session  # exports `Session` when somebody asks for it: not every application has sessions
from kick.cookies import SameSite, format_cookie
from kick.exceptions import PROBLEM_JSON, HTTPError
from kick.http.context.request import IncomingRequest
from kick.http.errors import missing_templates
from kick.http.recorder import KEY as RECORDER
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
from kick.http.response.files import Disposition, content_disposition, open_file
from kick.http.response.media_types import NO_SNIFF, SANDBOX, inert_in_pages, media_type_of
from kick.http.response.redirects import as_location, is_local
from kick.http.response.sse import HEARTBEAT, Events, EventStream
from kick.http.response.streaming import Chunks, StreamResponse
from kick.http.validation.encoding import Encode, encode_json, unencodable


class Promise(NamedTuple):
    """The encoders of a declared response: of the whole, and of the data of an event."""

    encode: Encode
    encode_item: Encode


class _NotBuilt:
    """Placeholder until a response is built."""

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
    """The current response: the last one that was built. It is false if there is none yet.

    Middleware that returns another response need not set it.
    """
    promise: Promise | None = None
    """The encoders of the declared type of the response, while its handler runs."""
    added_headers: list[tuple[bytes, bytes]] | None = None
    """Headers set on the context, for the response that is finally sent."""
    opened_session: kick.session.Session[Any] | None = None
    """The session, for middleware; `None` if `session()` does not run. Handlers use `session`."""

    # The response

    def json(self, data: Any, status: int = 200) -> Response:
        """Return a JSON response. With a status below 400, only the fields of the declared response type are sent.

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
        """Return a redirect. After a 303, the client sends a GET.

        A URL from the request must not lead to another host (open redirect). If `url` does, `fallback` is used
        instead; without a `fallback`, `ValueError` is raised. `external=True` allows other hosts. `status` is 301,
        302, 303, 307 or 308.

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
        trusted: bool = False,
    ) -> Response:
        """Return a file, with ranges (RFC 9110, section 14), `ETag`, `Last-Modified` and 304 responses.

        A file below `root` may be an upload, so it must not run on the origin of the application. Unless browsers only
        show its type (raster pictures, sound, video, PDF, plain text, CSV and subtitles), it is sent as a download of
        the type `application/octet-stream`, whatever `media_type` and `disposition` say.

        Arguments:
            path: the file. Without `root` it is not checked, so a name from the request could be any file.
            root: the folder that must contain the file. Hidden names (`.env`) are not found.
            filename: the name of the download. With `disposition="attachment"`, the default is the name of the file.
            media_type: by default that of the extension of the name.
            disposition: `"inline"` lets the browser show the file, `"attachment"` makes it save the file.
            trusted: with `root`, send HTML, SVG, scripts and all other types as they are, because nobody but the
                application writes files in this folder.

        Raises `NotFound` if the file does not exist or must not be read, `OSError` for other errors of the system, and
        `PreconditionFailed` if the request asks for a version that no longer exists.
        """
        response = open_file(
            path, root=root, filename=filename, media_type=media_type, disposition=disposition, trusted=trusted
        )
        etag, modified = response.headers["etag"], response.modified
        unchanged = client_has_it(self.method, self.headers, etag=etag, modified=modified)
        self.response = answer = not_modified(response) if unchanged else response
        return answer

    def download(self, content: bytes | str, filename: str, *, media_type: str | None = None) -> Response:
        """Return bytes or a text as a download. Its name may be in any script (RFC 6266).

        Misleading parts of the name are removed: folders, control characters, text with another direction. The default
        of `media_type` is that of the extension of the name. Scripts and stylesheets have the type
        `application/octet-stream`, because a page could load them although they are downloads.
        """
        body = content.encode() if isinstance(content, str) else content
        given = media_type or media_type_of(filename)
        header_line("content-type", given)  # a line break is an error, whatever is sent instead
        self.response = response = ReadyResponse(body, 200, inert_in_pages(given).encode("latin-1"))
        disposition = content_disposition("attachment", filename)
        response.raw_headers += [(b"content-disposition", disposition), NO_SNIFF, SANDBOX]
        return response

    def stream(self, chunks: Chunks, *, media_type: str = "application/octet-stream", status: int = 200) -> Response:
        """Return a response in pieces (bytes or texts), as fast as the client reads them.

        An async generator is closed as soon as the client disconnects. A plain generator runs in a worker thread. The
        session is saved before the first piece; later writes raise an error.
        """
        self.response = response = StreamResponse(chunks, status, media_type)
        if type(chunks) is not AsyncGeneratorType:
            response.threads = self.settings.threads
        if self.route is not None and self.route.info.stream:
            response.listens = False
        return response

    def sse(self, events: Events, *, heartbeat: float | None = HEARTBEAT, retry: int | None = None) -> Response:
        """Return server-sent events (HTML Living Standard, section 9.2): `ServerSentEvent`s, texts, or JSON mappings.

        The stream ends when the client disconnects, and when the application stops. Browsers then connect again, and
        `ctx.last_event_id` is the last event that they have received.

        Arguments:
            heartbeat: seconds without an event after which a comment is sent, so that no proxy closes the connection;
                `None` for no comments.
            retry: milliseconds after which a browser connects again; with `None` the browser decides.

        Raises `ValueError` for a heartbeat that is not above 0.
        """
        settings = self.settings
        self.response = response = EventStream(
            events, settings.shutdown, heartbeat=heartbeat, retry=retry, threads=settings.threads
        )
        response.encode = settings.encoder.encode if self.promise is None else self.promise.encode_item
        if self.opened_session is not None:
            response.watch = self.opened_session.on_end
        return response

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that the client has received, if it connects again to an event stream."""
        value = self.headers.get("last-event-id")
        return None if value is None else value.encode("latin-1").decode("utf-8", "replace")

    def render(self, template: str, /, status: int = 200, **values: Any) -> Response:
        """Return a page from a Jinja2 template in `bootstrap(templates=...)`.

        The template can use `values`, `ctx`, and the values of `JinjaTemplates(globals=..., context=...)`.
        """
        if self.settings.templates is None:
            raise missing_templates()
        return self.html(self.settings.templates.render(template, self._page_values(values)), status)

    def is_not_modified(
        self, etag: str | None = None, *, last_modified: datetime | None = None, weak: bool = False
    ) -> bool:
        """Return true if the client has the current version (RFC 9110, section 13). Then return `ctx.not_modified()`.

        `etag` identifies the version, for example a number or a digest. `last_modified` is the time of its last change;
        without a time zone it is UTC. Any response to a GET or HEAD has both, as `ETag` and `Last-Modified`.

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
        """Raise `PreconditionFailed` (412) if a change would overwrite that of another client (RFC 9110, section 13.1).

        `etag` and `last_modified` are those of the current version; without them, no version exists. `If-Match` must
        contain the ETag of the current version, and `If-None-Match: *` requires that no version exists.

        ```python
        ctx.check_preconditions(str(note.version))
        note.text = body.text
        ```

        Raises `ValueError` for an `etag` with quotes, spaces or characters beyond ASCII.
        """
        self.is_not_modified(etag, last_modified=last_modified, weak=weak)

    def not_modified(self) -> Response:
        """Return a 304, for a client that has the current version."""
        self.response = response = empty_response(304)
        return response

    def background(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> None:
        """Add a background task: call a function after the response has been sent. Tasks run in the order of the calls.

        A coroutine function is awaited; any other function runs in a worker thread. An error is logged with the request
        id, and the other tasks still run. Tasks also run if the client has disconnected, but not if the handler raises.
        A server waits for them before it stops. The session is closed by then, so pass values instead of the context.

        Parameters that are not passed are injected. Each task has its own scope: its own database session, for example,
        which is committed when the task has ended.

        `ctx.background(mailer.send, user.email, subject="Welcome")`

        Raises `TypeError` for arguments that the function does not take, and `KickError`: `background-parameter` for a
        parameter that nobody provides, and `background-resource` for a dependency of this request that is closed before
        the task runs.
        """
        tasks = self._left_to_do()
        if self.resources is not None:
            tasks.check(self.resources, function, [*args, *options.values()])
        tasks.add(function, *args, **options)

    def problem(self, status: int, detail: str | None = None, **extensions: Any) -> Response:
        """Return a response with problem details (RFC 9457). To stop the handler, raise an `HTTPError` instead."""
        return self.problem_response(HTTPError(status, detail, **extensions))

    def set_header(self, name: str, value: str) -> None:
        """Set a header of any response that is sent.

        Raises `ValueError` for a value with a line break or another control character (RFC 9110, section 5.5).
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
        """Set a cookie with any response that is sent. `ctx.signed_cookies` reads a cookie with `signed=True`.

        Arguments:
            max_age: a `timedelta` or seconds; with `None`, the cookie lives until the browser is closed.
            secure: over https only. `None` means true, unless `KICK_ENV` is `development` or `test` and the request
                came over http.

        Raises `ValueError` for a cookie that browsers reject, and for one of more than 4,096 bytes.
        """
        if signed:
            value = self._cookie_signer().sign(name, value)
        header = format_cookie(
            name,
            value,
            max_age=max_age,
            path=path,
            domain=domain,
            secure=self._is_secure if secure is None else secure,
            http_only=http_only,
            same_site=same_site,
            partitioned=partitioned,
        )
        self.add_raw_header(b"set-cookie", header.encode("ascii"))

    @property
    def _is_secure(self) -> bool:
        return self.settings.secure_cookies or self.scope.get("scheme") == "https"

    def delete_cookie(
        self,
        name: str,
        *,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        partitioned: bool = False,
    ) -> None:
        """Remove a cookie. Use the same arguments as for `set_cookie()`."""
        self.set_cookie(name, "", max_age=0, path=path, domain=domain, secure=secure, partitioned=partitioned)

    # For middleware

    def add_raw_header(self, name: bytes, value: bytes) -> None:
        """Add a header to any response that is sent. The name must be in lower case; nothing is checked."""
        if self.added_headers is None:
            self.added_headers = []
        self.added_headers.append((name, value))

    def finish_response(self) -> Response:
        """Add the headers that were set on the context to the response that is sent.

        A `Cache-Control` of the context does not replace the stricter one of a response with a session cookie.
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
        """Copy a response, and make the copy the current response: a handler may return one object to several requests.

        Raises `ValueError` for a response whose headers contain line breaks.
        """
        self.response = own = own_copy(response)
        return own

    def problem_response(self, error: HTTPError) -> Response:
        """Return the response with the problem details of an error, without raising it."""
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
        """Return the background tasks of the request. They are a clean-up, so requests without them pay nothing."""
        for cleanup in self.cleanups or ():
            background = getattr(cleanup, "__self__", None)
            if isinstance(background, Background):
                return background
        of = f"{self.method} {repr(self.path)[1:-1]}"
        report = partial(self.settings.report, self)
        settings, seeds = self.settings, {type(self): self}
        background = Background(
            of,
            self.request_id,
            settings.threads,
            report=report,
            container=settings.container,
            seeds=seeds,
            recorder=self.scope.get(RECORDER),
        )
        self.on_end(background.run)
        return background
