"""The text of a `KickError` in a terminal: code, cause, place, fix."""

from __future__ import annotations

import linecache
import re
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, TextIO

from kick.cli.errors import start_failed
from kick.cli.terminal import dim, labelled, say
from kick.errors import KickError, SetupErrors

_PLACE: Final = re.compile(r"\.py:\d")
"""Matches a cause that names its own place. The traceback would only name the call of bootstrap()."""


class Place(NamedTuple):
    """A line of a program."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}"


def error_report(error: KickError, *, trace: bool = False) -> str:
    """Return the text for an error, with its traceback first if wanted.

    >>> import click
    >>> print(click.unstyle(error_report(KickError("no-routes", "The app has no routes.", "Pass a module."))))
    <BLANKLINE>
      error  no-routes
             The app has no routes.
      fix    Pass a module.
    <BLANKLINE>
    """
    problems = error.problems if isinstance(error, SetupErrors) else (error,)
    parts: list[str] = []
    for number, problem in enumerate(problems, 1):
        code = f"{problem.code}{dim(f'  {number} of {len(problems)}') if len(problems) > 1 else ''}"
        parts.append(labelled("error", code, color="red"))
        parts.append(labelled("", problem.cause))
        place = place_of(problem)
        if place is not None and _PLACE.search(problem.cause) is None:
            parts.append(labelled("at", f"{place}\n{dim(place.text)}" if place.text else str(place)))
        parts += [labelled("fix", problem.fix, color="green"), ""]
    if isinstance(error, SetupErrors) and (place := place_of(error)) is not None:
        parts += [labelled("at", f"{place}\n{dim(place.text)}"), ""]
    if trace:
        parts = ["", "".join(traceback.format_exception(error)).rstrip(), *parts]
    return "\n".join(["", *parts])


def start_report(error: BaseException, *, trace: bool = False) -> str:
    """Return the text for a failed start of an application."""
    return error_report(error if isinstance(error, KickError) else start_failed(error), trace=trace)


def place_of(error: BaseException) -> Place | None:
    """Return the line of the user's program in a traceback, if there is one."""
    cause = error.__cause__
    if isinstance(error, KickError) and cause is not None:
        found = place_of(cause)
        if found is not None:
            return found
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Place(error.filename, error.lineno, (error.text or "").strip())
    places = list(_user_places(error.__traceback__))
    return places[-1] if places else None


def show_warnings() -> None:
    """From now on, print the warnings of this process in the format of errors."""
    warnings.showwarning = _show_warning


def shown(file: str) -> str:
    """Return a path, relative to the current folder if it is inside of it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def is_users(file: str) -> bool:
    """Return true if a file belongs to the user's program, and not to kick, Python or a library.

    >>> is_users(__file__), is_users(traceback.__file__), is_users("<frozen importlib._bootstrap>")
    (False, False, False)
    """
    from kick.http.debug.traceback import located  # on first use: most commands meet no error

    return not file.startswith("<") and not located(file)[1]


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    said = str(message) if category is UserWarning else f"{category.__name__}: {message}"
    say(labelled("warn", f"{said}\n{dim(f'{shown(filename)}:{lineno}')}", color="yellow"), err=True)


def _user_places(trace: TracebackType | None) -> Iterator[Place]:
    for frame in traceback.extract_tb(trace):
        if is_users(frame.filename) and frame.lineno is not None:
            yield Place(frame.filename, frame.lineno, linecache.getline(frame.filename, frame.lineno).strip())
