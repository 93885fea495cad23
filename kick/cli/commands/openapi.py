"""`kick openapi`: the OpenAPI document of an application."""

from __future__ import annotations

import json
from difflib import unified_diff
from pathlib import Path
from typing import Any

import click

from kick.cli import terminal
from kick.cli.options import target_argument
from kick.cli.target import open_app
from kick.errors import KickError

MOST_LINES = 40
"""The most lines of a difference that are shown."""


@click.command("openapi")
@target_argument
@click.option("--out", "out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to a file.")
@click.option(
    "--check",
    "committed",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare it with a file, and fail if they differ.",
)
@click.option("--api-version", "version", help="The version of the API; by default the newest.")
def command(target: str | None, out: Path | None, committed: Path | None, version: str | None) -> None:
    """Print the OpenAPI document of an application, as JSON.

    It is the document of production, unless KICK_ENV says otherwise: some names, such as that of the session cookie,
    may be others in development.

    --check is for CI: it exits with 1, and shows the difference, if the document of the application is not the one that
    was committed.

    \b
    Examples:
      $ kick openapi
      $ kick openapi --out openapi.json
      $ kick openapi --check openapi.json
      $ kick openapi shop.main:app --api-version v1
    """
    _, app = open_app(target, "production")
    text = written(app.openapi(version))
    if committed is not None:
        _compare(text, committed)
    if out is not None:
        out.write_text(text, encoding="utf-8")
        terminal.say(f"  {out} has the document now.")
    elif committed is None:
        terminal.say(text.rstrip("\n"))


def written(document: dict[str, Any]) -> str:
    """Return a document as it is written to a file.

    >>> written({"openapi": "3.1.1"}).splitlines()
    ['{', '  "openapi": "3.1.1"', '}']
    """
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _compare(text: str, path: Path) -> None:
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KickError(
            "openapi-file",
            cause=f"{path} cannot be read: {error}.",
            fix=f"Write it, and commit it: `kick openapi --out {path}`.",
        ) from None
    if _parsed(before) == json.loads(text):  # it may be indented in another way
        terminal.say(f"  {path} is up to date.")
        return
    lines = unified_diff(before.splitlines(), text.splitlines(), str(path), "the application", lineterm="")
    listed = list(lines)
    for line in listed[:MOST_LINES]:
        terminal.say(line)
    if len(listed) > MOST_LINES:
        terminal.say(terminal.dim(f"... and {len(listed) - MOST_LINES} lines more"))
    raise KickError(
        "openapi-differs",
        cause=f"{path} is not the document of the application.",
        fix=f"If the change is meant, write it again: `kick openapi --out {path}`.",
    )


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
