"""Mistakes in set-up. Each one stops the start and says what is wrong and how to mend it.

KickError                one mistake: code, cause, fix
├── SetupErrors          several mistakes found at once
├── MissingExtra         an optional package that is not installed
└── ...                  one class per mistake, in the `errors` module of each package
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar


class KickError(Exception):
    """A mistake in how an application is set up.

    `code` is stable and can be searched for, `cause` says what is wrong and where, `fix` says what to
    write instead. Code between backticks in a fix can be pasted as it is.

    >>> raise KickError(cause="The app has no routes.", fix="Pass a module: `bootstrap(modules=[...])`.")
    Traceback (most recent call last):
    kick.errors.KickError: [kick] The app has no routes.
      Fix: Pass a module: `bootstrap(modules=[...])`.
    """

    code: ClassVar[str] = "kick"

    def __init__(self, cause: str, fix: str) -> None:
        self.cause = cause
        self.fix = fix
        super().__init__(cause, fix)

    def __str__(self) -> str:
        return f"[{self.code}] {self.cause}\n  Fix: {self.fix}"


class SetupErrors(KickError):
    """Several mistakes, all of them reported in one go; `problems` holds each."""

    code = "setup"

    def __init__(self, problems: Sequence[KickError]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            cause=f"{len(self.problems)} mistakes in the set-up.",
            fix="Mend each of them; none hides another.",
        )

    def __str__(self) -> str:
        listed = "\n".join(f"{number}. {problem}" for number, problem in enumerate(self.problems, 1))
        return f"{self.cause}\n{listed}"


class MissingExtra(KickError):
    """A feature needs a package that comes with an extra of kick."""

    code = "missing-extra"

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            cause=f"{feature} needs the package {package!r}, which is not installed.",
            fix=f"Install it: `pip install 'kick-framework[{extra}]'`.",
        )


def similar(word: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return the names that are most similar to a word, as suggestions for a message.

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
