"""From the controllers of modules to routes: paths joined, plans made, chains composed, mistakes collected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from kick.di import Container
from kick.di.naming import place_of
from kick.errors import KickError
from kick.http.binding import CallPlan
from kick.http.calling import endpoint_of, without_body
from kick.http.controller import ControllerInfo, RouteInfo, controller_info, handlers_of, middleware_of
from kick.http.errors import BadBodyLimit, BadRoutePath, BadStatus, DuplicateRoute, ListedTwice, NotAController
from kick.http.pipeline import around, for_route, guarded, middleware_problem
from kick.http.response import Response
from kick.http.routing import Endpoint, Route, Router, parse_path, path_names
from kick.http.settings import Settings


class ModuleLike(Protocol):
    """What there is to know of a module."""

    name: str
    controllers: tuple[type, ...]
    prefix: str
    middleware: tuple[Any, ...]
    session: bool | None


class Chain(msgspec.Struct, eq=False):
    """What a request to a route runs through: the application's layers, those of the route, the handler."""

    route: Route
    plan: CallPlan
    outer: list[Any] = []
    inner: list[Any] = []

    def link(self, container: Container) -> Endpoint:
        """The whole chain, composed; the container has started."""
        handler = endpoint_of(
            self.plan, container, container.instance(self.route.controller), in_layers=bool(self.outer or self.inner)
        )
        endpoint = guarded(self.outer, around(self.inner, handler))
        return without_body(endpoint) if self.route.method == "HEAD" else endpoint


class Assembly:
    """The router of an application, and how each of its handlers is called.

    `layers` are all the middleware there is, each once; `problems` has all that is wrong.
    """

    def __init__(self, modules: Sequence[ModuleLike], middleware: Sequence[Any], prefix: str) -> None:
        self.router = Router()
        self.chains: list[Chain] = []
        self.problems: list[KickError] = []
        self.layers: dict[int, Any] = {}
        self._listed: dict[tuple[type, str], str] = {}
        self._unmatched: list[Any] = []
        self.middleware = self._usable(middleware)
        for module in modules:
            for controller in module.controllers:
                self._add_controller(module, controller, prefix)
        self.router.finish(_head_of)
        self._check_order()

    @property
    def providers(self) -> list[Any]:
        """What the middleware adds to the container."""
        return [each for layer in self.layers.values() for each in getattr(layer, "providers", ())]

    def require(self, container: Container) -> list[KickError]:
        """Tell the container what the controllers and their handlers ask it for; what is wrong with the handlers."""
        first_of = {chain.route.controller: chain.route for chain in reversed(self.chains)}
        for controller, route in reversed(first_of.items()):
            container.require(controller, f"the controller of {route.method} {route.path}")
        names_of: dict[Any, set[str]] = {}
        for chain in self.chains:
            names_of.setdefault(chain.route.handler, set()).update(path_names(chain.route.path))
        for chain in self.chains:
            chain.plan.require(container, names_of[chain.route.handler])
        return list({str(each): each for chain in self.chains for each in chain.plan.problems}.values())

    def configure(self, settings: Settings) -> None:
        """Let the middleware set what the application decides about all requests, and choose its routes."""
        for layer in self.layers.values():
            if hasattr(layer, "configure"):
                layer.configure(settings)
        self._unmatched = self._chosen(self.middleware, None)
        for chain in self.chains:
            chain.outer = self._chosen(self.middleware, chain.route)
            chain.inner = self._chosen(chain.route.middleware, chain.route)

    def unmatched(self, endpoint: Endpoint) -> Endpoint:
        """What answers requests that no route matches."""
        return guarded(self._unmatched, endpoint)

    def _chosen(self, layers: Iterable[Any], route: Route | None) -> list[Any]:
        try:
            chosen = for_route(layers, route)
        except KickError as problem:
            self._note(problem)
            return []
        self._usable(chosen)
        return chosen

    def _add_controller(self, module: ModuleLike, controller: Any, prefix: str) -> None:
        info = controller_info(controller) if isinstance(controller, type) else None
        if info is None:
            self.problems.append(NotAController(controller, module.name))
            return
        key = controller, join_paths(module.prefix)
        if key in self._listed:
            self.problems.append(ListedTwice(controller, self._listed[key], module.name))
            return
        self._listed[key] = module.name
        for handler, route_info in handlers_of(controller):
            try:
                self._add_route(module, controller, info, handler, route_info, prefix)
            except (BadRoutePath, DuplicateRoute) as problem:
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
        path = join_paths(prefix, module.prefix, info.prefix, route_info.path)
        place = f"{name}() at {place_of(handler)}"
        self.problems += _option_problems(route_info, place)
        plan = CallPlan(handler, route_info, path_names(path), place)
        layers = (*module.middleware, *middleware_of(controller), *middleware_of(handler))
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
            middleware=tuple(self._usable(layers)),
            endpoint=_not_linked,
        )
        self.chains.append(Chain(route, plan))
        self.router.add(route, parse_path(path, plan.hints(), place))

    def _usable(self, layers: Iterable[Any]) -> list[Any]:
        """The layers that can be called as such; what is wrong with the others is noted, once."""
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
        chains = [(*self.middleware, *chain.route.middleware) for chain in self.chains]
        different = {tuple(map(id, layers)): layers for layers in [tuple(self.middleware), *chains]}
        for layers in different.values():
            for index, layer in enumerate(layers):
                if hasattr(layer, "check"):
                    for problem in layer.check(layers[:index], layers[index + 1 :]):
                        self._note(problem)

    def _note(self, problem: KickError) -> None:
        if str(problem) not in map(str, self.problems):
            self.problems.append(problem)


def body_limit_problem(limit: object, place: str) -> KickError | None:
    """What is wrong with the limit of bodies.

    >>> body_limit_problem("1 MiB", "bootstrap()").cause
    "max_body='1 MiB' of bootstrap() is no number of bytes."
    """
    usable = limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0)
    return None if usable else BadBodyLimit(limit, place)


def _option_problems(info: RouteInfo, place: str) -> list[KickError]:
    limit = body_limit_problem(info.max_body, place)
    problems: list[KickError] = [] if limit is None else [limit]
    status: Any = info.status
    if status is not None and not (isinstance(status, int) and 200 <= status <= 599):
        problems.append(BadStatus(status, info.method, place))
    return problems


def join_paths(*parts: str) -> str:
    """One path of several: slashes between them, none at the end.

    >>> join_paths("/api", "", "/notes", "/"), join_paths("", "/")
    ('/api/notes', '/')
    """
    return "/" + "/".join(part.strip("/") for part in parts if part.strip("/"))


def _first(*choices: bool | None) -> bool | None:
    return next((each for each in choices if each is not None), None)


def _head_of(route: Route) -> Route:
    """The route that answers HEAD with what GET would say, but for the body."""

    async def served(ctx: Any) -> Response:
        return await route.endpoint(ctx)

    return msgspec.structs.replace(route, method="HEAD", endpoint=without_body(served))


async def _not_linked(ctx: Any) -> Response:
    raise RuntimeError("the application has not started")
