"""The arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

TRACE: Final = "kick.trace"
"""The key under which `--trace` is stored while a command runs."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def target_argument(command: Decorated) -> Decorated:
    """`TARGET`, the application as `module:attribute`, and `--trace`."""
    return click.argument("target", required=False)(trace_option(command))


def address_options(command: Decorated) -> Decorated:
    """`--host` and `--port`."""
    host = click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
    port = click.option(
        "--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="The port; 0 for any free one."
    )
    return host(port(command))


def trace_option(command: Decorated) -> Decorated:
    """`--trace`."""
    return click.option(
        "--trace", is_flag=True, expose_value=False, callback=_remember, help="Show errors with their whole traceback."
    )(command)


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[TRACE] = True
