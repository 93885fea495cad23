"""Application-wide HTTP settings."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from kick.concurrency import Threads
from kick.di import Container
from kick.environment import in_production
from kick.http.recorder import KEY as RECORDER
from kick.http.request.body import DEFAULT_LIMIT
from kick.http.routing.trailing_slash import TrailingSlash
from kick.http.routing.urls import URLs
from kick.http.validation.encoding import PLAIN_ENCODER, JSONEncoder
from kick.shutdown import Shutdown
from kick.signing import CookieSigner

logger: Final = logging.getLogger("kick.http")


class Templates(Protocol):
    """Renders pages."""

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Render a template with these values."""
        ...

    def add_functions(self, functions: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> None:
        """Add functions to all templates. Each is called with the values of the page."""
        ...


class Settings(msgspec.Struct):
    """HTTP settings of an application, as `Middleware.configure()` may change them.

    `max_body` is in bytes; `None` is no limit. `decompress` says that bodies with a `Content-Encoding` are decoded.
    `shutdown` says whether the application is about to stop. Sync handlers run in `threads`; `health` names the parts
    that can be asked how they are, each with what asks it. `page_values` are called with the context for each page, and
    return what its template sees.
    `debug` says that errors are to be explained to whoever makes the requests; `layers` is the middleware of the
    application; `exception_handlers`, `on_error` and `reraise_errors` are those of `bootstrap()`; `shared` is for what
    several middleware of one application share.

    >>> Settings(max_body=10 << 20).trailing_slash
    'strict'
    """

    max_body: int | None = DEFAULT_LIMIT
    decompress: bool = False
    cookie_signer: CookieSigner | None = None
    templates: Templates | None = None
    trailing_slash: TrailingSlash = "strict"
    urls: URLs | None = None
    """The URLs of the routes by name, for `ctx.url_for()`."""
    shutdown: Shutdown = msgspec.field(default_factory=Shutdown)
    threads: Threads = msgspec.field(default_factory=Threads)
    health: Callable[[], list[tuple[str, Callable[[], Any]]]] = list
    page_values: list[Callable[[Any], Mapping[str, Any]]] = []
    debug: bool = False
    checks_hosts: bool = False
    """Requests for other hosts are rejected, by `allowed_hosts` or by Starlette's `TrustedHostMiddleware`."""
    secure_cookies: bool = msgspec.field(default_factory=in_production)
    """Cookies of `ctx.set_cookie()` are `Secure` over http too; a proxy may have ended TLS."""
    layers: tuple[Any, ...] = ()
    exception_handlers: Mapping[type[Exception], Callable[[Any, Any], Awaitable[Any]]] = {}
    on_error: Callable[[Any, Exception], object] | None = None
    reraise_errors: bool = False
    encoder: JSONEncoder = PLAIN_ENCODER
    """Writes values as JSON, with the encoders of the application."""
    shared: dict[str, Any] = {}
    container: Container | None = None
    """The container of the application, for background tasks."""

    def report(self, ctx: Any, error: Exception) -> None:
        """Call `on_error` with an exception that nothing has handled. If `on_error` fails, this is logged.

        >>> Settings(on_error=lambda ctx, error: print(repr(error))).report(None, ValueError())
        ValueError()
        """
        recorder = None if ctx is None else ctx.scope.get(RECORDER)
        if recorder is not None:
            recorder.failed(error)
        if self.on_error is None:
            return
        try:
            self.on_error(ctx, error)
        except Exception:
            logger.exception("on_error failed")
