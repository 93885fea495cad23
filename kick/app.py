"""`bootstrap()` and `App`, the ASGI application that it creates."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from starlette.middleware import Middleware as ASGIMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

import kick.http
from kick.assembly import Assembly, Chain, body_limit_problem, collector_paused, listed, provided_by
from kick.concurrency import DEFAULT_THREADS, threads_of, threads_problem
from kick.di import Container, Provider
from kick.di import Scope as Resources
from kick.environment import in_development
from kick.errors import KickError, raise_all
from kick.exceptions import HTTPError
from kick.http.context.context import RequestContext
from kick.http.exception_handlers import ExceptionHandler, OnError, handler_problems
from kick.http.middleware import AnyMiddleware, Endpoint, Middleware
from kick.http.mounts import Mount, serve_websocket
from kick.http.observers import KEY as EXCHANGE
from kick.http.observers import Observer
from kick.http.pipeline import answer_error, finished, guarded, settled
from kick.http.request.body import DEFAULT_LIMIT
from kick.http.response.base import ReadyResponse, Response
from kick.http.routing.paths import PERCENT, root_in, split_path
from kick.http.routing.route import Route
from kick.http.routing.router import Miss
from kick.http.routing.trailing_slash import TrailingSlash, finder, slash_problem
from kick.http.sending import end_request, send_response
from kick.http.settings import Settings
from kick.http.templates import JinjaTemplates, templates_of
from kick.http.unmatched import unmatched
from kick.http.validation.encoding import Encoders, encoder_of
from kick.http.websocket.scope import as_request
from kick.lifecycle import Lifespan, Named, Part, lifespan_problem, parts_of, told, told_by_signals
from kick.middleware.access_log.log import AccessLog, LogFormat
from kick.middleware.asgi_stack import ASGIStack, Wrap
from kick.middleware.defaults import with_standard
from kick.module import Module, modules_of
from kick.openapi.documents import Documents
from kick.openapi.options import OpenAPI
from kick.openapi.set_up import listed_routes, with_openapi
from kick.shutdown import Shutdown
from kick.signing import Secret

if TYPE_CHECKING:
    from kick.http.websocket.router import WebSocketRouter

T = TypeVar("T")

_NONE: Final[Mapping[str, Route]] = {}
_UPGRADE: Final = {"connection": "upgrade", "upgrade": "websocket"}


class App:
    """The ASGI application that `bootstrap()` creates.

    `routes`, `sockets` and `mounts` list its routes, WebSockets and mounts. `container` has its instances. Importing an
    application starts nothing. Providers are built when the server starts the lifespan, or at the first request if the
    server supports no lifespan.

    >>> bootstrap([])
    <kick.App with 0 routes>
    """

    documents: Documents

    def __init__(
        self,
        assembly: Assembly,
        container: Container,
        settings: Settings,
        parts: Sequence[Part],
    ) -> None:
        self.container = container
        self.middleware = tuple(assembly.middleware)
        self.settings = settings
        self.routes = tuple(assembly.router.routes)
        self.mounts: tuple[Mount, ...] = tuple(assembly.mounts)
        self._layers = tuple(assembly.layers.values())
        self._finder = finder(assembly.router, settings.trailing_slash)
        self._look_up = self._finder.find
        self.sockets = tuple(assembly.sockets.routes)
        self._static = assembly.router.static
        self._by_tail = assembly.router.find_by_tail
        self._urls = assembly.urls
        self._chains: tuple[Chain | Mount, ...] = (*assembly.chains, *assembly.mounts)
        self._parts = tuple(parts)
        self._started = False
        self._unmatched = self._with_page(assembly.unmatched(unmatched))
        self._socket_router = assembly.sockets
        self._unlink()

    def __repr__(self) -> str:
        return f"<kick.App with {len(self.routes)} routes>"

    @cached_property
    def _sockets(self) -> WebSocketRouter:
        from kick.http.websocket.router import WebSocketRouter  # on first use: most applications have no WebSockets

        return WebSocketRouter(self._socket_router, self.settings, self._unmatched)

    def _with_page(self, unmatched: Endpoint) -> Endpoint:
        """In development, show a browser the list of all routes if none matches its request."""
        if not self.settings.debug:
            return unmatched
        from kick.http.debug.not_found import NotFoundPage

        listed = [*listed_routes(self.routes), *(mount.route for mount in self.mounts), *self.sockets]
        return guarded([NotFoundPage(listed)], unmatched)

    # Life

    async def start(self) -> None:
        """Build the providers. A server does this through the lifespan; a script may call it.

        Raises the exception of a provider, with a note that names the provider.
        """
        if not self._started:
            await self.container.start()  # concurrent requests wait for the first one
            self._started = True

    async def aclose(self) -> None:
        """Clean up in reverse order: the providers, then the middleware."""
        self._begin_anew()
        async with AsyncExitStack() as stack:
            for layer in self._layers:
                if isinstance(layer, Middleware):
                    stack.push_async_callback(layer.aclose)
            stack.push_async_callback(self.container.aclose)

    @overload
    def override(self, key: Any, replacement: Provider) -> AbstractContextManager[Provider]: ...
    @overload
    def override(self, key: Any, replacement: T) -> AbstractContextManager[T]: ...
    @contextmanager
    def override(self, key: Any, replacement: Any) -> Generator[Any]:
        """Replace a dependency in a test: `with app.override(Mailer, fake):`.

        `replacement` is an instance, or a `Provider` whose factory creates one.
        """
        with self.container.override(key, replacement):
            self._begin_anew()
            try:
                yield replacement
            finally:
                self._begin_anew()

    @asynccontextmanager
    async def scope(self) -> AsyncGenerator[Resources]:
        """Open a scope for a job or a script: `async with app.scope() as scope: await scope.get(Users)`."""
        await self.start()
        async with self.container.scope() as scope:
            yield scope

    def url_for(self, name: str, /, **values: Any) -> str:
        """Return the path of a route by its name, like `ctx.url_for()`, but without the `root_path` of the server.

        >>> from kick.http import Controller, Get
        >>> @Controller("/notes")
        ... class NoteController:
        ...     @Get("/{note_id}")
        ...     async def show(self, note_id: int) -> int:
        ...         return note_id
        >>> bootstrap([Module("notes", controllers=[NoteController])]).url_for("NoteController.show", note_id=7)
        '/notes/7'

        Raises `KickError`: `url-name`, `url-ambiguous`, and `url-value`.
        """
        return self._urls.path_for(name, values)

    def openapi(self, version: str | None = None) -> dict[str, Any]:
        """Return the OpenAPI document of a version of the API, by default the newest.

        >>> bootstrap([]).openapi()["info"]
        {'title': 'API', 'version': '0.1.0'}

        Raises `KickError`: `openapi-version` for a version that the API does not have.
        """
        return self.documents.copy_of(version)

    @property
    def stopping(self) -> Shutdown:
        """The shutdown of the application: `app.stopping.is_set`, `await app.stopping.wait()`.

        >>> bootstrap([]).stopping.is_set
        False
        """
        return self.settings.shutdown

    def begin_shutdown(self) -> None:
        """Begin the shutdown: streams end, and `/health/ready` responds with 503.

        `kick start` and `kick dev` call it. Under another server, the signal that stops the server does. It may be
        called from any thread, and more than once.
        """
        self.stopping.begin()
        for mount in self.mounts:
            if isinstance(mount.app, App):
                mount.app.begin_shutdown()

    # Requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        ctx, endpoint = self.find(scope, receive, send)
        try:
            response = await endpoint(ctx)
            if response is not ctx.response:
                response = settled(ctx, response)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a response
            response = await answer_error(ctx, error)
        except BaseException as error:
            await end_request(ctx, error)
            raise
        if ctx.added_headers is not None:
            response = finished(ctx)
        if ctx.cleanups is None and type(response) is ReadyResponse and response.background is None:
            await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
            await send({"type": "http.response.body", "body": response.body})
        else:
            await send_response(ctx, response, send)

    def find(self, scope: Scope, receive: Receive, send: Send) -> tuple[RequestContext[Any], Endpoint]:
        """Return the context of a request, and the endpoint that answers it."""
        found = None
        if not scope.get("root_path") and PERCENT not in (scope.get("raw_path") or b""):
            route = self._static.get(scope["path"], _NONE).get(scope["method"])
            if route is not None:
                return RequestContext(scope, receive, send, self.settings, route, {}), route.endpoint
            found = self._by_tail(scope["method"], scope["path"])
        if found is None:
            method, path = scope["method"], scope["path"]
            try:
                parts = split_path(path, scope.get("raw_path"), root_in(path, scope.get("root_path", "")))
                found = self._look_up(method, parts)
                miss = None if found is not None else self._missed(method, parts, scope)
            except HTTPError as error:
                miss = Miss(error=error)
            if found is None:
                return RequestContext(scope, receive, send, self.settings, None, {}, miss=miss), self._unmatched
        route, params = found
        return RequestContext(scope, receive, send, self.settings, route, params), route.endpoint

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            if not self.mounts or not await self._serve_mounted_websocket(scope, receive, send):
                await self._sockets.serve(scope, receive, send)
        else:
            raise RuntimeError(f"kick serves http, not {scope['type']}")

    async def _serve_mounted_websocket(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve a WebSocket of a mounted application, and return true if there is one."""
        if self._sockets.has(scope):
            return False
        handshake = as_request(scope, None)  # middleware sees a handshake as a request
        ctx, _ = self.find({**handshake, "method": "WEBSOCKET"}, receive, send)
        mount = next((each for each in self.mounts if each.route is ctx.route), None)
        if mount is None:
            return False
        ctx.scope = handshake
        await serve_websocket(ctx, mount, receive, send)
        return True

    def _missed(self, method: str, parts: list[str], scope: Scope) -> Miss:
        """Return the reason why no route matches; there may be a WebSocket (RFC 9110, sections 7.8 and 15.5.22)."""
        miss = self._finder.miss(method, parts, scope)
        if self.sockets and miss == Miss() and self._sockets.are_at(parts):
            return Miss(error=HTTPError(426, "There is a WebSocket here.", headers=_UPGRADE))
        return miss

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        begun = False
        self.stopping.reset()
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self.aclose)
                await self.start()
                for layer in self._layers:
                    if isinstance(layer, Middleware):
                        await layer.start()
                for part in self._parts:
                    await stack.enter_async_context(Named(part.name, part.lifespan(self)))
                stack.enter_context(told_by_signals(self.stopping))
                await send({"type": "lifespan.startup.complete"})
                begun = True
                await receive()
                self.begin_shutdown()
        except Exception as error:
            kind = "shutdown" if begun else "startup"
            await send({"type": f"lifespan.{kind}.failed", "message": told(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    # Linking: the first request to a route composes its chain; an override resets all chains.

    def _begin_anew(self) -> None:
        self._started = False
        self._unlink()

    def _unlink(self) -> None:
        for chain in self._chains:
            chain.route.endpoint = self._linker(chain)

    def _linker(self, chain: Chain | Mount) -> Endpoint:
        async def link_and_serve(ctx: RequestContext[Any]) -> Response:
            if not self._started:
                await self.start()
            chain.route.endpoint = endpoint = chain.link(self.container)
            return await endpoint(ctx)

        return link_and_serve


class WrappedApp(App):
    """An application with ASGI layers: middleware, trusted proxies, allowed hosts; `wraps` lists the outermost first.

    The layers receive its requests, WebSockets and lifespan first.
    """

    def __init__(
        self,
        assembly: Assembly,
        container: Container,
        settings: Settings,
        parts: Sequence[Part],
        wraps: Sequence[Wrap],
    ) -> None:
        super().__init__(assembly, container, settings, parts)
        asgi: ASGIApp = super().__call__
        for wrap in reversed(wraps):
            asgi = wrap(asgi)
        self._asgi = asgi

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await self._asgi(scope, receive, send)


class ObservedApp(WrappedApp):
    """An application that reports each request to observers: access log, metrics, tracing."""

    observers: Sequence[Observer] = ()

    def find(self, scope: Scope, receive: Receive, send: Send) -> tuple[RequestContext[Any], Endpoint]:
        """Find the route, and store it for the observers."""
        found = App.find(self, scope, receive, send)  # quicker than super()
        exchange = scope.get(EXCHANGE)
        if exchange is not None:
            exchange.context = found[0]
        return found

    async def aclose(self) -> None:
        """Clean up the application, and then close the observers."""
        await super().aclose()
        for each in self.observers:
            close = getattr(each, "close", None)
            if close is not None:
                close()


@collector_paused()
def bootstrap(
    modules: Sequence[Module],
    middleware: Sequence[AnyMiddleware] = (),
    *,
    providers: Sequence[Any] = (),
    asgi_middleware: Sequence[ASGIMiddleware] = (),
    lifespan: Lifespan | None = None,
    prefix: str = "",
    settings: object | None = None,
    templates: str | os.PathLike[str] | JinjaTemplates | None = None,
    max_body: int | None = DEFAULT_LIMIT,
    decompress: bool = False,
    trailing_slash: TrailingSlash = "strict",
    threads: int = DEFAULT_THREADS,
    trusted_proxies: int | Sequence[str] | kick.http.TrustedProxies | None = None,
    allowed_hosts: Sequence[str] | None = None,
    access_log: bool | LogFormat | AccessLog | None = None,
    exception_handlers: Mapping[type[Exception], ExceptionHandler] | None = None,
    on_error: OnError | None = None,
    reraise_errors: bool = False,
    encoders: Encoders | None = None,
    cookie_secret: Secret | None = None,
    openapi: OpenAPI | bool | None = None,
) -> App:
    """Assemble an application, and check its whole set-up.

    Arguments:
        modules: the features of the application, each a `Module`.
        middleware: runs around every handler, the first is the outermost: `async def timing(ctx, call_next)`.
            `security_headers()` is around all of it, unless you list it with options or `enabled=False`.
        providers: classes, functions, `Provider`s and instances to inject, besides `@Service` classes.
        asgi_middleware: `starlette.middleware.Middleware(Class, **options)` entries, which run around everything else.
        lifespan: `@asynccontextmanager async def lifespan(app): ...`, entered when all providers are built.
        prefix: the path before every other path.
        settings: your settings object, injected by its type.
        templates: the folder of the Jinja2 templates for `ctx.render()`, or `JinjaTemplates(...)`.
        max_body: the size limit of a request body in bytes; `None` for no limit.
        decompress: decode bodies with `Content-Encoding: gzip`, `deflate` or `zstd`. Otherwise they get a 415.
        trailing_slash: `/notes/` of a route `/notes` gets a 404 (`"strict"`), a `"redirect"`, or the same (`"ignore"`).
        threads: the number of synchronous handlers that run at a time, each in a thread; others wait.
        trusted_proxies: how many proxies, their networks, `TrustedProxies(...)`; `None` reads `KICK_TRUSTED_PROXIES`.
        allowed_hosts: the hosts of the application, such as `"*.example.com"`. Other hosts get a 400.
        access_log: a line for each request: `True`, `"text"`, `"json"`, an `AccessLog`; `None` reads `KICK_ACCESS_LOG`.
        exception_handlers: `{OutOfStock: handler}`, `async def handler(ctx, error) -> Response`; the nearest class.
        on_error: called with `(ctx, error)` for each exception that becomes a 500, or ends a stream, socket or task.
        reraise_errors: raise such an exception again after the 500, for `asgi_middleware` that reports errors.
        encoders: `{Money: lambda money: str(money.amount)}`: the JSON form of a class, and of its subclasses.
        cookie_secret: the secret of `ctx.signed_cookies`, or several; the first signs. See `cookie_parser()`.
        openapi: `OpenAPI(title="Shop")`, `True` or `False`: serve the document. `None` does so in development only.

    >>> bootstrap([Module("shop")], prefix="/api").routes
    ()

    Raises `KickError` for one mistake and `SetupErrors` for several; each has a fix.
    """
    usable, problems = modules_of(modules)
    documents = Documents(openapi)
    stack = ASGIStack(
        trusted_proxies=trusted_proxies, allowed_hosts=allowed_hosts, access_log=access_log, modules=usable
    )
    checks = [slash_problem(trailing_slash), lifespan_problem(lifespan, "bootstrap()"), threads_problem(threads)]
    checks += [body_limit_problem(max_body, "bootstrap()"), *handler_problems(exception_handlers or {}, on_error)]
    wraps = stack.wraps(asgi_middleware, reraises=reraise_errors)
    problems += [*filter(None, [*checks, documents.problem]), *stack.problems]
    http_settings = Settings(
        max_body=max_body,
        decompress=decompress,
        templates=templates_of(templates, problems),
        trailing_slash=trailing_slash,
        threads=threads_of(threads),
        exception_handlers=exception_handlers or {},
        on_error=on_error,
        reraise_errors=reraise_errors,
        encoder=encoder_of(encoders, problems),
    )
    layers = with_standard(listed(middleware, "middleware", problems), cookie_secret, problems)
    assembly = Assembly(with_openapi(usable, documents, layers), layers, prefix)
    provided = [*provided_by(usable, providers, problems), *([] if settings is None else [settings])]
    parts = parts_of(usable, lifespan, assembly.mounts)
    return _connected(assembly, http_settings, provided, parts, stack, wraps, documents, problems)


def _connected(
    assembly: Assembly,
    settings: Settings,
    provided: Sequence[Any],
    parts: Sequence[Part],
    stack: ASGIStack,
    wraps: Sequence[Wrap],
    documents: Documents,
    problems: list[KickError],
) -> App:
    """Connect the routes with what is injected, and create the application. Raises all `problems`, and new ones."""
    settings.debug, settings.layers = in_development(), tuple(assembly.middleware)
    settings.checks_hosts = stack.checks_hosts
    assembly.configure(settings)
    settings.page_values += settings.templates.context if isinstance(settings.templates, JinjaTemplates) else []
    built: list[App] = []
    itself = Provider(App, lambda: built[0], scope="singleton")
    container = assembly.container([*provided, *assembly.providers, itself], inner=[App])
    problems += [*assembly.problems, *assembly.require(container), *container.check()]
    documents.connect(assembly.chains, container, settings)
    raise_all(problems or documents.problems())
    settings.container, settings.health = container, lambda: [*container.health_checks(), *assembly.health]
    built.append(_built(stack, wraps, (assembly, container, settings, parts)))
    built[0].documents = documents
    return built[0]


def _built(stack: ASGIStack, wraps: Sequence[Wrap], parts: tuple[Assembly, Container, Settings, Sequence[Part]]) -> App:
    """Create the application with the ASGI layers that it needs."""
    if stack.observers:
        app = ObservedApp(*parts, wraps)
        app.observers = stack.observers
        stack.attach(parts[0].layers.values())
        return app
    return WrappedApp(*parts, wraps) if wraps else App(*parts)
