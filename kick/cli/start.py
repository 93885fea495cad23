"""`kick start`: the application in production."""

from __future__ import annotations

import logging.config
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kick.cli import terminal
from kick.cli.environment import ENVIRONMENT, enter
from kick.cli.errors import SessionsNotShared
from kick.cli.options import address_options, target_argument
from kick.cli.target import Target, find_target, load_served
from kick.http.middleware.access_log import VARIABLE
from kick.http.middleware.entrance import PROXIES_VARIABLE
from kick.http.proxies import TrustedProxies

if TYPE_CHECKING:
    from kick.app import App


@click.command("start", short_help="Serve the application in production.")
@target_argument
@address_options
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    envvar="WEB_CONCURRENCY",
    help="How many processes serve. [env: WEB_CONCURRENCY]",
)
@click.option(
    "--trusted-proxies",
    envvar=PROXIES_VARIABLE,
    help="Whose word on the client, scheme and host is believed, where the application does not say it: how many "
    f"proxies there are, or their networks with commas between them. [env: {PROXIES_VARIABLE}]",
)
@click.option(
    "--graceful-timeout",
    type=click.IntRange(0, 3600),
    default=30,
    show_default=True,
    help="Seconds that requests in flight get when the server ends.",
)
@click.option(
    "--drain",
    type=click.IntRange(0, 3600),
    default=0,
    show_default=True,
    help="Seconds to go on listening when the server is to end; /health/ready answers 503 meanwhile.",
)
@click.option(
    "--access-log",
    type=click.Choice(["text", "json", "off"]),
    envvar=VARIABLE,
    help=f"How the line for each request is written; text, where the application says nothing else. [env: {VARIABLE}]",
)
@click.pass_context
def command(
    ctx: click.Context,
    target: str | None,
    host: str,
    port: int,
    workers: int,
    trusted_proxies: str | None,
    graceful_timeout: int,
    drain: int,
    access_log: str | None,
) -> None:
    """Serve an application in production.

    KICK_ENV is production, unless it is set. A mistake in the set-up, such as a weak secret, stops the start.
    SIGTERM and Ctrl-C end it when the requests in flight have been answered.

    \b
    Examples:
      $ kick start --host 0.0.0.0
      $ kick start shop.main:app --port 8080 --workers 4
    """
    from kick.cli import serving
    from kick.cli.processes import Child
    from kick.cli.team import Team

    folder = Path.cwd()
    found = find_target(target, folder)
    options = {
        "timeout_graceful_shutdown": graceful_timeout,
        "drain": drain,
    }
    _say({PROXIES_VARIABLE: trusted_proxies, VARIABLE: access_log})
    app = _load(found, folder)
    _check_sessions(app, workers)
    with serving.listen(host, port, "start") as sock:
        where = serving.address_of(sock)

        def ready() -> None:
            many = f"{workers} worker{'s' * (workers > 1)}"
            terminal.say(f"kick serves {found} on {where}: {os.environ[ENVIRONMENT]}, {many}")

        if workers == 1:
            served = serving.run(app, sock, ready, **options)
        else:
            team = Team(lambda: Child(_work, found, folder, sock, options), workers, sock, drain + graceful_timeout)
            served = team.serve(ready)
    ctx.exit(0 if served else 1)


def _say(variables: Mapping[str, str | None]) -> None:
    """Tell the application, and the processes that serve it, what the options say."""
    TrustedProxies.of_text(variables[PROXIES_VARIABLE] or "")
    os.environ.update({name: value for name, value in variables.items() if value is not None})


def _load(target: Target, folder: Path) -> Any:
    """The application; the log is set up before, so that the application may set it up otherwise."""
    from kick.cli.logs import log_config

    logging.config.dictConfig(log_config(dated=True))
    logging.captureWarnings(True)
    enter(folder, "production")
    os.environ.setdefault(VARIABLE, "text")
    return load_served(target, folder)


def _check_sessions(app: Any, workers: int) -> None:
    from kick.app import App

    if workers > 1 and isinstance(app, App) and any(_is_in_process(layer) for layer in _layers(app)):
        raise SessionsNotShared(workers)


def _layers(app: App) -> Iterator[Any]:
    """All the middleware of an application."""
    yield from app.middleware
    for each in (*app.routes, *(mount.route for mount in app.mounts)):
        yield from each.middleware


def _is_in_process(layer: Any) -> bool:
    from kick.session import SessionLayer

    return isinstance(layer, SessionLayer) and bool(getattr(layer.engine.store, "in_process", False))


def _work(ready: Any, target: Target, folder: Path, sock: socket.socket, options: dict[str, Any]) -> None:
    from kick.cli import serving

    serving.run(_load(target, folder), sock, ready, **options)
