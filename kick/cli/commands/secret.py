"""`kick secret`: a secret for signing cookies."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from kick.cli import terminal
from kick.cli.env_file import ENV_FILE, generate_secret, read_variable, write_variable
from kick.cli.options import trace_option
from kick.errors import KickError
from kick.signing import MIN_SECRET_BYTES

SECRET: Final = "SESSION_SECRET"  # noqa: S105  # a name, and no secret


@click.command("secret")
@click.option("--env", "to_file", is_flag=True, help=f"Write it into {ENV_FILE} as {SECRET}.")
@click.option("--rotate", is_flag=True, help=f"Put it before the one in {ENV_FILE}, which stays valid.")
@click.option(
    "--keep",
    type=click.IntRange(0, 10),
    default=1,
    show_default=True,
    help="With --rotate: the number of old secrets to keep.",
)
@trace_option
def command(to_file: bool, rotate: bool, keep: int) -> None:
    """Generate a secret for signing cookies: 48 random bytes.

    --rotate makes SESSION_SECRET a list with commas. The new secret signs, and cookies signed with the old one are
    valid until the next rotation. The application must split the list:
    session(secret=os.environ["SESSION_SECRET"].split(",")).

    \b
    Examples:
      $ kick secret
      $ kick secret --env
      $ kick secret --rotate
      $ export SESSION_SECRET="$(kick secret)"
    """
    secret = generate_secret()
    if rotate:
        _rotate(Path(ENV_FILE), secret, keep)
    elif not to_file:
        terminal.say(secret)
    elif write_variable(Path(ENV_FILE), SECRET, secret):
        terminal.say(
            f"  {SECRET} in {ENV_FILE} was replaced. {terminal.dim('Cookies signed with the old secret are invalid.')}"
        )
    else:
        terminal.say(f"  {SECRET} was written to {ENV_FILE}. {terminal.dim('Do not add this file to git.')}")


def _rotate(path: Path, secret: str, keep: int) -> None:
    before = read_variable(path, SECRET)
    if before is None:
        raise KickError(
            "secret-none",
            cause=f"There is no {SECRET} in {ENV_FILE} to rotate.",
            fix="Generate the first one: `kick secret --env`.",
        )
    old = before.split(",")
    strong = [each for each in old if len(each.encode()) >= MIN_SECRET_BYTES]
    if len(strong) < len(old):
        terminal.warn(f"secrets of less than {MIN_SECRET_BYTES} bytes are removed: their cookies are no longer valid")
    kept = strong[:keep]
    write_variable(path, SECRET, ",".join([secret, *kept]))
    also = f"{len(kept)} old one{'s' * (len(kept) != 1)} still verif{'ies' if len(kept) == 1 else 'y'}"
    terminal.say(f"  {SECRET} in {ENV_FILE} begins with a new one; {also if kept else 'no old one is left'}.")
    terminal.say(f"  {terminal.green('next')}  restart the application on every machine")
