"""Lifetimes: singleton, request, handler, transient; and the shortest-lived dependency decides.

`Graph.lifetime` applies these rules to each provider, and `plan.py` builds instances accordingly.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final, Literal, get_args

from kick.di.errors import unknown_scope

ScopeName = Literal["singleton", "request", "handler", "transient"]


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


def lifetime_named(scope: str) -> Lifetime:
    """Return the lifetime for the name of a scope.

    >>> lifetime_named("transient")
    <Lifetime.TRANSIENT: 'transient'>
    """
    if scope not in get_args(ScopeName):
        raise unknown_scope(scope, get_args(ScopeName))
    return Lifetime(scope)


def shortest(lifetimes: Iterable[Lifetime]) -> Lifetime:
    """Return the shortest of several lifetimes; a singleton's for none.

    >>> shortest([Lifetime.SINGLETON, Lifetime.HANDLER, Lifetime.REQUEST]), shortest([])
    (<Lifetime.HANDLER: 'handler'>, <Lifetime.SINGLETON: 'singleton'>)
    """
    return min(lifetimes, key=lambda each: each.length, default=Lifetime.SINGLETON)


def limit_of_holders(declared: Lifetime | None, dependencies: Iterable[Lifetime]) -> Lifetime:
    """Return the longest lifetime of an object that holds an instance: singleton, request or handler.

    It is the declared lifetime of the instance. If there is none, or it is transient, it is the shortest of its
    dependencies.

    >>> limit_of_holders(None, [Lifetime.SINGLETON, Lifetime.REQUEST])
    <Lifetime.REQUEST: 'request'>
    >>> limit_of_holders(Lifetime.SINGLETON, [])
    <Lifetime.SINGLETON: 'singleton'>
    """
    if declared is None or declared is Lifetime.TRANSIENT:
        return shortest(dependencies)
    return declared
