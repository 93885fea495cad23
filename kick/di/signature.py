"""Dependencies and results of factories, read from their signatures."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from inspect import Parameter
from types import FunctionType
from typing import Any, Self, get_args, get_origin

from kick.di.errors import generator_hint, missing_return_hint, unresolved_hint
from kick.di.generics import filled, type_arguments
from kick.di.hints import Unresolved, hints_of, signature_of
from kick.di.naming import core, factory_name, place_of

_NOT_PASSED = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Kind(Enum):
    """The way to get an instance from a factory."""

    VALUE = "value"
    CALL = "call"
    AWAIT = "await"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"
    SEED = "seed"
    PART = "part of a seed"


class Unhinted(Enum):
    """A placeholder for a hint that is missing or ignored."""

    MISSING = "no hint"
    UNUSED = "no hint, and none needed"


@dataclass(frozen=True, slots=True)
class Need:
    """A parameter and the type to inject."""

    parameter: Parameter
    hint: Any

    @property
    def name(self) -> str:
        """The name of the parameter."""
        return self.parameter.name

    @property
    def has_default(self) -> bool:
        """True if the parameter has a default."""
        return self.parameter.default is not Parameter.empty


def kind_of(factory: Any) -> Kind:
    """Return the way to call a factory.

    >>> async def connect() -> int: ...
    >>> kind_of(connect), kind_of(int)
    (<Kind.AWAIT: 'await'>, <Kind.CALL: 'call'>)
    """
    for function in (factory, core(factory)):
        if inspect.isasyncgenfunction(function):
            return Kind.ASYNC_GENERATOR
        if inspect.isgeneratorfunction(function):
            return Kind.GENERATOR
        if inspect.iscoroutinefunction(function):
            return Kind.AWAIT
    return Kind.CALL


def needs_of(factory: Any, hints: dict[str, Any] | None = None) -> tuple[Need, ...]:
    """Return the parameters of a class or function, in order. `hints` are its hints, if the caller has them already.

    >>> def url(host: str, port: int = 80) -> str: ...
    >>> [(need.name, need.hint, need.has_default) for need in needs_of(url)]
    [('host', <class 'str'>, False), ('port', <class 'int'>, True)]
    """
    called = core(factory) if get_origin(factory) else factory
    if called.__init__ is object.__init__ and called.__new__ is object.__new__ and type(called) is type:
        return ()  # as a controller without services: `inspect` would parse the signature of `object` for each
    try:
        signature = signature_of(called)
    except ValueError:  # a C class without a signature
        return ()
    parameters = [each for each in signature.parameters.values() if each.kind not in _NOT_PASSED]
    written = constructor_of(called, [each.name for each in parameters])
    if hints is None:
        hints = hints_of(written) if parameters else {}
    if isinstance(called, type):
        hints = _filled(hints, type_arguments(called, written))
    hints = _filled(hints, dict(zip(getattr(called, "__parameters__", ()), get_args(factory), strict=False)))
    bound = factory.keywords if isinstance(factory, partial) else {}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return tuple(Need(each, _hint(each, hints, each.name in bound)) for each in parameters)


def constructor_of(factory: Any, names: Collection[str]) -> Any:
    """Return the object that has the hints of parameters: a function, a constructor, or a class with fields.

    >>> class Server:
    ...     def __init__(self, port: int) -> None: ...
    >>> constructor_of(Server, ["port"]) is Server.__init__
    True
    """
    written: Any = core(factory)
    if not inspect.isclass(written) or dataclasses.is_dataclass(written) or hasattr(written, "_fields"):
        return written
    for constructor in (core(getattr(written, name)) for name in ("__init__", "__new__")):
        if isinstance(constructor, FunctionType) and set(names) <= set(constructor.__code__.co_varnames):
            return constructor
    return written


def made_by(function: Any) -> Any:
    """Return the type that a provider function returns, or that a generator yields.

    Raises `KickError`: `di-missing-return-hint`, `di-generator-hint` or `di-unresolved-hint`.

    >>> def connect() -> collections.abc.Iterator[int]: yield 1
    >>> made_by(connect)
    <class 'int'>
    """
    hint = hints_of(core(function)).get("return")
    if isinstance(hint, Unresolved):
        where = f"the return of {factory_name(function)} at {place_of(function)}"
        raise unresolved_hint(where, hint.text, hint.reason, statement=hint.statement)
    if hint is None or hint is type(None):
        raise missing_return_hint(function)
    if hint is Self:
        return getattr(function, "__self__", hint)
    match kind_of(function):
        case Kind.GENERATOR:
            return _yielded(function, hint, collections.abc.Iterator)
        case Kind.ASYNC_GENERATOR:
            return _yielded(function, hint, collections.abc.AsyncIterator)
        case _:
            return hint


def _yielded(function: Any, hint: Any, iterator: type) -> Any:
    args, origin = get_args(hint), get_origin(hint)
    iterable = iterator.__mro__[1]
    if args and isinstance(origin, type) and issubclass(origin, iterable) and origin.__module__ == "collections.abc":
        return args[0]
    raise generator_hint(function, hint, iterator.__name__)


def _hint(parameter: Parameter, hints: dict[str, Any], bound: bool) -> Any:
    hint = Unhinted.UNUSED if bound else hints.get(parameter.name, Unhinted.MISSING)
    if hint is Unhinted.MISSING and parameter.default is not Parameter.empty:
        return Unhinted.UNUSED
    return hint.type if isinstance(hint, dataclasses.InitVar) else hint  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _filled(hints: dict[str, Any], arguments: Mapping[Any, Any]) -> dict[str, Any]:
    """Replace the type variables in the hints of a generic class: `Mapper[T]` in `Repo[User]` is `Mapper[User]`."""
    return {name: filled(hint, arguments) for name, hint in hints.items()} if arguments else hints
