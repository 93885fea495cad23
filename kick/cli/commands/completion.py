"""`kick completion`: scripts with which a shell completes commands and options of `kick`."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Final

import click

from kick.cli import terminal
from kick.cli.options import trace_option
from kick.errors import KickError

VARIABLE: Final = "_KICK_COMPLETE"
"""The environment variable with which the script of a shell asks `kick` for completions."""

SHELLS: Final = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@trace_option
def command(shell: str | None) -> None:
    """Print a script that makes SHELL complete commands and options; without SHELL, for the one in $SHELL.

    \b
    Examples, for the start-up file of each shell:
      $ kick completion bash >> ~/.bashrc
      $ kick completion zsh >> ~/.zshrc
      $ kick completion fish > ~/.config/fish/completions/kick.fish
    """
    terminal.say(script(shell or _own_shell()))


def script(shell: str) -> str:
    """Return the completion script of a shell.

    >>> script("bash").strip().splitlines()[0]
    '_kick_completion() {'
    """
    from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

    from kick.cli.program import program

    classes: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    made = classes[shell](program, {}, "kick", VARIABLE)
    return made.source_template % made.source_vars()


def _own_shell() -> str:
    name = PurePath(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        said = f"SHELL says {name!r}" if name else "SHELL is not set"
        raise KickError(
            "shell-unknown",
            cause=f"Completion exists for bash, zsh and fish, and {said}.",
            fix="Pass the shell: `kick completion bash`.",
        )
    return name
