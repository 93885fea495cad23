"""`kick start`: the application in production."""

from __future__ import annotations

import logging
import logging.config
import os
import socket
from collections.abc import Callable, Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from kick.cli import terminal
from kick.cli.env_file import ENVIRONMENT, enter
from kick.cli.options import TRACE, address_options, target_argument
from kick.cli.server.gc import settled
from kick.cli.target import Target, find_target, load_served
from kick.environment import in_production
from kick.errors import raise_all
from kick.middleware.access_log.log import VARIABLE
from kick.middleware.asgi_stack import PROXIES_VARIABLE
from kick.middleware.proxies import TrustedProxies, parse_prefix

logger: Final = logging.getLogger("kick.cli")

Command = TypeVar("Command", bound=Callable[..., Any])

_DEFAULT: Final = click.core.ParameterSource.DEFAULT


def _root_path(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    path = parse_prefix(value)
    if (path is None and value.strip("/")) or "%" in value:
        raise click.BadParameter(f"{value!r} is not a path such as /shop.", ctx, parameter)
    return path or ""


def _seconds(name: str, default: int, about: str, *, least: int = 0, most: int = 3600) -> Callable[[Command], Command]:
    kind = click.IntRange(least, most)
    return click.option(name, metavar="SECONDS", type=kind, default=default, show_default=True, help=about)


@click.command("start")
@target_argument
@address_options
@click.option(
    "--workers",
    metavar="NUMBER",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    envvar="WEB_CONCURRENCY",
    help="The number of processes that serve. [env: WEB_CONCURRENCY]",
)
@click.option("--force", is_flag=True, help="Serve in spite of a weak set-up, and print warnings.")
@click.option(
    "--trusted-proxies",
    envvar=PROXIES_VARIABLE,
    help="The proxies whose headers are trusted, unless the application names them: the number of "
    f"proxies, or their networks, separated by commas. [env: {PROXIES_VARIABLE}]",
)
@click.option(
    "--uds",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Listen on a Unix socket instead of a port. It is removed at the end.",
)
@click.option(
    "--ssl-certfile",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The certificate with its chain for TLS, in PEM.",
)
@click.option(
    "--ssl-keyfile",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The key of the certificate in PEM, if it is in a separate file.",
)
@_seconds(
    "--keep-alive",
    75,
    "The time for which an idle connection stays open; longer than the timeout of the load balancer.",
    least=1,
    most=86_400,
)
@_seconds("--head-timeout", 30, "The longest time for the head of a request to arrive.", least=1)
@_seconds("--body-timeout", 60, "The longest time between two pieces of a request body.", least=1)
@click.option(
    "--websocket-compression",
    is_flag=True,
    help="Allow compressed WebSocket messages (permessage-deflate). A small message can become a large one.",
)
@click.option(
    "--root-path",
    metavar="PATH",
    default="",
    callback=_root_path,
    envvar="KICK_ROOT_PATH",
    help="The path of the application at the proxy, if the proxy removes it and sends no header with it. "
    "[env: KICK_ROOT_PATH]",
)
@_seconds("--graceful-timeout", 30, "The longest time for running requests to finish when the server stops.")
@_seconds(
    "--drain", 0, "The time in which the server still accepts requests before it stops; /health/ready is a 503 then."
)
@click.option(
    "--access-log",
    type=click.Choice(["text", "json", "off"]),
    envvar=VARIABLE,
    help=f"The format of the line for each request; text, unless the application sets another one. [env: {VARIABLE}]",
)
@click.pass_context
def command(
    ctx: click.Context,
    target: str | None,
    host: str,
    port: int,
    workers: int,
    force: bool,
    trusted_proxies: str | None,
    uds: Path | None,
    ssl_certfile: Path | None,
    ssl_keyfile: Path | None,
    keep_alive: int,
    head_timeout: int,
    body_timeout: int,
    websocket_compression: bool,
    root_path: str,
    graceful_timeout: int,
    drain: int,
    access_log: str | None,
) -> None:
    """Serve an application in production.

    KICK_ENV is production, unless it is set. With a set-up error, such as a weak secret, kick does not
    start; the same applies to the configuration errors of `kick doctor`.
    After SIGTERM or Ctrl-C it finishes the running requests and ends.

    \b
    Examples:
      $ kick start --host 0.0.0.0
      $ kick start shop.main:app --port 8080 --workers 4
      $ kick start --uds /run/shop/kick.sock --trusted-proxies unix
    """
    from kick.cli.server.processes import Child, interruptible

    ctx.with_resource(interruptible())
    from kick.cli.server import uvicorn_server as serving
    from kick.cli.server.listening import listening_at, tls_options
    from kick.cli.server.websocket_limits import compression_options
    from kick.cli.server.workers import Team

    folder = Path.cwd()
    found = find_target(target, folder)
    trace = bool(ctx.meta.get(TRACE))
    options: dict[str, Any] = {
        "timeout_graceful_shutdown": graceful_timeout,
        "drain": drain,
        "trace": trace,
        "root_path": root_path,
        "timeout_keep_alive": keep_alive,
        "timeouts": (head_timeout, body_timeout),
        **compression_options(websocket_compression),
        **tls_options(ssl_certfile, ssl_keyfile),
    }
    if uds is not None and any(ctx.get_parameter_source(name) is not _DEFAULT for name in ("host", "port")):
        raise click.UsageError("--uds cannot be used together with --host and --port.", ctx)
    _say({PROXIES_VARIABLE: trusted_proxies, VARIABLE: access_log})
    app = _load(found, folder)
    _refuse_weaknesses(app, workers, force=force)
    with listening_at(uds, serving.BACKLOG) if uds is not None else serving.listen(host, port, "start") as sock:
        where = serving.address_of(sock, "http" if ssl_certfile is None else "https")

        def ready() -> None:
            many = f"{workers} worker{'s' * (workers > 1)}"
            terminal.say(f"kick serves {found} on {where}: {os.environ[ENVIRONMENT]}, {many}")

        if workers == 1:
            served = serving.run(app, sock, settled(ready), **options)
        else:
            # The first worker warns for all, once its application has started.
            numbers = chain([workers], repeat(1))
            served = Team(
                lambda: Child(_work, found, folder, sock, next(numbers), options),
                workers,
                sock,
                drain + graceful_timeout,
            ).serve(ready)
    ctx.exit(0 if served else 1)


def _say(variables: Mapping[str, str | None]) -> None:
    """Pass the options to the application and to its server processes, as environment variables."""
    TrustedProxies.of_text(variables[PROXIES_VARIABLE] or "")
    os.environ.update({name: value for name, value in variables.items() if value is not None})


def _load(target: Target, folder: Path) -> Any:
    """Load the application. Logging is configured before, so that the application can configure it again."""
    from kick.cli.server.logs import follow_access_log, log_config

    logging.config.dictConfig(log_config(dated=True))
    logging.captureWarnings(True)
    enter(folder, "production")
    os.environ.setdefault(VARIABLE, "text")
    app = load_served(target, folder)
    follow_access_log(app)
    return app


def _refuse_weaknesses(app: Any, workers: int, *, force: bool) -> None:
    """Raise the weaknesses of the set-up as errors, or with `force` print them as warnings."""
    from kick.cli.production_checks import weaknesses

    problems = weaknesses(app, workers=workers)
    if not in_production():
        problems = [each for each in problems if each.code == "session-store-not-shared"]
    if not force:
        raise_all(problems)
    for problem in problems:
        terminal.warn(f"{problem.code}: {problem.cause} (--force)")


def _work(
    ready: Callable[[], None],
    target: Target,
    folder: Path,
    sock: socket.socket,
    workers: int,
    options: dict[str, Any],
) -> None:
    """Serve as one of several workers. `workers` is 1 unless this one warns of what they do not share."""
    from kick.cli.production_checks import unshared_limits
    from kick.cli.server.uvicorn_server import run

    app = _load(target, folder)

    def started() -> None:
        for problem in unshared_limits(app, workers=workers):
            logger.warning("%s", problem)
        ready()

    run(app, sock, settled(started), **options)
