"""`kick routes`: the routes of an application."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, Final

import click

from kick.cli import terminal
from kick.cli.options import target_argument
from kick.cli.target import open_app

if TYPE_CHECKING:
    from kick.app import App
    from kick.http import Route
    from kick.http.routing.decorators import SessionUse


@click.command("routes")
@target_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
@click.option("-v", "--verbose", is_flag=True, help="Print the middleware of each route, one on each line.")
def command(target: str | None, as_json: bool, verbose: bool) -> None:
    """List the routes of an application, and the middleware of each.

    \b
    Examples:
      $ kick routes
      $ kick routes -v
      $ kick routes shop.main:app --json
    """
    _, app = open_app(target)
    if as_json:
        terminal.say(json.dumps([_described(app, route) for route in _all_routes(app)], indent=2))
    elif _all_routes(app):
        shown = "\n\n".join(_chain(app, route) for route in _all_routes(app)) if verbose else _full_table(app)
        terminal.say(f"\n{shown}\n")
    else:
        terminal.say(terminal.dim("\n  no routes yet\n"))


def route_table(app: App) -> str:
    """Return the method, path and handler of each route of the application itself, as `kick dev` shows them."""
    shown = [each for each in _all_routes(app) if not _is_of_document(each)]
    return terminal.table([[terminal.method(_verb(each)), each.path, terminal.dim(each.name)] for each in shown])


def page_path(app: App) -> str | None:
    """Return the path of the API page, or `None` if it is not served."""
    return next(
        (each.path for each in app.routes if _is_of_document(each) and each.name == "PageController.page"), None
    )


def _is_of_document(route: Route) -> bool:
    """Return true for the routes of the OpenAPI document and its page, which kick has added."""
    return route.controller is not None and route.controller.__module__.startswith("kick.openapi.")


def _all_routes(app: App) -> list[Route]:
    """Return the routes, WebSockets and mounts; a mount has the method `*`."""
    return [*app.routes, *app.sockets, *(mount.route for mount in app.mounts)]


def _verb(route: Route) -> str:
    """Return the method of a route; `WS` for a WebSocket."""
    from kick.http.routing.decorators import SocketInfo

    return "WS" if isinstance(route.info, SocketInfo) else route.method


def _full_table(app: App) -> str:
    rows = [
        [
            terminal.method(_verb(route)),
            route.path,
            route.name,
            _SESSION[_session_of(app, route)],
            terminal.dim(", ".join(_middleware(app, route))),
        ]
        for route in _all_routes(app)
    ]
    return terminal.table(rows, heading=["method", "path", "handler", "session", "middleware"])


def _chain(app: App, route: Route) -> str:
    """Return the lines of a route and its chain, outermost first."""
    from kick.http.pipeline import chain_of

    steps = [[terminal.dim(kind), name] for kind, name in chain_of(app.middleware, route)]
    head = f"  {terminal.method(route.method)} {terminal.bold(route.path)}  {terminal.dim(f'module {route.module}')}"
    return f"{head}\n{textwrap.indent(terminal.table(steps), '    ')}"


def _described(app: App, route: Route) -> dict[str, Any]:
    return {
        "method": _verb(route),
        "path": route.path,
        "handler": route.name,
        "module": route.module,
        "session": _session_of(app, route),
        "middleware": _middleware(app, route),
    }


def _layers(app: App, route: Route) -> list[Any]:
    """Return the middleware of a route, outermost first."""
    from kick.http.pipeline import layers_of

    outer, inner = layers_of(app.middleware, route)
    return [*outer, *inner]


_SESSION: Final[dict[SessionUse, str]] = {True: "on", "passive": "passive", False: "off"}


def _session_of(app: App, route: Route) -> SessionUse:
    from kick.session import SessionLayer

    has_session = any(isinstance(layer, SessionLayer) for layer in _layers(app, route))
    return has_session if route.session is None or not has_session else route.session


def _middleware(app: App, route: Route) -> list[str]:
    from kick.http.pipeline import name_of

    return [name_of(layer) for layer in _layers(app, route)]
