"""`kick dev`: the server for development."""

from __future__ import annotations

import logging.config
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from kick.cli import terminal
from kick.cli.env_file import ENVIRONMENT, enter
from kick.cli.error_report import error_report, show_warnings
from kick.cli.options import TRACE, address_options, target_argument
from kick.cli.target import Target, find_target, load_served
from kick.errors import KickError, raise_all
from kick.middleware.access_log.log import VARIABLE

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from kick.cli.server.processes import Child

GRACE: Final = 0.5
"""The time for running requests to finish when a file was saved, in seconds."""

_MOST_NAMED: Final = 3
_WAITING: Final = "The next save starts it again."


class Options(NamedTuple):
    """Options of the server process."""

    trace: bool
    live: bool
    hosts: tuple[str, ...]


@click.command("dev")
@target_argument
@address_options
@click.option("--reload/--no-reload", default=True, show_default=True, help="Start again when a file is saved.")
@click.option(
    "--allowed-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A host name to accept besides localhost and IP addresses, such as that of a tunnel. May be repeated.",
)
@click.option("--live", is_flag=True, help="Also reload the pages in a browser after a save.")
@click.pass_context
def command(
    ctx: click.Context,
    target: str | None,
    host: str,
    port: int,
    reload: bool,
    hosts: tuple[str, ...],
    live: bool,
) -> None:
    """Serve an application for development.

    TARGET is the module and the application in it. The default is the one in [tool.kick] of pyproject.toml, or
    app:app. An error is shown with its fix, and the application starts again after the next save.

    \b
    Examples:
      $ kick dev
      $ kick dev shop.main:app --port 8080
      $ kick dev --live
    """
    from kick.cli.server.processes import interruptible
    from kick.middleware.hosts import host_problems

    raise_all(host_problems(hosts))
    ctx.with_resource(interruptible())
    from kick.cli.server.uvicorn_server import listen

    folder = Path.cwd()
    found = find_target(target, folder)
    options = Options(bool(ctx.meta.get(TRACE)), live, hosts)
    with listen(host, port, "dev") as sock:
        if reload:
            _serve_and_reload(found, folder, sock, options)
        else:
            _prepare(folder)
            _serve(load_served(found, folder), found, sock, lambda: None, options)
    terminal.say()


# The main process: it watches the files, and starts a new server process after each change.


def _serve_and_reload(target: Target, folder: Path, sock: socket.socket, options: Options) -> None:
    from kick.cli.server.file_watching import Watch
    from kick.cli.server.processes import Child, StopSignals

    saved: list[Path] = []
    greeted = False
    with StopSignals().heard() as signals:
        looks = Watch(folder).looks(signals.first)
        while True:
            child = Child(_serve_once, target, folder, sock, options, saved, greeted)
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


# The server process


def _serve_once(
    ready: Any,
    target: Target,
    folder: Path,
    sock: socket.socket,
    options: Options,
    saved: Sequence[Path],
    greeted: bool,
) -> None:
    """Serve the application as it is now. If it cannot be imported, print the reason and serve a page with it."""
    sys.dont_write_bytecode = True  # bytecode records whole seconds: two saves within one would be confused
    _prepare(folder)
    try:
        app = load_served(target, folder)
    except KickError as error:
        report = error_report(error, trace=options.trace)
        terminal.say(f"{report}  {terminal.dim(_WAITING)}\n", err=True)
        _serve_report(click.unstyle(report), sock, options)
        return
    _serve(app, target, sock, ready, options, saved=saved if greeted else None)


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
    options: Options,
    *,
    saved: Sequence[Path] | None = None,
) -> None:
    from kick.cli.server import uvicorn_server as serving
    from kick.cli.server.dev_hosts import guarded
    from kick.cli.server.live_reload import LiveReload

    def say_so() -> None:
        terminal.say(_greeting(app, target, serving.address_of(sock)) if saved is None else _reloaded(saved))
        ready()

    def around(app: ASGIApp, stopping: Callable[[], bool]) -> ASGIApp:
        return guarded(LiveReload(app, stopping) if options.live else app, options.hosts)

    serving.run(app, sock, say_so, around=around, trace=options.trace, timeout_graceful_shutdown=GRACE)


def _serve_report(report: str, sock: socket.socket, options: Options) -> None:
    """Respond to every request with the error."""
    from kick.cli.server import uvicorn_server as serving
    from kick.cli.server.dev_hosts import guarded
    from kick.cli.server.live_reload import LiveReload, error_page

    def around(app: ASGIApp, stopping: Callable[[], bool]) -> ASGIApp:
        return guarded(LiveReload(app, stopping, inject=False), options.hosts)

    serving.run(
        error_page(report),
        sock,
        lambda: None,
        around=around,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
    )


# Output


def _greeting(app: Any, target: Target, address: str) -> str:
    from kick.app import App
    from kick.cli.commands.routes import page_path, route_table

    page = page_path(app) if isinstance(app, App) else None
    lines = [
        "",
        f"  {terminal.bold('kick')}  {target}  {terminal.dim(os.environ[ENVIRONMENT])}",
        "",
        f"  {terminal.accent(address)}",
        *([] if page is None else [f"  {terminal.accent(address + page)}  {terminal.dim('the API')}"]),
        "",
    ]
    if isinstance(app, App):
        lines += [route_table(app) if app.routes or app.sockets else terminal.dim("  no routes yet"), ""]
    lines += [terminal.dim("  Every save is picked up. Ctrl-C ends."), ""]
    return "\n".join(lines)


def _reloaded(saved: Sequence[Path]) -> str:
    names = ", ".join(map(str, saved[:_MOST_NAMED])) + (" ..." if len(saved) > _MOST_NAMED else "")
    return f"  {terminal.dim(f'{datetime.now().astimezone():%H:%M:%S}')}  {terminal.green('reloaded')}  {names}"
