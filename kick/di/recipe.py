"""Recipe: a provider with its parsed signature."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from inspect import Parameter
from types import FunctionType, MethodType
from typing import Any

from kick.di.lifetime import Lifetime
from kick.di.naming import core, factory_name, place_of, type_name
from kick.di.provider import Provider
from kick.di.signature import Kind, Need, constructor_of, kind_of, needs_of
from kick.errors import KickError


def _same_value(value: Any) -> Any:
    return value


class Recipe:
    """A provider with its parameters. It is compared by identity, and serves as the key of an instance.

    >>> def url(host: str) -> str: return f"http://{host}"
    >>> recipe = Recipe(Provider(str, url))
    >>> recipe.kind, recipe.declared, [need.name for need in recipe.needs]
    (<Kind.CALL: 'call'>, None, ['host'])
    """

    def __init__(self, provider: Provider, *, shares: bool = False) -> None:
        self.provider = provider
        self.key = provider.key
        self.value = provider.value
        self.shares = shares
        self.factory: Callable[..., Any] | None = _same if shares else _called(provider.factory)
        self.stated: Lifetime | None = None if shares else provider.lifetime

    @cached_property
    def kind(self) -> Kind:
        """The way to get the instance."""
        return Kind.VALUE if self.factory is None else kind_of(self.factory)

    @cached_property
    def declared(self) -> Lifetime | None:
        """The lifetime that was stated, that of a generator, or `None` if the dependencies decide."""
        is_generator = not self.shares and self.kind in (Kind.GENERATOR, Kind.ASYNC_GENERATOR)
        return self.stated or (Lifetime.REQUEST if is_generator else None)

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """The parameters to inject."""
        if self.shares:
            return (Need(Parameter("shared", Parameter.POSITIONAL_ONLY), self.provider.factory),)
        return () if self.factory is None else needs_of(self.factory)

    @property
    def name(self) -> str:
        """The name of the class or function in messages."""
        return repr(self.provider) if self.factory is None or self.shares else factory_name(self.factory)

    @property
    def place(self) -> str:
        """The file and line of the class or function, or of the `Provider`."""
        return self.provider.place if self.factory is None or self.shares else place_of(self.factory)

    @property
    def code(self) -> str:
        """The source code of the factory or value in a `Provider`."""
        return "value=..." if self.provider.factory is None else factory_name(self.provider.factory)

    def asks(self, need: Need) -> str:
        """Return a parameter and its place: `SqlUsers(db) at app.py:12`."""
        if self.shares:
            return f"{self.name} at {self.place}"
        return f"{self.name}({need.name}) at {place_of(constructor_of(self.factory, [need.name]))}"

    def __str__(self) -> str:
        return f"{self.name} at {self.place}"


class Seed(Recipe):
    """A value that each scope receives from outside.

    >>> Seed(int).declared
    <Lifetime.REQUEST: 'request'>
    """

    def __init__(self, key: Any) -> None:
        super().__init__(Provider(key, value=None))
        self.stated = Lifetime.REQUEST

    @cached_property
    def kind(self) -> Kind:
        """The way to get the value."""
        return Kind.SEED

    @property
    def name(self) -> str:
        """The name of the seed in messages."""
        return f"{type_name(self.key)}, handed to every scope,"


class Part(Recipe):
    """A part of what each scope receives from outside, read for parameters of providers.

    `shown` is the parameter in messages, `detail` is for whoever created it. `read` is called with the value of `seed`.
    If it `awaits`, the result must be awaited. `problem` is the reason why it cannot be read.

    >>> part = Part(int, "page: Query[int]", None, seed=dict, read=len)
    >>> part.declared, part.name
    (<Lifetime.REQUEST: 'request'>, 'page: Query[int]')
    """

    def __init__(
        self,
        key: Any,
        shown: str,
        detail: Any,
        *,
        seed: Any = None,
        read: Callable[[Any], Any] = _same_value,
        awaits: bool = False,
        problem: KickError | None = None,
    ) -> None:
        super().__init__(Provider(key, value=None))
        self.stated = Lifetime.REQUEST
        self.shown = shown
        self.detail = detail
        self.seed = seed
        self.read = read
        self.awaits = awaits
        self.problem = problem

    @cached_property
    def kind(self) -> Kind:
        """The way to get the value."""
        return Kind.PART

    @property
    def name(self) -> str:
        """The parameter in messages."""
        return self.shown


def _same(shared: Any, /) -> Any:
    return shared


def _called(factory: Any) -> Any:
    """Return the function to call; for `contextlib.contextmanager`, its generator function."""
    function = factory.__func__ if isinstance(factory, MethodType) else factory
    if isinstance(function, FunctionType) and function.__globals__.get("__name__") == "contextlib":
        generator = core(function)
        return MethodType(generator, factory.__self__) if isinstance(factory, MethodType) else generator
    return factory
