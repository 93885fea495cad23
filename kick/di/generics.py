"""Type arguments of generic base classes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args, get_origin

import typing_extensions

NO_TYPES: Final[Mapping[Any, Any]] = MappingProxyType({})
"""The mapping for a class without type variables."""


def type_arguments(cls: Any, member: Any) -> Mapping[Any, Any]:
    """Return the type arguments that a class gives to the base class which defines a member.

    >>> from typing import Generic
    >>> T = TypeVar("T")
    >>> class Crud(Generic[T]):
    ...     def create(self, body: T) -> None: ...
    >>> class Notes(Crud[int]): ...
    >>> class OwnNotes(Notes): ...
    >>> type_arguments(OwnNotes, OwnNotes.create)[T]
    <class 'int'>
    """
    known = arguments_of_bases(cls)
    if not known:
        return NO_TYPES
    for base in cls.__mro__:
        if any(each is member for each in vars(base).values()):
            return known.get(base, NO_TYPES)
    return NO_TYPES


def arguments_of_bases(cls: Any) -> Mapping[Any, Mapping[Any, Any]]:
    """Return the type arguments that a class gives to each of its generic base classes.

    >>> from typing import Generic
    >>> T = TypeVar("T")
    >>> class Crud(Generic[T]): ...
    >>> class Notes(Crud[int]): ...
    >>> arguments_of_bases(Notes)[Crud][T]
    <class 'int'>
    """
    known: dict[Any, dict[Any, Any]] = {}
    for base in cls.__mro__:
        for written in vars(base).get("__orig_bases__", ()):
            origin = get_origin(written)
            pairs = zip(getattr(origin, "__parameters__", ()), get_args(written), strict=False)
            known.setdefault(origin, {name: filled(given, known.get(base, NO_TYPES)) for name, given in pairs})
    return known


def filled(hint: Any, types: Mapping[Any, Any]) -> Any:
    """Replace the type variables of a type: `Mapper[T]` with `User` for `T` is `Mapper[User]`.

    >>> T = TypeVar("T")
    >>> filled(dict[str, T], {T: int})
    dict[str, int]
    """
    if not types:
        return hint
    if isinstance(hint, _VARIABLES):
        return types.get(hint, hint)
    variables = getattr(hint, "__parameters__", ()) if get_origin(hint) else ()
    return hint[tuple(types.get(each, each) for each in variables)] if variables else hint


def has_variables(hint: Any) -> bool:
    """Return true if a type contains a type variable.

    >>> T = TypeVar("T")
    >>> has_variables(list[T]), has_variables(list[int])
    (True, False)
    """
    return isinstance(hint, _VARIABLES) or bool(get_origin(hint) and getattr(hint, "__parameters__", ()))


_VARIABLES: Final = (TypeVar, typing_extensions.TypeVar)
