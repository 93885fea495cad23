"""Set-up mistakes. Each one prevents the start, and says what is wrong and how to fix it.

A `KickError` is one mistake, `SetupErrors` are several that were found at once. A mistake that is found in several
places has a function in the `errors` module of its package, which takes the facts and returns the error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

Raised = TypeVar("Raised", bound=BaseException)


class PicklableError(Exception):
    """Base of exceptions whose constructors take other arguments than `args`, so that they can be pickled and copied.

    An exception of a worker process reaches the process that waits for it only if it can be pickled.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[Raised], args: tuple[Any, ...], attributes: dict[str, Any]) -> Raised:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class OfRequest:
    """Base of objects that belong to a request, so they can be neither pickled nor copied.

    A pickle of them would contain the headers of the request and the id of its session.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled: it belongs to a request. Take from it what you need"
        )


class KickError(Exception):
    """A set-up mistake.

    Arguments:
        code: a short name that is stable, so tests and searches can rely on it.
        cause: what is wrong, and where.
        fix: what to write instead; code between backticks can be pasted.

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


class SetupErrors(PicklableError, KickError):
    """Several set-up mistakes, reported together; `problems` holds each."""

    def __init__(self, problems: Iterable[KickError]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "setup",
            cause=f"{len(self.problems)} mistakes in the set-up.",
            fix="Fix each of them; none hides another.",
        )

    def __str__(self) -> str:
        listed = "\n".join(f"{number}. {problem}" for number, problem in enumerate(self.problems, 1))
        return f"{self.cause}\n{listed}"


def missing_extra(feature: str, package: str, extra: str) -> KickError:
    """Return the error for a feature whose extra is not installed."""
    return KickError(
        "missing-extra",
        cause=f"{feature} needs the package {package!r}, which is not installed.",
        fix=f"Install it: `pip install 'kick-framework[{extra}]'`.",
    )


def without_secrets(url: str) -> str:
    """Return a URL, however broken, without the user and the password in it, for messages.

    All up to the last `@` is left out: a password that is not percent-encoded may have slashes and colons in it.

    >>> without_secrets("redis://ann:se/cret@host:6379/0?password=secret&db=1")
    'redis://...@host:6379/0?password=...&db=1'
    """
    head, at, rest = url.rpartition("@")
    if at:
        scheme = re.match(r"\s*[A-Za-z+]*:?/*", head)
        url = f"{scheme[0] if scheme else ''}...@{rest}"
    return re.sub(r"(?i)([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*", r"\1...", url)


def similar(word: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return the names that are most similar to a word, as suggestions for a message.

    >>> similar("get_usr", ["get_user", "get_note", "delete"])
    ['get_user']
    """
    from difflib import get_close_matches  # imported on first use, because only errors need it

    return get_close_matches(word, [*known], most, cutoff)


def raise_all(problems: Iterable[KickError]) -> None:
    """Raise a single problem as it is, and several as `SetupErrors`.

    >>> raise_all([])
    """
    found = list(problems)
    if len(found) == 1:
        raise found[0]
    if found:
        raise SetupErrors(found)
