"""From the controllers of modules to routes: paths joined, plans made, mistakes collected."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from kick.di import Container
from kick.errors import KickError
from kick.http.binding import CallPlan
from kick.http.controller import ControllerInfo, RouteInfo, controller_info, handlers_of, middleware_of
from kick.http.errors import BadRoutePath, DuplicateRoute, NotAController
from kick.http.pipeline import middleware_problem
from kick.http.response import HeadResponse, Response
from kick.http.routing import Route, Router, parse_path, path_names


class ModuleLike(Protocol):
    """What there is to know of a module."""

    name: str
    controllers: tuple[type, ...]
    prefix: str
    middleware: tuple[Any, ...]
    session: bool | None


class Assembly:
    """The router of an application, and how each of its handlers is called.

    `problems` has all that is wrong with its controllers.
    """

    def __init__(self, modules: Sequence[ModuleLike], prefix: str) -> None:
        self.router = Router()
        self.plans: list[tuple[Route, CallPlan]] = []
        self.problems: list[KickError] = []
        for module in modules:
            self._check_middleware(module.middleware)
            for controller in module.controllers:
                self._add_controller(module, controller, prefix)
        self.router.finish(_head_of)

    def require(self, container: Container) -> list[KickError]:
        """Tell the container what the controllers and their handlers ask it for; what is wrong with the handlers."""
        for route, plan in self.plans:
            if route.controller is not None:
                container.require(route.controller, f"the controller of {route.method} {route.path}")
            plan.require(container)
        return [problem for _, plan in self.plans for problem in plan.problems]

    def _add_controller(self, module: ModuleLike, controller: Any, prefix: str) -> None:
        info = controller_info(controller) if isinstance(controller, type) else None
        if info is None:
            self.problems.append(NotAController(controller, module.name))
            return
        self._check_middleware(middleware_of(controller))
        for handler, route_info in handlers_of(controller):
            self._check_middleware(middleware_of(handler))
            try:
                self._add_route(module, controller, info, handler, route_info, prefix)
            except (BadRoutePath, DuplicateRoute) as problem:
                self.problems.append(problem)

    def _add_route(
        self,
        module: ModuleLike,
        controller: type,
        info: ControllerInfo,
        handler: Callable[..., Any],
        route_info: RouteInfo,
        prefix: str,
    ) -> None:
        name = f"{controller.__name__}.{handler.__name__}"
        path = join_paths(prefix, module.prefix, info.prefix, route_info.path)
        place = f"{name}() at {place_of(handler)}"
        plan = CallPlan(handler, route_info, path_names(path), place)
        route = Route(
            method=route_info.method,
            path=path,
            name=route_info.name or name,
            handler=handler,
            controller=controller,
            module=module.name,
            place=place,
            info=route_info,
            session=next(
                (each for each in (route_info.session, info.session, module.session) if each is not None), None
            ),
            max_body=route_info.max_body,
            middleware=(*module.middleware, *middleware_of(controller), *middleware_of(handler)),
            endpoint=_not_linked,
        )
        self.router.add(route, parse_path(path, plan.hints(), place))
        self.plans.append((route, plan))

    def _check_middleware(self, layers: Sequence[Any]) -> None:
        for layer in layers:
            problem = middleware_problem(layer)
            if problem is not None and str(problem) not in map(str, self.problems):
                self.problems.append(problem)


def join_paths(*parts: str) -> str:
    """One path of several: slashes between them, none at the end.

    >>> join_paths("/api", "", "/notes", "/"), join_paths("", "/")
    ('/api/notes', '/')
    """
    return "/" + "/".join(part.strip("/") for part in parts if part.strip("/"))


def place_of(handler: Callable[..., Any]) -> str:
    """Where a function is defined: `auth.py:12`."""
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return "an unknown place" if code is None else f"{Path(code.co_filename).name}:{code.co_firstlineno}"


def _head_of(route: Route) -> Route:
    """The route that answers HEAD with what GET would say, but for the body."""

    async def head(ctx: Any) -> Response:
        return HeadResponse(await route.endpoint(ctx))

    return msgspec.structs.replace(route, method="HEAD", endpoint=head)


async def _not_linked(ctx: Any) -> Response:
    raise RuntimeError("the application has not started")
