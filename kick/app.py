"""`bootstrap()` and what it makes: an ASGI application."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import anyio
from starlette.middleware import Middleware as ASGIMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from kick.di import Container
from kick.di import Scope as Resources
from kick.errors import KickError, raise_all
from kick.http.assembly import Assembly
from kick.http.binding import CallPlan
from kick.http.body import DEFAULT_LIMIT
from kick.http.context import RequestContext
from kick.http.errors import NotAModule
from kick.http.pipeline import around, for_route, guarded, middleware_problem, no_response, response_to
from kick.http.problem import MethodNotAllowed, NotFound
from kick.http.response import TEXT, ReadyResponse, Response
from kick.http.routing import Endpoint, Route
from kick.http.settings import Settings
from kick.module import Module

logger: Final = logging.getLogger("kick")

Lifespan: TypeAlias = "Callable[[App], AbstractAsyncContextManager[None]]"
T = TypeVar("T")

_NONE: Final[Mapping[str, Route]] = {}


class App:
    """An ASGI application, made by `bootstrap()`.

    `routes` lists its routes, `container` has its instances. Importing it starts nothing: what it provides is built at
    the server's lifespan start-up, or, where a server has none, at the first request.
    """

    def __init__(
        self,
        assembly: Assembly,
        container: Container,
        middleware: Sequence[Any],
        settings: Settings,
        asgi_middleware: Sequence[ASGIMiddleware],
        lifespan: Lifespan | None,
    ) -> None:
        self.container = container
        self.middleware = tuple(middleware)
        self.settings = settings
        self.routes = tuple(assembly.router.routes)
        self._router = assembly.router
        self._static = assembly.router.static
        self._plans = assembly.plans
        self._lifespan_of_user = lifespan
        self._started = False
        self._starting: anyio.Lock | None = None
        self._unlink()
        self._unmatched = guarded(for_route(self.middleware, None), _unmatched)
        asgi: ASGIApp = self._serve
        for each in reversed(asgi_middleware):
            asgi = each.cls(asgi, *each.args, **each.kwargs)
        self._asgi = asgi

    def __repr__(self) -> str:
        return f"<kick.App with {len(self.routes)} routes>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await self._asgi(scope, receive, send)

    # Life

    async def start(self) -> None:
        """Build what is provided. Servers do it through the lifespan protocol; a script may call it."""
        if self._starting is None:
            self._starting = anyio.Lock()
        async with self._starting:
            if not self._started:
                await self.container.start()
                self._started = True

    async def aclose(self) -> None:
        """Clean up in reverse order: what was provided, then the middleware's stores."""
        self._started = False
        self._starting = None
        self._unlink()
        async with AsyncExitStack() as stack:
            for layer in self.middleware:
                close = getattr(layer, "aclose", None)
                if close is not None:
                    stack.push_async_callback(close)
            stack.push_async_callback(self.container.aclose)

    @contextmanager
    def override(self, key: type[T], replacement: T) -> Generator[T]:
        """Put something in the place of what is provided for a type, for a test: `with app.override(Mailer, fake):`."""
        with self.container.override(key, replacement):
            self._started = False
            self._unlink()
            yield replacement
        self._started = False
        self._unlink()

    @asynccontextmanager
    async def scope(self) -> AsyncGenerator[Resources]:
        """What a request has, for a job or a script: `async with app.scope() as scope: await scope.get(Users)`."""
        await self.start()
        async with self.container.scope() as scope:
            yield scope

    # Requests

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        if not self._started:
            await self.start()
        ctx, endpoint = self._find(scope, receive, send)
        try:
            response: Response | None = await endpoint(ctx)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a response
            response = response_to(ctx, error)
        if response is None:
            response = no_response(ctx)
        if ctx._extra_headers is not None:
            ctx._finish(response)
        if ctx._resources is None:
            await response(scope, receive, send)
        else:
            await _send_with(ctx._resources, response, scope, receive, send)

    def _find(self, scope: Scope, receive: Receive, send: Send) -> tuple[RequestContext[Any], Endpoint]:
        """The context of a request, and what answers it."""
        method: str = scope["method"]
        path: str = scope["path"]
        raw_path: bytes | None = scope.get("raw_path")
        route = None
        if raw_path is None or b"%" not in raw_path:
            route = self._static.get(path, _NONE).get(method)
        if route is not None:
            return RequestContext(scope, receive, send, self.settings, route, {}), route.endpoint
        match = self._router.match(method, path, raw_path)
        if match.route is not None:
            return RequestContext(scope, receive, send, self.settings, match.route, match.params), match.route.endpoint
        return RequestContext(scope, receive, send, self.settings, None, {"allowed": match.allowed}), self._unmatched

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        begun = False
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self.aclose)
                await self.start()
                if self._lifespan_of_user is not None:
                    await stack.enter_async_context(self._lifespan_of_user(self))
                await send({"type": "lifespan.startup.complete"})
                begun = True
                await receive()
        except BaseException as error:
            kind = "shutdown" if begun else "startup"
            await send({"type": f"lifespan.{kind}.failed", "message": f"{type(error).__name__}: {error}"})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    # Linking: the first request to a route builds its chain; an override takes all chains apart again.

    def _unlink(self) -> None:
        for route, plan in self._plans:
            route.endpoint = self._linker(route, plan)

    def _linker(self, route: Route, plan: CallPlan) -> Endpoint:
        async def link_and_serve(ctx: RequestContext[Any]) -> Response:
            route.endpoint = self._link(route, plan)
            return await route.endpoint(ctx)

        return link_and_serve

    def _link(self, route: Route, plan: CallPlan) -> Endpoint:
        instance = self.container.instance(route.controller)
        handler = around(for_route(route.middleware, route), plan.link(self.container, instance))
        return guarded(for_route(self.middleware, route), handler)


