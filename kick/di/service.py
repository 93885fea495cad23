"""@Service(): how long an instance lives, written on the class or function itself."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Literal, TypeVar, get_args

from kick.di.errors import service_not_called, unknown_scope

T = TypeVar("T")

ScopeName = Literal["singleton", "request", "transient"]

_MARK = "__kick_service__"


class Lifetime(Enum):
    """How long one instance serves.

    >>> Lifetime("request")
    <Lifetime.REQUEST: 'request'>
    """

    SINGLETON = "singleton"
    """One instance per app, built at its start."""
    REQUEST = "request"
    """One instance per scope: a request, a job."""
    TRANSIENT = "transient"
    """A new instance for everyone who asks."""


def Service(scope: ScopeName = "singleton") -> Callable[[T], T]:
    """Mark a class or a provider function and say how long what it makes lives.

    A marked class needs no registration: whoever asks for it by type gets it. A marked function still has to
    be listed in `providers`. Only the object itself is marked, not its subclasses, and it is returned as it is.

    A `request` service is built once per scope, a `transient` one for everyone who asks. Constructors and synchronous
    functions run directly on the event loop: they must not block.

    Raises `KickError`: `di-service-not-called` for `@Service` without parentheses, `di-unknown-scope` for any other
    scope.

    >>> @Service()
    ... class Clock: ...
    >>> @Service(scope="request")
    ... class Basket:
    ...     def __init__(self, clock: Clock) -> None:
    ...         self.clock = clock
    >>> lifetime_mark(Clock), lifetime_mark(Basket)
    (<Lifetime.SINGLETON: 'singleton'>, <Lifetime.REQUEST: 'request'>)
    """
    if callable(scope):
        raise service_not_called(scope)
    lifetime = lifetime_named(scope)

    def mark(service: T) -> T:
        setattr(service, _MARK, lifetime)
        return service

    return mark


def lifetime_named(scope: str) -> Lifetime:
    """The lifetime a scope name stands for.

    >>> lifetime_named("transient")
    <Lifetime.TRANSIENT: 'transient'>
    """
    if scope not in get_args(ScopeName):
        raise unknown_scope(scope, get_args(ScopeName))
    return Lifetime(scope)


def lifetime_mark(service: Any) -> Lifetime | None:
    """What `@Service` wrote on this very object; nothing is inherited.

    >>> @Service()
    ... class Clock: ...
    >>> class BetterClock(Clock): ...
    >>> lifetime_mark(BetterClock) is None
    True
    """
    mark = getattr(service, "__dict__", {}).get(_MARK)
    return mark if isinstance(mark, Lifetime) else None
