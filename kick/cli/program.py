"""The `kick` command itself: it finds its commands, and prints their errors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from kick.cli import terminal
from kick.cli.errors import CannotWrite
from kick.cli.options import TRACE
from kick.cli.report import error_report
from kick.errors import KickError

COMMANDS: Final = (
    *("new", "generate", "dev", "start", "routes", "info", "doctor", "shell"),
    *("sessions", "secret", "completion"),
)
"""In the order of the help page; `kick.cli.<name>` has the command as `command`."""

SHORT: Final = {"g": "generate"}
"""Other names of commands, which the help page does not list."""


class Program(click.Group):
    """A group whose commands are imported one by one, and whose set-up errors are readable."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        cmd_name = SHORT.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"kick.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a `KickError` is printed, and the exit code is 1."""
        ctx.color = terminal.colors()
        try:
            return super().invoke(ctx)
        except KickError as error:
            self._report(ctx, error)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            refused = CannotWrite(error)
            refused.__cause__ = error
            self._report(ctx, refused)

    def _report(self, ctx: click.Context, error: KickError) -> None:
        terminal.say(error_report(error, trace=bool(ctx.meta.get(TRACE))), err=True)
        ctx.exit(1)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The first line of the help page."""
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS]")


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'kick COMMAND --help' says more about each of them.",
)
@click.version_option(package_name="kick-framework", prog_name="kick", message="%(prog)s %(version)s")
def program() -> None:
    """Make, run and look into kick applications.

    \b
    From nothing to a running application:
      $ kick new my-app
      $ cd my-app
      $ make dev
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the `kick` command with these arguments, those of the process when there are none given.

    >>> main(["secret", "--help"])
    Traceback (most recent call last):
    SystemExit: 0
    """
    program.main(sys.argv[1:] if arguments is None else list(arguments), prog_name="kick")
