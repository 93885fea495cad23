"""Assembly: creates the routes of modules and collects their set-up errors."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import msgspec

from kick.concurrency import Threads
from kick.di import Container, Provider
from kick.di.generics import type_arguments
from kick.di.naming import place_of
from kick.errors import KickError
from kick.http.context.context import RequestContext
from kick.http.errors import (
    bad_file_limit,
    bad_path_errors,
    bad_route_path,
    bad_session_use,
    bad_status,
    duplicate_route,
    list_problem,
    listed_twice,
    not_a_controller,
    plain_values,
    watched_stream,
)
from kick.http.handlers.endpoint import endpoint_of, without_body
from kick.http.handlers.parameters import is_socket
from kick.http.handlers.plan import CallPlan, Source
from kick.http.handlers.provider_parameters import ProviderParameters
from kick.http.middleware import Endpoint, Middleware
from kick.http.mounts import BELOW_MOUNT, Mount, duplicate_mount, mount_info, mount_problem
from kick.http.pipeline import (
    around,
    for_route,
    guarded,
    hiding_session,
    is_optional,
    middleware_problem,
    uses_session,
    without_idle_session,
)
from kick.http.response.base import Response
from kick.http.response.static import StaticFiles
from kick.http.routing.decorators import (
    ControllerInfo,
    RouteInfo,
    SessionUse,
    SocketInfo,
    controller_info,
    handlers_of,
    hidden_handlers,
    middleware_of,
    middleware_of_handler,
)
from kick.http.routing.paths import parse_path, path_names
from kick.http.routing.route import ANY_METHOD, Route
from kick.http.routing.router import Router
from kick.http.routing.urls import URLs
from kick.http.routing.versions import version_problem
from kick.http.settings import Settings
from kick.http.uploads import File
from kick.http.validation.encoding import PLAIN_ENCODER, JSONEncoder
from kick.http.websocket.errors import duplicate_socket, socket_in_http_handler


class ModuleLike(Protocol):
    """The parts of a module that the assembly needs."""

    name: str
    controllers: tuple[type, ...]
    providers: tuple[Any, ...]
    prefix: str
    middleware: tuple[Any, ...]
    session: SessionUse | None
    version: str | None
    mounts: Mapping[str, Any]


_THREADS: Final = Threads()
"""The value before `configure` has run."""


class Chain(msgspec.Struct, eq=False):
    """The chain of a route: middleware of the application, middleware of the route, handler."""

    route: Route
    plan: CallPlan
    outer: list[Any] = []
    inner: list[Any] = []
    threads: Threads = _THREADS
    encoder: JSONEncoder = PLAIN_ENCODER

    def link(self, container: Container) -> Endpoint:
        """Compose the whole chain. The container must have started."""
        handler = endpoint_of(
            self.plan,
            container,
            self.route.controller,
            in_layers=bool(self.outer or self.inner),
            threads=self.threads,
            encoder=self.encoder,
        )
        outer = [layer for layer in self.outer if not is_optional(layer) or self.uses_session(container)]
        endpoint = guarded(outer, around(self.inner, self.hiding(handler)))
        return without_body(endpoint) if self.route.method == "HEAD" else endpoint

    def hiding(self, handler: Endpoint) -> Endpoint:
        """Return a handler from which the session is hidden, if it is switched off but there for middleware."""
        return hiding_session(handler) if self.route.session is False and any(map(is_optional, self.outer)) else handler

    def uses_session(self, container: Container) -> bool:
        """Return true if the route declares a session, or if its handler, a provider or middleware may use one."""
        if self.route.session is True or any(map(uses_session, (*self.outer, *self.inner))):
            return True
        injected = [each.hint for each in self.plan.arguments if each.source is Source.CONTAINER]
        return self.plan.takes(Source.CONTEXT) or any(
            container.needs(each, RequestContext) for each in (self.route.controller, *injected)
        )


class SocketChain(Chain):
    """The chain of the handshake of a WebSocket."""

    def link(self, container: Container) -> Endpoint:
        """Compose the whole chain. The container must have started."""
        from kick.http.websocket.plan import SocketPlan, socket_endpoint

        assert isinstance(self.plan, SocketPlan)  # noqa: S101  # what the type checker cannot see
        handler = socket_endpoint(self.plan, container, self.route.controller, encoder=self.encoder)
        return guarded(self.outer, around(self.inner, self.hiding(handler)))


class Assembly:
    """The router of an application, and the plans of its handlers.

    `sockets` is the router of its WebSockets, because a page and a WebSocket may have the same path. `layers` has each
    middleware once. `problems` has all set-up errors.
    """

    def __init__(self, modules: Sequence[ModuleLike], middleware: Sequence[Any], prefix: str) -> None:
        self.router = Router()
        self.urls = URLs()
        self.sockets = Router()
        self.chains: list[Chain] = []
        self.mounts: list[Mount] = []
        self.problems: list[KickError] = []
        self.layers: dict[int, Any] = {}
        self._listed: dict[tuple[type, str], str] = {}
        self._unmatched: list[Any] = []
        self.middleware = self._usable(middleware)
        for module in modules:
            self._note_version(module.version, repr(module))
            for controller in module.controllers:
                self._add_controller(module, controller, prefix)
            for path, mounted in module.mounts.items():
                try:
                    self._add_mount(module, path, mounted, prefix)
                except KickError as problem:
                    self.problems.append(problem)
        self.router.finish(_head_of)

    @property
    def _objects(self) -> list[Middleware]:
        """The middleware that is not a plain function."""
        return [layer for layer in self.layers.values() if isinstance(layer, Middleware)]

    @property
    def providers(self) -> list[Any]:
        """The providers of the middleware."""
        found: dict[Any, Any] = {}
        for layer in self._objects:
            for each in layer.providers:  # of two session() layers, the first provides its sessions
                found.setdefault(each.key if isinstance(each, Provider) else each, each)
        return list(found.values())

    @property
    def health(self) -> list[tuple[str, Callable[[], Any]]]:
        """The health checks of the middleware."""
        return [item for layer in self._objects for item in layer.health.items()]

    def container(self, providers: Iterable[Any], inner: Iterable[Any]) -> Container:
        """Return the container of the providers and of all controllers."""
        controllers = dict.fromkeys(chain.route.controller for chain in self.chains)
        return Container(
            [*providers, *controllers],
            seeds=[RequestContext],
            inner=[*inner, *controllers],
            advice=advice_for,
            parts=ProviderParameters({name for chain in self.chains for name in path_names(chain.route.path)}),
        )

    def require(self, container: Container) -> list[KickError]:
        """Declare the dependencies of controllers and handlers to the container, and return the errors of handlers."""
        first_of = {chain.route.controller: chain.route for chain in reversed(self.chains)}
        for controller, route in reversed(first_of.items()):
            container.require(controller, f"the controller of {route.method} {route.path}")
        names_of: dict[Any, set[str]] = {}
        for chain in self.chains:
            names_of.setdefault(chain.route.handler, set()).update(path_names(chain.route.path))
        for chain in self.chains:
            chain.plan.require(container, names_of[chain.route.handler])
            chain.plan.check_parts(container, chain.route.controller)
        return list({str(each): each for chain in self.chains for each in chain.plan.problems}.values())

    def configure(self, settings: Settings) -> None:
        """Let the middleware change the settings, find the mistakes in its order, and choose its routes."""
        for layer in self._objects:
            layer.configure(settings)
        self._check_order()
        settings.urls = self.urls
        self._unmatched = without_idle_session(self._chosen(self.middleware, None))
        for chain in self.chains:
            chain.threads, chain.encoder = settings.threads, settings.encoder
        all_served: list[Chain | Mount] = [*self.chains, *self.mounts]
        for served in all_served:
            served.outer = self._chosen(self.middleware, served.route)
            served.inner = self._chosen(served.route.middleware, served.route)
            if served.route.has_no_session:
                served.outer = without_idle_session(served.outer, served.inner)

    def unmatched(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint of requests that match no route."""
        return guarded(self._unmatched, endpoint)

    def _chosen(self, layers: Iterable[Any], route: Route | None) -> list[Any]:
        try:
            chosen = for_route(layers, route)
        except KickError as problem:
            self._note(problem)
            return []
        for layer in chosen:  # a layer may make another one for a route, which is none of the application's own
            mistake = None if id(layer) in self.layers else middleware_problem(layer)
            if mistake is not None:
                self._note(mistake)
        return chosen

    def _add_controller(self, module: ModuleLike, controller: Any, prefix: str) -> None:
        info = controller_info(controller) if isinstance(controller, type) else None
        if info is None:
            self.problems.append(not_a_controller(controller, module.name))
            return
        self._note_version(info.version, f"@Controller of {controller.__qualname__}")
        key = controller, join_paths(_version_of(module, info), module.prefix)
        if key in self._listed:
            self.problems.append(listed_twice(controller, self._listed[key], module.name))
            return
        self._listed[key] = module.name
        self.problems += hidden_handlers(controller)
        for handler, route_info in handlers_of(controller):
            try:
                self._add_route(module, controller, info, handler, route_info, prefix)
            except KickError as problem:
                self.problems.append(problem)

    def _add_route(
        self,
        module: ModuleLike,
        controller: type,
        info: ControllerInfo,
        handler: Any,
        route_info: RouteInfo,
        prefix: str,
    ) -> None:
        name = f"{controller.__name__}.{getattr(handler, '__name__', handler)}"
        path = join_paths(prefix, _version_of(module, info), module.prefix, info.prefix, route_info.path)
        place = f"{name}() at {place_of(handler)}"
        self.problems += _option_problems(route_info, place)
        plan = self._plan(handler, route_info, path, place, controller)
        layers = (*module.middleware, *middleware_of(controller), *middleware_of_handler(controller, handler))
        route = Route(
            method=route_info.method,
            path=path,
            name=route_info.name or name,
            handler=handler,
            controller=controller,
            module=module.name,
            place=place,
            info=route_info,
            session=_first(route_info.session, info.session, module.session),
            max_body=route_info.max_body,
            version=_version_of(module, info) or None,
            upload_limits=plan.upload_limits,
            middleware=tuple(self._usable(layers)),
            endpoint=_not_linked,
        )
        segments = parse_path(path, plan.hints(), place)
        if isinstance(route_info, SocketInfo):
            self.chains.append(SocketChain(route, plan))
            taken = self.sockets.add(route, segments)
            if taken is not None:
                raise duplicate_socket(route.path, taken.place, place)
        else:
            self.chains.append(Chain(route, plan))
            taken = self.router.add(route, segments)
            if taken is not None:
                raise duplicate_route(route.method, route.path, taken.place, place)
        self.urls.add(route, segments)

    def _plan(self, handler: Any, info: RouteInfo, path: str, place: str, controller: type) -> CallPlan:
        types = type_arguments(controller, handler)
        if isinstance(info, SocketInfo):
            from kick.http.websocket.plan import SocketPlan, socket_problems  # on first use: most have no WebSockets

            self.problems += socket_problems(info, place)
            return SocketPlan(handler, info, path_names(path), place, types=types)
        return _without_sockets(CallPlan(handler, info, path_names(path), place, types=types))

    def _add_mount(self, module: ModuleLike, path: str, mounted: Any, prefix: str) -> None:
        place = f"mounts={{{path!r}: ...}} of {module!r}"
        problem = mount_problem(mounted, place)
        if problem is not None:
            raise problem
        below = join_paths(path)
        route = Route(
            method=ANY_METHOD,
            path=join_paths(prefix, str(module.version or ""), module.prefix, path),
            name=".".join([module.name, *below.strip("/").split("/")]).rstrip("."),
            handler=mounted,
            controller=None,
            module=module.name,
            place=place,
            info=mount_info(below),
            session=module.session,
            max_body=None,
            middleware=tuple(self._usable(module.middleware)),
            endpoint=_not_linked,
        )
        segments = parse_path(route.path, {}, place)
        if segments[-1].kind == "path":
            raise bad_route_path(
                route.path, place, "takes all the rest, as a mount does anyway", "Leave out the last part."
            )
        is_static = isinstance(mounted, StaticFiles)
        methods = ("GET", "HEAD") if is_static else None
        taken = self.router.mount(route, segments, methods=methods, is_told=is_static and mounted.spa is None)
        if taken is not None:
            raise duplicate_mount(route.path, taken.place, place)
        self.urls.add_mount(route, segments, [*(() if route.path == "/" else segments), BELOW_MOUNT])
        self.mounts.append(Mount(app=mounted, route=route))

    def _usable(self, layers: Iterable[Any]) -> list[Any]:
        """Return the valid middleware, and record the errors of the others once."""
        usable: list[Any] = []
        for layer in layers:
            problem = None if id(layer) in self.layers else middleware_problem(layer)
            if problem is None:
                self.layers[id(layer)] = layer
                usable.append(layer)
            else:
                self._note(problem)
        return usable

    def _check_order(self) -> None:
        routes = [chain.route for chain in self.chains] + [mount.route for mount in self.mounts]
        chains = [(*self.middleware, *route.middleware) for route in routes]
        different = {tuple(map(id, layers)): layers for layers in [tuple(self.middleware), *chains]}
        for layers in different.values():
            for index, layer in enumerate(layers):
                if isinstance(layer, Middleware):
                    for problem in layer.check(layers[:index], layers[index + 1 :]):
                        self._note(problem)

    def _note_version(self, version: object, place: str) -> None:
        problem = version_problem(version, place)
        if problem is not None:
            self._note(problem)

    def _note(self, problem: KickError) -> None:
        if str(problem) not in map(str, self.problems):
            self.problems.append(problem)


