"""The `kick` command itself, which finds the sub-commands and prints their errors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from kick.cli import terminal
from kick.cli.error_report import error_report
from kick.cli.errors import system_refusal
from kick.cli.options import TRACE
from kick.errors import KickError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Final = {
    "new": "Write a project that starts and whose tests pass.",
    "generate": "Write a resource, a controller, a service or another part.",
    "dev": "Serve the application for development, with reload.",
    "start": "Serve the application in production.",
    "routes": "List the routes of the application.",
    "openapi": "Print the OpenAPI document, or compare it with a file.",
    "info": "Show the parts of the application, and the installed versions.",
    "doctor": "Check the set-up, and say how to fix what is wrong.",
    "shell": "Open a Python prompt with the application, and with await.",
    "sessions": "List or end sessions of a user, or delete expired ones.",
    "secret": "Generate a secret for signing cookies.",
    "completion": "Print the completion script for your shell.",
}
"""The commands in the order of the help page, which imports none of them. Each is `command` in `commands.<name>`."""

SHORT: Final = {"g": "generate"}
"""Other names of commands, which the help page does not list."""


class Program(click.Group):
    """A group whose commands are imported one by one, and whose set-up errors are readable."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with this name."""
        cmd_name = SHORT.get(cmd_name, cmd_name)
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"kick.cli.commands.{cmd_name}").command
        command.short_help = COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command in the arguments. The error for an unknown command names similar ones."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            for near in get_close_matches(args[0], COMMANDS, n=1):
                raise click.UsageError(f"{error.message} Did you mean '{near}'?", ctx) from None
            raise

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the completions for a shell, without importing a command."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name, help=about) for name, about in COMMANDS.items() if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

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
            refused = system_refusal(error)
            refused.__cause__ = error
            self._report(ctx, refused)

    def _report(self, ctx: click.Context, error: KickError) -> None:
        terminal.say(error_report(error, trace=bool(ctx.meta.get(TRACE))), err=True)
        ctx.exit(1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first line of the help page."""
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS]")


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'kick COMMAND --help' describes each of them.",
)
@click.version_option(package_name="kick-framework", prog_name="kick", message="%(prog)s %(version)s")
def program() -> None:
    """Create, run and inspect kick applications.

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
