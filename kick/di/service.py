"""@Service(): the scope of a class or provider function."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, Literal, TypeVar, get_args

from kick.di.errors import service_not_called, unknown_scope

T = TypeVar("T")

ScopeName = Literal["singleton", "request", "handler", "transient"]

_MARK: Final = "__kick_service__"


class Lifetime(Enum):
    """The lifetime of an instance.

    >>> Lifetime("request")
    <Lifetime.REQUEST: 'request'>
    """

    SINGLETON = "singleton"
    """One instance for the application, built at start-up."""
    REQUEST = "request"
    """One instance for each scope: a request, a WebSocket or a job. It ends after the last byte of a stream."""
    HANDLER = "handler"
    """One instance for each scope. It ends when the handler has returned, or when the WebSocket is accepted."""
    TRANSIENT = "transient"
    """A new instance for each parameter."""

    @property
    def length(self) -> int:
        """A number for comparisons: a singleton lives longest. A transient instance lives as long as its holder.

        >>> Lifetime.HANDLER.length < Lifetime.REQUEST.length < Lifetime.SINGLETON.length
        True
        """
        return _LENGTHS[self]


_LENGTHS: Final = {Lifetime.HANDLER: 0, Lifetime.REQUEST: 1, Lifetime.SINGLETON: 2, Lifetime.TRANSIENT: 2}


def Service(scope: ScopeName | None = None) -> Callable[[T], T]:
    """Mark a class or provider function, and set its scope.

    A marked class is provided without being listed. A marked function must be listed in `providers`. The mark is not
    inherited by subclasses. The decorator returns the object unchanged.

    | scope | instances |
    |---|---|
    | `"singleton"` | one for the application, built at start-up |
    | `"request"` | one for each request, until its response is complete: for a stream after the last byte |
    | `"handler"` | one for each request, until its handler has returned: for a stream before the first byte |
    | `"transient"` | one for each parameter |

    Without a scope, a generator lives as long as a request, and anything else as long as its shortest-lived dependency:
    as long as the application if all of them do. For a plain response, `request` and `handler` end at the same time:
    before the session is saved and the response is sent.

    Constructors and synchronous functions run on the event loop, so they must not block.

    Raises `KickError`: `di-service-not-called` for `@Service` without parentheses, `di-unknown-scope` for any other
    scope.

    >>> @Service()
    ... class Clock: ...
    >>> @Service(scope="request")
    ... class Basket:
    ...     def __init__(self, clock: Clock) -> None:
    ...         self.clock = clock
    >>> lifetime_mark(Clock), lifetime_mark(Basket)
    (None, <Lifetime.REQUEST: 'request'>)
    """
    if callable(scope):
        raise service_not_called(scope)
    lifetime = None if scope is None else lifetime_named(scope)

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


def is_service(service: Any) -> bool:
    """Return true if `@Service` marked this object. The mark is not inherited.

    >>> @Service()
    ... class Clock: ...
    >>> class BetterClock(Clock): ...
    >>> is_service(Clock), is_service(BetterClock)
    (True, False)
    """
    return _MARK in getattr(service, "__dict__", {})


def lifetime_mark(service: Any) -> Lifetime | None:
    """Return the lifetime that `@Service` set on this object, or `None`. It is not inherited.

    >>> @Service(scope="request")
    ... class Basket: ...
    >>> class BigBasket(Basket): ...
    >>> lifetime_mark(Basket), lifetime_mark(BigBasket)
    (<Lifetime.REQUEST: 'request'>, None)
    """
    mark = getattr(service, "__dict__", {}).get(_MARK)
    return mark if isinstance(mark, Lifetime) else None
