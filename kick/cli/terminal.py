"""Terminal output: colours, tables, and lines with a label."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Final

import click

from kick.environment import colorful as colorful
from kick.environment import colors as colors

METHOD_COLORS: Final = {"GET": "green", "POST": "blue", "PUT": "yellow", "PATCH": "yellow", "DELETE": "red"}

_INDENT: Final = "  "
_GAP: Final = "  "
_MARGIN: Final = 9
_WIDEST: Final = 110
_CODE: Final = re.compile(r"`[^`]*`")
_NO_BREAK: Final = "\0"


def say(text: str = "", *, err: bool = False) -> None:
    """Print text immediately, to standard error if `err`."""
    click.echo(text, err=err, color=colors())


def warn(message: str) -> None:
    """Print a warning of one line to standard error."""
    say(f"{_INDENT}{yellow('note')}   {message}", err=True)


bold: Final = partial(click.style, bold=True)
"""Style the most important text."""

dim: Final = partial(click.style, dim=True)
"""Style less important text."""

accent: Final = partial(click.style, fg="cyan")
"""Style addresses, and commands to be typed."""

green: Final = partial(click.style, fg="green")
yellow: Final = partial(click.style, fg="yellow")
red: Final = partial(click.style, fg="red", bold=True)


def is_interactive() -> bool:
    """Return true if the user can be asked a question."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "file"), counted(0, "error")
    ('1 file', '0 errors')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def method(name: str) -> str:
    """Style an HTTP method in its colour."""
    return click.style(name, fg=METHOD_COLORS.get(name))


def table(rows: Sequence[Sequence[str]], *, heading: Sequence[str] = ()) -> str:
    """Return rows with aligned columns. Styles do not change the width of a text.

    >>> print(click.unstyle(table([["GET", "/"], ["DELETE", "/notes"]], heading=["method", "path"])))
      method  path
      GET     /
      DELETE  /notes
    """
    lines = [[dim(each) for each in heading], *rows] if heading else list(rows)
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        _INDENT + _GAP.join(cell + " " * (room - width(cell)) for cell, room in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )


def width(text: str) -> int:
    """Return the number of columns of a text.

    >>> width(red("no"))
    2
    """
    return len(click.unstyle(text))


def labelled(label: str, text: str, *, color: str | None = None) -> str:
    """Return lines of text beside a label, wrapped to the width of the terminal.

    >>> print(click.unstyle(labelled("fix", "Do this\\nand that")))
      fix    Do this
             and that
    """
    first, *rest = [part for line in text.splitlines() for part in _wrapped(line)] or [""]
    head = click.style(f"{label:<5}", fg=color, bold=color is not None, dim=color is None)
    return "\n".join([f"{_INDENT}{head}{_GAP}{first}", *(f"{' ' * _MARGIN}{line}" for line in rest)])


def _wrapped(line: str) -> list[str]:
    """Wrap a line to the terminal. Code between backticks is not split."""
    if not sys.stderr.isatty():
        return [line]
    room = min(shutil.get_terminal_size().columns, _WIDEST) - _MARGIN
    indent = line[: len(line) - len(line.lstrip())]
    kept = _CODE.sub(lambda match: match[0].replace(" ", _NO_BREAK), line.lstrip())
    pieces = textwrap.wrap(
        kept, room, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [piece.replace(_NO_BREAK, " ") for piece in pieces] or [""]
