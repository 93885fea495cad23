"""Providers: a key with a factory or value; `@Service()` marks a class or function as one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import FrameType
from typing import Any, Final, TypeVar, get_origin, overload

from kick.di.errors import bad_health, service_not_called, unhashable_key, value_and_factory
from kick.di.lifetime import Lifetime, ScopeName, lifetime_named
from kick.di.naming import core, factory_name, place, place_of, type_name
from kick.di.signature import made_by

T = TypeVar("T")

_MARK: Final = "__kick_service__"


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

    Arguments:
        scope: one of the four, or `None`.

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


class _Unset(Enum):
    VALUE = "no value"


class Provider:
    """An entry of `providers`: a key with a factory or value.

    | call | value |
    |---|---|
    | `Provider(Users, SqlUsers)` | a `SqlUsers` for the protocol or base class `Users` |
    | `Provider(Users, connect_users)` | the result of the function, which may be async or a generator |
    | `Provider(Settings, value=settings)` | this object |
    | `Provider(Annotated[Database, "replica"], connect_replica)` | a second `Database` with a qualifier |
    | `Provider(Basket, scope="request")` | an instance of the class for each request |
    | `Provider(Pool, open_pool, scope="singleton")` | what the generator yields, once for the application |
    | `Provider(Database, connect, health=Database.ping)` | as above, and `/health/ready` checks it |

    Without `scope`, the scope of `@Service` on the factory applies. Without that, what a generator yields lives as long
    as a request, and anything else as long as its shortest-lived dependency. If a class is also registered under its
    own type, both share one instance, unless the key has a qualifier or `scope` is given.

    Arguments:
        key: the type under which it is provided, with a qualifier as `Annotated[X, "name"]`.
        factory: a class, a function, an async function, or a generator; by default the key itself.
        value: an object that is provided as it is, in place of a factory.
        scope: `"singleton"`, `"request"`, `"handler"` or `"transient"`.
        health: is called with the instance, which must live as long as the application. It may be async. It fails by
            raising or by returning `False`.

    Raises `KickError`: `di-value-and-factory` for both or neither, `di-unhashable-key` for a key that is not hashable,
    and `di-health` for a `health` that is not callable.

    >>> Provider(float, int)
    Provider(float, int)
    >>> Provider(str, value="hello")
    Provider(str, value=...)
    """

    __slots__ = ("factory", "health", "key", "scope", "value", "written")

    @overload
    def __init__(
        self,
        key: Any,
        factory: Callable[..., Any] | None = None,
        *,
        scope: ScopeName | None = None,
        health: Callable[[Any], Any] | None = None,
    ) -> None: ...
    @overload
    def __init__(self, key: Any, *, value: Any, health: Callable[[Any], Any] | None = None) -> None: ...
    def __init__(
        self,
        key: Any,
        factory: Callable[..., Any] | None = None,
        *,
        value: Any = _Unset.VALUE,
        scope: ScopeName | None = None,
        health: Callable[[Any], Any] | None = None,
    ) -> None:
        hashed(key)
        if health is not None and not callable(health):
            raise bad_health(key, health)
        if value is _Unset.VALUE:
            factory = key if factory is None else factory
            if not callable(factory):
                raise value_and_factory(key, given=0)
        elif factory is not None or scope is not None:
            raise value_and_factory(key, given=2)
        self.key = key
        self.factory = factory
        self.value = value
        self.health = health
        self.scope = lifetime_named(scope) if scope else None
        self.written: tuple[str, int] | None = _caller(inspect.currentframe())

    def __repr__(self) -> str:
        made = "value=..." if self.factory is None else factory_name(self.factory)
        return f"Provider({type_name(self.key)}, {made})"

    @property
    def place(self) -> str:
        """The file and line of its source."""
        return place(*self.written) if self.written else place_of(self.factory)

    @property
    def lifetime(self) -> Lifetime | None:
        """The lifetime that was stated for its instances, or `None`."""
        if self.factory is None:
            return Lifetime.SINGLETON
        return self.scope or lifetime_mark(self.factory) or lifetime_mark(core(self.factory))

    @property
    def identity(self) -> tuple[Any, ...]:
        """A value that is equal for equal entries, as when two modules list the same class."""
        return self.key, id(self.factory), id(self.value), self.scope, self.health


def provider_of(entry: Any) -> Provider:
    """Convert an entry of `providers` into a `Provider`: a class, a function, or any other object.

    Raises the errors of `made_by` for a function without a return type.

    >>> def greeting() -> str: return "hello"
    >>> provider_of(greeting), provider_of(int), provider_of(1.5)
    (Provider(str, greeting), Provider(int, int), Provider(float, value=...))
    """
    if isinstance(entry, Provider):
        return entry
    if isinstance(entry, type) or isinstance(get_origin(entry), type):
        return _unwritten(Provider(entry))
    if _is_function(entry):
        return _unwritten(Provider(made_by(entry), entry))
    return Provider(type(entry), value=entry)


def hashed(key: Any) -> Any:
    """Return the key if it is hashable. Raises `KickError`: `di-unhashable-key` otherwise.

    >>> hashed(int)
    <class 'int'>
    """
    try:
        hash(key)
    except TypeError:
        raise unhashable_key(key) from None
    return key


def _is_function(entry: Any) -> bool:
    return inspect.isroutine(entry) or isinstance(entry, partial) or hasattr(entry, "__wrapped__")


def _unwritten(provider: Provider) -> Provider:
    provider.written = None  # use the place of the class or function
    return provider


def _caller(frame: FrameType | None) -> tuple[str, int] | None:
    """Return the place of a provider in source code: the first frame outside this module."""
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else None
