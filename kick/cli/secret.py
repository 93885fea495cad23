"""`kick secret`: a secret to sign cookies with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from kick.cli import terminal
from kick.cli.environment import ENV_FILE, draw_secret, write_variable

SECRET: Final = "SESSION_SECRET"


@click.command("secret", short_help="Draw a secret to sign cookies with.")
@click.option("--env", "to_file", is_flag=True, help=f"Write it into {ENV_FILE} as {SECRET}.")
def command(to_file: bool) -> None:
    """Draw a secret to sign cookies with: 48 random bytes.

    \b
    Examples:
      $ kick secret
      $ kick secret --env
      $ export SESSION_SECRET="$(kick secret)"
    """
    secret = draw_secret()
    if not to_file:
        terminal.say(secret)
    elif write_variable(Path(ENV_FILE), SECRET, secret):
        terminal.say(f"  {SECRET} in {ENV_FILE} is a new one. {terminal.dim('Sessions signed with the old one end.')}")
    else:
        terminal.say(f"  {SECRET} is in {ENV_FILE} now. {terminal.dim('Keep that file out of git.')}")
