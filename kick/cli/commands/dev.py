"""`kick dev`: the application while it is being written."""

from __future__ import annotations

import logging.config
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kick.cli import terminal
from kick.cli.env_file import ENVIRONMENT, enter
from kick.cli.error_report import error_report, show_warnings
from kick.cli.options import TRACE, address_options, target_argument
from kick.cli.target import Target, find_target, load_served
from kick.errors import KickError
from kick.middleware.access_log.log import VARIABLE

if TYPE_CHECKING:
    from kick.cli.server.processes import Child

GRACE: Final = 0.5
"""Seconds that requests in flight get when a file was saved."""

_MOST_NAMED: Final = 3
_WAITING: Final = "The next save starts it again."


@click.command("dev")
@target_argument
@address_options
@click.option("--reload/--no-reload", default=True, show_default=True, help="Start anew when a file is saved.")
@click.option("--live", is_flag=True, help="Have the pages in a browser load themselves anew after a save, too.")
@click.pass_context
def command(ctx: click.Context, target: str | None, host: str, port: int, reload: bool, live: bool) -> None:
    """Serve an application while it is being written.

    TARGET is the module and the application in it; without one, it is what pyproject.toml says in [tool.kick],
    or app:app. A mistake is shown with what mends it, and the next save is picked up.

    \b
    Examples:
      $ kick dev
      $ kick dev shop.main:app --port 8080
      $ kick dev --live
    """
    from kick.cli.server.processes import interruptible

    ctx.with_resource(interruptible())
    from kick.cli.server.uvicorn_server import listen

    folder = Path.cwd()
    found = find_target(target, folder)
    trace = bool(ctx.meta.get(TRACE))
    with listen(host, port, "dev") as sock:
        if reload:
            _serve_and_reload(found, folder, sock, trace, live)
        else:
            _prepare(folder)
            _serve(load_served(found, folder), found, sock, lambda: None, live=live, trace=trace)
    terminal.say()


# The process that the user started: watches, and starts another for each state of the files.


def _serve_and_reload(target: Target, folder: Path, sock: socket.socket, trace: bool, live: bool) -> None:
    from kick.cli.server.file_watching import Watch
    from kick.cli.server.processes import Child, StopSignals

    saved: list[Path] = []
    greeted = False
    with StopSignals().heard() as signals:
        looks = Watch(folder).looks(signals.first)
        while True:
            child = Child(_serve_once, target, folder, sock, trace, live, saved, greeted)
            saved = _until_saved(child, looks)
            greeted = greeted or child.started
            child.terminate()
            child.wait(GRACE + 4, unless=lambda: signals.urgent)
            if not saved:
                return


def _until_saved(child: Child, looks: Iterator[list[Path]]) -> list[Path]:
    """Return the changed files, or none if the user wants to stop."""
    mourned = False
    for saved in looks:
        if saved:
            return saved
        if not child.alive and not mourned:
            terminal.say(terminal.labelled("ended", "The application has ended. " + _WAITING, color="red"), err=True)
            mourned = True
    return []


# The process that serves


def _serve_once(
    ready: Any,
    target: Target,
    folder: Path,
    sock: socket.socket,
    trace: bool,
    live: bool,
    saved: Sequence[Path],
    greeted: bool,
) -> None:
    """Serve the application as it is now; where it cannot be imported, say why, and serve that."""
    sys.dont_write_bytecode = True  # bytecode is told apart by the second: two saves in one would be mixed up
    _prepare(folder)
    try:
        app = load_served(target, folder)
    except KickError as error:
        report = error_report(error, trace=trace)
        terminal.say(f"{report}  {terminal.dim(_WAITING)}\n", err=True)
        _serve_report(click.unstyle(report), sock)
        return
    _serve(app, target, sock, ready, live=live, trace=trace, saved=saved if greeted else None)


def _prepare(folder: Path) -> None:
    from kick.cli.server.logs import log_config

    logging.config.dictConfig(log_config(dated=False))
    show_warnings()
    enter(folder, "development")
    os.environ.setdefault(VARIABLE, "short")


def _serve(
    app: Any,
    target: Target,
    sock: socket.socket,
    ready: Any,
    *,
    live: bool,
    trace: bool,
    saved: Sequence[Path] | None = None,
) -> None:
    from kick.cli.server import uvicorn_server as serving
    from kick.cli.server.live_reload import LiveReload

    def say_so() -> None:
        terminal.say(_greeting(app, target, serving.address_of(sock)) if saved is None else _reloaded(saved))
        ready()

    serving.run(app, sock, say_so, around=LiveReload if live else None, trace=trace, timeout_graceful_shutdown=GRACE)


def _serve_report(report: str, sock: socket.socket) -> None:
    """Answer every request with what is wrong."""
    from functools import partial

    from kick.cli.server import uvicorn_server as serving
    from kick.cli.server.live_reload import LiveReload, error_page

    serving.run(
        error_page(report),
        sock,
        lambda: None,
        around=partial(LiveReload, inject=False),
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
    )


# What is to be seen


def _greeting(app: Any, target: Target, address: str) -> str:
    from kick.app import App
    from kick.cli.commands.routes import route_table

    lines = [
        "",
        f"  {terminal.bold('kick')}  {target}  {terminal.dim(os.environ[ENVIRONMENT])}",
        "",
        f"  {terminal.accent(address)}",
        "",
    ]
    if isinstance(app, App):
        lines += [route_table(app) if app.routes or app.sockets else terminal.dim("  no routes yet"), ""]
    lines += [terminal.dim("  Every save is picked up. Ctrl-C ends."), ""]
    return "\n".join(lines)


def _reloaded(saved: Sequence[Path]) -> str:
    names = ", ".join(map(str, saved[:_MOST_NAMED])) + (" ..." if len(saved) > _MOST_NAMED else "")
    return f"  {terminal.dim(f'{datetime.now().astimezone():%H:%M:%S}')}  {terminal.green('reloaded')}  {names}"