def bootstrap(
    modules: Sequence[Module],
    middleware: Sequence[Any] = (),
    *,
    providers: Sequence[Any] = (),
    asgi_middleware: Sequence[ASGIMiddleware] = (),
    lifespan: Lifespan | None = None,
    prefix: str = "",
    settings: object | None = None,
    templates: str | os.PathLike[str] | None = None,
    max_body: int | None = DEFAULT_LIMIT,
) -> App:
    """Put an application together; everything that can be wrong with it is found here.

    Arguments:
        modules: the features, each a `Module`.
        middleware: around every handler, outermost first: `async def timing(ctx, call_next)`.
        providers: what is provided beside the `@Service` classes: classes, functions, `Provider`s, instances.
        asgi_middleware: `starlette.middleware.Middleware(Class, **options)` entries, around everything else.
        lifespan: an async context manager of the application, entered after everything is built:
            `@asynccontextmanager async def lifespan(app): ...`.
        prefix: put before every path.
        settings: an object of your own with settings, provided under its type.
        templates: the folder of the Jinja2 templates for `ctx.render()`.
        max_body: the most bytes a request body may have; `None` is no limit.

    >>> from kick.http import Controller, Get
    >>> @Controller("/hello")
    ... class HelloController:
    ...     @Get("/{name}")
    ...     async def hello(self, name: str) -> dict[str, str]:
    ...         return {"hello": name}
    >>> bootstrap([Module("hello", controllers=[HelloController])]).routes
    (<Route GET /hello/{name} HelloController.hello>,)

    Raises `KickError` for one mistake and `SetupErrors` for several; each says what to write instead.
    """
    given: Sequence[Any] = modules
    problems: list[KickError] = [NotAModule(each) for each in given if not isinstance(each, Module)]
    raise_all(problems)
    assembly = Assembly(modules, prefix)
    problems += assembly.problems
    http_settings = Settings(max_body=max_body, templates=_templates(templates))
    provided: list[Any] = [*providers, *([] if settings is None else [settings])]
    for index, layer in enumerate(middleware):
        problem = middleware_problem(layer)
        if problem is not None:
            problems.append(problem)
            continue
        if hasattr(layer, "configure"):
            layer.configure(http_settings)
        if hasattr(layer, "check"):
            problems += layer.check(middleware[:index], middleware[index + 1 :])
        provided += getattr(layer, "providers", ())
    for module in modules:
        provided += module.providers
    controllers = dict.fromkeys(route.controller for route, _ in assembly.plans)
    container = Container([*provided, *controllers], seeds=[RequestContext])
    problems += [*assembly.require(container), *container.check()]
    raise_all(problems)
    return App(assembly, container, middleware, http_settings, asgi_middleware, lifespan)


async def _unmatched(ctx: RequestContext[Any]) -> Response:
    """The innermost endpoint of requests that no route matches."""
    allowed: tuple[str, ...] = ctx.params.pop("allowed", ())
    if not allowed:
        raise NotFound(f"There is nothing at {ctx.path}.")
    allow = sorted({*allowed, "OPTIONS"})
    if ctx.method == "OPTIONS":
        response = ReadyResponse(b"", 204, TEXT)
        response.raw_headers.append((b"allow", ", ".join(allow).encode("ascii")))
        return response
    raise MethodNotAllowed(f"{ctx.method} is not possible at {ctx.path}.", allow=allow)


async def _send_with(resources: Resources, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a stream, and clean up what the request had after its last byte."""
    try:
        await response(scope, receive, send)
    except BaseException as error:
        await resources.aclose(error)
        raise
    await resources.aclose()


def _templates(folder: str | os.PathLike[str] | None) -> Any:
    if folder is None:
        return None
    from kick.http.templates import JinjaTemplates

    return JinjaTemplates(Path(folder))
