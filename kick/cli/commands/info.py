"""`kick info`: the parts of an application."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import click

from kick.cli import terminal
from kick.cli.options import target_argument
from kick.cli.target import open_app

if TYPE_CHECKING:
    from kick.app import App

_SHOWN: Final = {
    "kick": "kick-framework",
    **{name: name for name in ("starlette", "msgspec", "anyio", "uvicorn", "uvloop", "httptools")},
    **{name: name for name in ("redis", "psycopg", "watchfiles")},
}
_A_ROW: Final = 4


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
    found, app = open_app(target)
    described = {"application": str(found), "versions": versions(), **_described(app)}
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
        terminal.table(provided, heading=["provided", "lifetime"])
        if provided
        else terminal.dim("  nothing is provided")
    )
    return f"\n{facts}\n\n{table}\n"


def versions() -> dict[str, str]:
    """Python, kick and the packages beside it that are installed, by name.

    >>> list(versions())[:3]
    ['python', 'kick', 'starlette']
    """
    found = {"python": f"{platform.python_version()}"}
    for name, distribution in _SHOWN.items():
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found


def version_rows() -> list[list[str]]:
    """Return the versions in rows that fit into most terminals."""
    named = [f"{name} {version}" for name, version in versions().items()]
    few = [named[at : at + _A_ROW] for at in range(0, len(named), _A_ROW)]
    return [["" if at else "versions", ", ".join(each)] for at, each in enumerate(few)]