@contextmanager
def collector_paused() -> Generator[None]:
    """Pause garbage collection: an assembly creates no garbage, and looking for it would double the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def body_limit_problem(limit: object, place: str) -> KickError | None:
    """Return the error of `max_body=`, or `None` if it is valid."""
    if limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0):
        return None
    return KickError(
        "body-limit",
        cause=f"max_body={limit!r} of {place} is no number of bytes.",
        fix="Say how many bytes a body may have: `max_body=10 * 1024 * 1024`.",
    )


def listed(given: Any, option: str, problems: list[KickError]) -> Sequence[Any]:
    """Return the value of a list option, or record the error if it is not a list."""
    problem = list_problem(given, option, "bootstrap()")
    problems += [] if problem is None else [problem]
    return [*given] if problem is None else []


def provided_by(modules: Sequence[ModuleLike], given: Any, problems: list[KickError]) -> list[Any]:
    """Return the providers of the application and of its modules, and record plain values among them as errors."""
    providers = listed(given, "providers", problems)
    lists = [("bootstrap()", providers), *((repr(module), module.providers) for module in modules)]
    problems += [problem for owner, listed in lists for problem in plain_values(listed, owner)]
    return [each for _, listed in lists for each in listed]


def _without_sockets(plan: CallPlan) -> CallPlan:
    """Return the plan of a request handler. A WebSocket parameter is an error."""
    misplaced = [each for each in plan.arguments if is_socket(each.hint)]
    if misplaced:
        plan.arguments = [each for each in plan.arguments if each not in misplaced]
        plan.problems += [socket_in_http_handler(each.name, plan.info.method, plan.place) for each in misplaced]
    return plan


def _option_problems(info: RouteInfo, place: str) -> list[KickError]:
    limit = body_limit_problem(info.max_body, place)
    problems: list[KickError] = [] if limit is None else [limit]
    status: Any = info.status
    if status is not None and not (isinstance(status, int) and 200 <= status <= 599):
        problems.append(bad_status(status, info.method, place))
    if info.path_errors not in (404, 422):
        problems.append(bad_path_errors(info.path_errors, info.method, place))
    files: Any = info.files
    if files is not None and not isinstance(files, File):
        problems.append(bad_file_limit(f"files={files!r} of {place} is no File(...)", "files=File(max_size=5 << 20)"))
    if info.session not in (True, False, None, "passive"):
        problems.append(bad_session_use(info.session, place))
    if info.cancel_on_disconnect and info.stream:
        problems.append(watched_stream(info.method, place))
    return problems


def join_paths(*parts: str) -> str:
    """Join paths with slashes, and without a slash at the end.

    >>> join_paths("/api", "", "/notes", "/"), join_paths("", "/")
    ('/api/notes', '/')
    """
    return "/" + "/".join(part.strip("/") for part in parts if part.strip("/"))


def _version_of(module: ModuleLike, info: ControllerInfo) -> str:
    return str(info.version or module.version or "")


def _first(*choices: SessionUse | None) -> SessionUse | None:
    return next((each for each in choices if each is not None), None)


def _head_of(route: Route) -> Route:
    """Return the HEAD route of a GET route."""

    async def served(ctx: Any) -> Response:
        return await route.endpoint(ctx)

    return msgspec.structs.replace(route, method="HEAD", endpoint=without_body(served))


async def _not_linked(ctx: Any) -> Response:
    raise RuntimeError("the application has not started")


def advice_for(key: Any) -> str | None:
    """Return the fix for a parameter with a type of kick that is not injected, or `None` for any other type.

    >>> from kick import Session
    >>> advice_for(Session), advice_for(int)
    ('It belongs to a request: take `ctx: RequestContext`, and use `ctx.session`.', None)
    """
    from starlette.requests import Request  # on first use, all of them: only a mistake needs them

    from kick.http.uploads import UploadFile
    from kick.http.websocket.socket import Socket
    from kick.session import Session, Sessions

    return {
        Sessions: 'Add the middleware that provides it: `middleware=[session(secret=os.environ["SESSION_SECRET"])]`.',
        Session: "It belongs to a request: take `ctx: RequestContext`, and use `ctx.session`.",
        Request: "It belongs to a request: take `ctx: RequestContext`, and use `ctx.request`.",
        UploadFile: "It belongs to a form: take it as a parameter of the handler, `upload: UploadFile`.",
        Socket: "It belongs to the handler of a WebSocket: take `socket: Socket` where `@WebSocket` decorates.",
    }.get(key)
