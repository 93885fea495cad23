"""`kick info`: what an application is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kick.cli import terminal
from kick.cli.environment import enter
from kick.cli.options import target_argument
from kick.cli.report import show_warnings
from kick.cli.target import find_target, load_app
from kick.cli.versions import version_rows, versions

if TYPE_CHECKING:
    from kick.app import App


@click.command("info")
@target_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
def command(target: str | None, as_json: bool) -> None:
    """Show versions, routes, providers and middleware of an application.

    \b
    Examples:
      $ kick info
      $ kick info shop.main:app --json
    """
    folder = Path.cwd()
    show_warnings()
    enter(folder, "development")
    found = find_target(target, folder)
    described = {"application": str(found), "versions": versions(), **_described(load_app(found, folder))}
    terminal.say(json.dumps(described, indent=2) if as_json else _as_text(described))


def _described(app: App) -> dict[str, Any]:
    from kick.di.naming import type_name
    from kick.http.pipeline import name_of

    return {
        "modules": list(dict.fromkeys(route.module for route in app.routes)),
        "routes": len(app.routes),
        "sockets": len(app.sockets),
        "mounts": len(app.mounts),
        "middleware": [name_of(layer) for layer in app.middleware],
        "providers": {type_name(key): app.container.lifetime(key).value for key in app.container.provided()},
    }


def _as_text(described: dict[str, Any]) -> str:
    rows = [
        ["application", terminal.bold(described["application"])],
        *version_rows(),
        ["modules", ", ".join(described["modules"]) or "none"],
        ["routes", str(described["routes"])],
        ["WebSockets", str(described["sockets"])],
        ["mounts", str(described["mounts"])],
        ["middleware", ", ".join(described["middleware"]) or "none"],
    ]
    facts = terminal.table([[terminal.dim(name), value] for name, value in rows])
    provided = [[name, terminal.dim(lifetime)] for name, lifetime in described["providers"].items()]
    table = (
        terminal.table(provided, heading=["provided", "lives as long as"])
        if provided
        else terminal.dim("  nothing is provided")
    )
    return f"\n{facts}\n\n{table}\n"
