"""`@Raises`: the errors that a handler or provider declares, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from kick.di.naming import core, place_of, type_name
from kick.errors import KickError
from kick.exceptions import HTTPError

_RAISES: Final = "__kick_raises__"
_SECURITY: Final = "__kick_security__"

Target = TypeVar("Target", bound=Callable[..., Any])


def Raises(*errors: type[HTTPError], security: str | Sequence[str] | None = None) -> Callable[[Target], Target]:
    """Declare the errors of a handler, of all handlers of a controller, or of a provider, for the OpenAPI document.

    The errors of a provider are documented for each handler that needs it, if it is made for each request. The first
    line of the docstring of an error class is its description. Nothing else changes: an error that is not declared is
    sent too.

    Arguments:
        errors: classes of `HTTPError`.
        security: the name of the security scheme that the handler or provider demands, such as `"bearer"`, or
            several names of which one is enough: `("session", "bearer")`. `session()` defines `"session"`, and
            `OpenAPI(security_schemes=...)` any other. This documents a check, and makes none.

    Raises `KickError`: `raises` for something that is not a class of `HTTPError` with a status.

    >>> from kick import Conflict, Controller, NotFound, Put
    >>> @Controller("/notes")
    ... class NoteController:
    ...     @Raises(NotFound, Conflict)
    ...     @Put("/{note_id}")
    ...     async def replace(self, note_id: int, body: dict[str, str]) -> None: ...
    """

    def decorate(target: Target) -> Target:
        for each in errors:
            if status_of(each) is None:
                raise bad_error(each, place_of(target))
        setattr(target, _RAISES, (*vars(target).get(_RAISES, ()), *errors))
        schemes = (security,) if isinstance(security, str) else tuple(security or ())
        if schemes:
            setattr(target, _SECURITY, (*vars(target).get(_SECURITY, ()), schemes))
        return target

    return decorate


def raised_by(target: Any) -> Iterator[type[HTTPError]]:
    """Return the errors that a function declares, or a class and its bases.

    >>> from kick import NotFound
    >>> @Raises(NotFound)
    ... async def show(): ...
    >>> [*raised_by(show)]
    [<class 'kick.exceptions.NotFound'>]
    """
    yield from _declared(target, _RAISES)


def secured_by(target: Any) -> Iterator[tuple[str, ...]]:
    """Return the security schemes that a function demands, or a class and its bases: names of which one is enough.

    >>> @Raises(security=("session", "bearer"))
    ... async def caller(): ...
    >>> [*secured_by(caller)]
    [('session', 'bearer')]
    """
    yield from _declared(target, _SECURITY)


def status_of(error: Any) -> int | None:
    """Return the status of a class of `HTTPError`; `None` for anything else.

    >>> from kick import NotFound
    >>> status_of(NotFound), status_of(ValueError)
    (404, None)
    """
    code = getattr(error, "code", None) if isinstance(error, type) and issubclass(error, HTTPError) else None
    return code if isinstance(code, int) and 400 <= code <= 599 else None


def bad_error(given: Any, place: str) -> KickError:
    """Return the error for an argument of `@Raises` that is not an error with a status."""
    shown = type_name(given) if isinstance(given, type) else repr(given)
    cause, fix = (
        "which is no class of HTTPError",
        "Name classes of errors that clients get: `@Raises(NotFound, Conflict)`.",
    )
    if isinstance(given, type) and issubclass(given, HTTPError):
        cause = "whose class has no status"
        fix = (
            "Derive it from a class with a status, such as Conflict. Or say the status in the class, `code = 402`, and "
            "pass it on in `__init__`: `super().__init__(self.code, detail)`."
        )
    return KickError("raises", cause=f"@Raises at {place} was given {shown}, {cause}.", fix=fix)


def _declared(target: Any, name: str) -> Iterator[Any]:
    target = core(target)
    for each in target.__mro__ if isinstance(target, type) else (target,):
        yield from getattr(each, "__dict__", {}).get(name, ())
