"""@Service(): the scope of a class or provider function."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Literal, TypeVar, get_args

from kick.di.errors import service_not_called, unknown_scope

T = TypeVar("T")

ScopeName = Literal["singleton", "request", "transient"]

_MARK = "__kick_service__"


class Lifetime(Enum):
    """The lifetime of an instance.

    >>> Lifetime("request")
    <Lifetime.REQUEST: 'request'>
    """

    SINGLETON = "singleton"
    """One instance for the application, built at start-up."""
    REQUEST = "request"
    """One instance for each scope: a request or a job."""
    TRANSIENT = "transient"
    """A new instance for each parameter."""


def Service(scope: ScopeName = "singleton") -> Callable[[T], T]:
    """Mark a class or provider function, and set its scope.

    A marked class is provided without being listed. A marked function must be listed in `providers`. The mark is not
    inherited by subclasses. The decorator returns the object unchanged.

    A `request` service is built once in each scope, and a `transient` service for each parameter. Constructors and
    synchronous functions run on the event loop, so they must not block.

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
    """Return the lifetime for the name of a scope.

    >>> lifetime_named("transient")
    <Lifetime.TRANSIENT: 'transient'>
    """
    if scope not in get_args(ScopeName):
        raise unknown_scope(scope, get_args(ScopeName))
    return Lifetime(scope)


def lifetime_mark(service: Any) -> Lifetime | None:
    """Return the lifetime that `@Service` set on this object. It is not inherited.

    >>> @Service()
    ... class Clock: ...
    >>> class BetterClock(Clock): ...
    >>> lifetime_mark(BetterClock) is None
    True
    """
    mark = getattr(service, "__dict__", {}).get(_MARK)
    return mark if isinstance(mark, Lifetime) else None
