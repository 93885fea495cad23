"""Mistakes in set-up. Each one stops the start, and says what is wrong and how to fix it.

A `KickError` is one mistake, `SetupErrors` are several that were found at once. The `errors` module of a package has a
function for each mistake, which takes the facts and returns the error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class KickError(Exception):
    """A mistake in how an application is set up.

    `code` is stable: tests and searches can rely on it. `cause` says what is wrong and where, `fix` what to write
    instead. Code between backticks in a fix can be pasted as it is.

    >>> raise KickError("no-routes", cause="The app has no routes.", fix="Pass a module: `bootstrap(modules=[...])`.")
    Traceback (most recent call last):
    kick.errors.KickError: [no-routes] The app has no routes.
      Fix: Pass a module: `bootstrap(modules=[...])`.
    """

    def __init__(self, code: str, cause: str, fix: str) -> None:
        self.code = code
        self.cause = cause
        self.fix = fix
        super().__init__(code, cause, fix)

    def __str__(self) -> str:
        return f"[{self.code}] {self.cause}\n  Fix: {self.fix}"


class SetupErrors(KickError):
    """Several mistakes, all of them reported in one go; `problems` holds each."""

    def __init__(self, problems: Iterable[KickError]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "setup",
            cause=f"{len(self.problems)} mistakes in the set-up.",
            fix="Fix each of them; none hides another.",
        )

    def __reduce__(self) -> tuple[type[SetupErrors], tuple[tuple[KickError, ...]], dict[str, Any]]:
        return type(self), (self.problems,), self.__dict__

    def __str__(self) -> str:
        listed = "\n".join(f"{number}. {problem}" for number, problem in enumerate(self.problems, 1))
        return f"{self.cause}\n{listed}"


def missing_extra(feature: str, package: str, extra: str) -> KickError:
    """A feature needs a package that comes with an extra of kick."""
    return KickError(
        "missing-extra",
        cause=f"{feature} needs the package {package!r}, which is not installed.",
        fix=f"Install it: `pip install 'kick-framework[{extra}]'`.",
    )


def similar(word: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """The names that are spelled most like a word, for a message that asks whether one of them was meant.

    >>> similar("get_usr", ["get_user", "get_note", "delete"])
    ['get_user']
    """
    from difflib import get_close_matches  # on first use: only a mistake needs it

    return get_close_matches(word, [*known], most, cutoff)


def raise_all(problems: Iterable[KickError]) -> None:
    """Raise nothing for no problem, the problem itself for one, `SetupErrors` for more.

    >>> raise_all([])
    """
    found = list(problems)
    if len(found) == 1:
        raise found[0]
    if found:
        raise SetupErrors(found)
