"""Provider: who makes the thing that is asked for under a key."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import FrameType
from typing import Any, get_origin, overload

from kick.di.errors import unhashable_key, value_and_factory
from kick.di.health import bad_health
from kick.di.naming import core, factory_name, place, place_of, type_name
from kick.di.service import Lifetime, ScopeName, lifetime_mark, lifetime_named
from kick.di.signature import made_by


class _Unset(Enum):
    VALUE = "no value"


class Provider:
    """One entry of `providers`: a key and what stands behind it.

    | call | provides |
    |---|---|
    | `Provider(Users, SqlUsers)` | a `SqlUsers` to whoever asks for `Users`, a protocol or base class |
    | `Provider(Users, connect_users)` | what the function makes; it may be async or a generator |
    | `Provider(Settings, value=settings)` | this very object |
    | `Provider(Annotated[Database, "replica"], connect_replica)` | a second `Database`, told apart by its qualifier |
    | `Provider(Basket, scope="request")` | the class itself, once per request |
    | `Provider(Database, connect, health=Database.ping)` | what is asked how it is by `/health/ready` |

    Without `scope`, what `@Service` says on the factory holds; without that, a class lives as long as the app, and a
    function as long as what it needs allows. A class that is provided under its own type too is built once and
    shared, unless the key is qualified or `scope` is given.

    `health` is called with the instance, which lives as long as the app; it may be async. It says that all is well by
    returning, and that it is not by raising, or by returning `False`.

    Raises `KickError`: `di-value-and-factory` for both or neither, `di-unhashable-key` for a key that cannot be looked
    up, `di-health` for a `health` that cannot be called.

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
        """File and line where it is written."""
        return place(*self.written) if self.written else place_of(self.factory)

    @property
    def lifetime(self) -> Lifetime | None:
        """How long its instances live, or `None` where what it needs decides."""
        if self.factory is None:
            return Lifetime.SINGLETON
        inferred = Lifetime.SINGLETON if isinstance(core(self.factory), type) else None
        return self.scope or lifetime_mark(self.factory) or lifetime_mark(core(self.factory)) or inferred

    @property
    def identity(self) -> tuple[Any, ...]:
        """Equal for two entries that say the same, as when two modules list one class."""
        return self.key, id(self.factory), id(self.value), self.scope, self.health


def provider_of(entry: Any) -> Provider:
    """The provider an entry of `providers` stands for: itself, a class, a function, or any other object.

    Raises what `made_by` raises where a function does not say what it makes.

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
    """The key itself, if it can be looked up; else `di-unhashable-key` is raised.

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
    provider.written = None  # the place is that of the class or function
    return provider


def _caller(frame: FrameType | None) -> tuple[str, int] | None:
    """Where a provider is written: the first frame outside this module."""
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else None
