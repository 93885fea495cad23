"""The parts of a type: members of unions, items of containers, fields of classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from inspect import Parameter
from types import UnionType
from typing import Annotated, Any, Final, ForwardRef, NewType, TypeVar, Union, get_args, get_origin

import msgspec
from typing_extensions import is_typeddict  # that of `typing` knows only its own TypedDict before Python 3.12

from kick.di.generics import NO_TYPES, arguments_of_bases, filled
from kick.di.hints import Unresolved, annotations_of, hints_of, signature_of


class Field(msgspec.Struct, frozen=True):
    """A field of a class, with its name in Python and on the wire."""

    name: str
    wire_name: str
    hint: Any
    required: bool = True
    make_default: Callable[[], Any] | None = None
    has_factory: bool = False
    """True if `make_default` may make another value each time."""


def plain(hint: Any) -> Any:
    """Return a type without `Annotated`, `NewType` and type aliases.

    >>> plain(Annotated[int, msgspec.Meta(ge=1)]), plain(NewType("Number", int))
    (<class 'int'>, <class 'int'>)
    """
    while not isinstance(hint, type):
        if get_origin(hint) is Annotated:
            hint = hint.__origin__
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif hasattr(hint, "__value__"):  # of the statement `type`, with arguments or not
            hint = filled(hint.__value__, dict(zip(hint.__type_params__, get_args(hint), strict=False)))
        else:
            break
    return hint


def is_type(hint: Any) -> bool:
    """Return whether a value may be the type of something, or the text of one.

    >>> is_type(list[int]), is_type("Note"), is_type({200: int}), is_type([int])
    (True, True, False, False)
    """
    if hint is None or hint is Any or isinstance(hint, type | str | NewType | TypeVar | ForwardRef):
        return True
    return get_origin(hint) is not None or hasattr(hint, "__value__")


def metadata_of(hint: Any) -> tuple[Any, ...]:
    """Return the metadata of a type, through `NewType` and type aliases.

    >>> metadata_of(Annotated[int, "page"]), metadata_of(int)
    (('page',), ())
    """
    found: tuple[Any, ...] = ()
    while True:
        if get_origin(hint) is Annotated:
            found, hint = (*found, *hint.__metadata__), hint.__origin__
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif hasattr(hint, "__value__"):
            hint = hint.__value__
        else:
            return found


def members_of(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, including those of nested unions; the type itself if it is no union.

    >>> members_of(int | str | None), members_of(int)
    ((<class 'int'>, <class 'str'>, <class 'NoneType'>), (<class 'int'>,))
    """
    inner = plain(hint)
    if get_origin(inner) in (Union, UnionType):
        return tuple(member for each in get_args(inner) for member in members_of(each))
    return (hint,)


def require_evaluated(hint: Any) -> None:
    """Raise `NameError` for an alias of a text, which nobody evaluates: `TypeAliasType("Ids", "list[Id]")`."""
    inner = plain(hint)
    if inner is not hint and isinstance(inner, str | ForwardRef):
        text = inner if isinstance(inner, str) else inner.__forward_arg__
        raise NameError(f"the alias {hint} stands for the text {text!r}", name=text)


def types_within(hint: Any) -> Iterator[Any]:
    """Yield a type and all its parts: members, items, fields, fields of fields. Each class comes once.

    >>> class Note(msgspec.Struct):
    ...     tags: list[str]
    >>> list(types_within(Note | None))[2:]
    [list[str], <class 'str'>, <class 'NoneType'>]
    """
    seen: set[Any] = set()
    left = [hint]
    while left:
        each = left.pop()
        yield each
        inner = plain(each)
        cls = get_origin(inner) or inner
        try:
            is_known = inner in seen
        except TypeError:  # an argument of the type cannot be hashed
            is_known = False
        if is_known:
            continue
        if isinstance(cls, type):
            seen.add(inner)
        parts = [part for part in get_args(inner) if part is not Ellipsis]
        left += reversed([*parts, *(field.hint for field in fields_of(inner) or ()), *_of_extra(cls)])


def _of_extra(cls: Any) -> list[Any]:
    """Return the type of the fields that a model of pydantic takes beside those that it names, if it has said it."""
    if not hasattr(cls, "__pydantic_fields__"):
        return []
    own = [each for each in cls.__mro__ if not each.__module__.startswith("pydantic.")]
    has_said = any("__pydantic_extra__" in annotations_of(each) for each in own)
    return [hints_of(cls)["__pydantic_extra__"]] if has_said else []


def fields_of(hint: Any) -> tuple[Field, ...] | None:
    """Return the fields of a class, with the type arguments of a generic one; `None` for a type without fields.

    Classes with fields are Structs, dataclasses, TypedDicts, named tuples, attrs classes and models of pydantic.

    >>> [(field.name, field.hint) for field in fields_of(dataclasses.make_dataclass("Page", [("number", int, 1)]))]
    [('number', <class 'int'>)]
    """
    hint = plain(hint)
    return _fields_of_class(hint) if isinstance(hint, type) and get_origin(hint) is None else _fields_of(hint)


@lru_cache(maxsize=128)
def _fields_of_class(cls: type) -> tuple[Field, ...] | None:
    """Keep the fields of the last classes: at start-up each is asked for dozens of times in a row."""
    return _fields_of(cls)


def _fields_of(hint: Any) -> tuple[Field, ...] | None:
    cls: Any = get_origin(hint) or hint
    if not isinstance(cls, type):
        return None
    if issubclass(cls, msgspec.Struct):
        return tuple(
            Field(
                each.name,
                each.encode_name,
                each.type,
                each.required,
                _maker(each, msgspec.NODEFAULT),
                each.default_factory is not msgspec.NODEFAULT,
            )
            for each in msgspec.structs.fields(hint)
        )
    if hasattr(cls, "__pydantic_fields__"):
        return tuple(Field(name, name, each.annotation) for name, each in cls.__pydantic_fields__.items())
    attributes = getattr(cls, "__attrs_attrs__", None)
    names = getattr(cls, "_fields", ()) if issubclass(cls, tuple) else ()
    if not (dataclasses.is_dataclass(cls) or is_typeddict(cls) or names or attributes is not None):
        return None
    hints = _Hints(hint, cls)
    if dataclasses.is_dataclass(cls):
        made = [(each, _maker(each, dataclasses.MISSING)) for each in dataclasses.fields(cls)]
        return tuple(
            Field(
                each.name,
                each.name,
                hints[each.name],
                make is None,
                make,
                each.default_factory is not dataclasses.MISSING,
            )
            for each, make in made
        )
    if is_typeddict(cls):
        required: Any = getattr(cls, "__required_keys__", ())
        return tuple(
            Field(name, name, unqualified(each), _is_required(each, otherwise=name in required))
            for name, each in hints.all().items()
        )
    if attributes is not None:
        # msgspec leaves out the names with an underscore
        return tuple(_of_attribute(each, hints) for each in attributes if not each.name.startswith("_"))
    given = signature_of(cls.__new__).parameters
    return tuple(Field(name, name, hints[name], given[name].default is Parameter.empty) for name in names)


def info_of(hint: Any) -> msgspec.inspect.Type:
    """Return what msgspec says of a type. Do not change it: that of a class is kept for a while.

    >>> info_of(int)
    IntType(gt=None, ge=None, lt=None, le=None, multiple_of=None)

    Raises `TypeError` for a type that msgspec does not know, and `NameError` for a field whose type does not exist.
    """
    is_class = isinstance(hint, type) and get_origin(hint) is None
    return _info_of_class(hint) if is_class else msgspec.inspect.type_info(hint)


@lru_cache(maxsize=128)
def _info_of_class(cls: type) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(cls)


def may_be_deep(hint: Any) -> bool:
    """Return whether valid values may be nested to any depth: of `Any`, or of a class that holds itself.

    >>> may_be_deep(dict[str, list[int]]), may_be_deep(dict[str, Any]), may_be_deep(list)
    (False, True, True)
    """
    return _is_endless(info_of(hint), frozenset(), set())


def children_of(info: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """Yield the types directly within a type, as msgspec describes them."""
    for field in getattr(info, "fields", ()):
        yield field.type
    for name in ("item_type", "key_type", "value_type", "type"):
        child = getattr(info, name, None)
        if child is not None:
            yield child
    yield from getattr(info, "item_types", ())
    yield from getattr(info, "types", ())


def _is_endless(info: msgspec.inspect.Type, above: frozenset[int], seen: set[int]) -> bool:
    """Return whether a type has `Any` within it, or is within itself; `seen` are the types that were looked at."""
    if isinstance(info, msgspec.inspect.AnyType) or id(info) in above:
        return True
    if id(info) in seen:
        return False
    seen.add(id(info))
    above |= {id(info)}
    return any(_is_endless(each, above, seen) for each in children_of(info))


def unqualified(hint: Any) -> Any:
    """Return the type of a key of a TypedDict without `Required`, `NotRequired` and `ReadOnly`.

    >>> from typing import NotRequired
    >>> unqualified(NotRequired[int])
    <class 'int'>
    """
    while str(get_origin(hint)) in _QUALIFIERS:
        hint = get_args(hint)[0]
    return hint


def _is_required(hint: Any, *, otherwise: bool) -> bool:
    """Return true if a key of a TypedDict must be there. Python does not know it of annotations that are texts."""
    while (qualifier := str(get_origin(hint))) in _QUALIFIERS:
        if qualifier.endswith("equired"):
            return not qualifier.endswith("NotRequired")
        hint = get_args(hint)[0]
    return otherwise


_QUALIFIERS: Final = frozenset(
    f"{module}.{name}"
    for module in ("typing", "typing_extensions")
    for name in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")
)


class _Hints:
    """The types of the fields of a class, with its type arguments filled in."""

    def __init__(self, hint: Any, cls: type) -> None:
        self._cls: Any = cls
        self._own = dict(zip(getattr(cls, "__parameters__", ()), get_args(hint), strict=False))
        self._bases = arguments_of_bases(cls)
        self._hints = hints_of(cls)

    def all(self) -> Mapping[str, Any]:
        return {name: self[name] for name in self._hints}

    def __getitem__(self, name: str) -> Any:
        hint = self._hints.get(name, Any)
        if isinstance(hint, Unresolved):
            raise NameError(hint.reason.removeprefix("NameError: "), name=hint.missing or hint.text)
        base = next((each for each in self._cls.__mro__ if name in annotations_of(each)), None)
        return filled(filled(hint, self._bases.get(base, NO_TYPES)), self._own)


def _of_attribute(each: Any, hints: _Hints) -> Field:
    default: Any = each.default
    if hasattr(default, "takes_self"):  # a factory; one that takes the instance cannot be called here
        make = None if default.takes_self else default.factory
        return Field(each.name, each.name, hints[each.name], make is None, make, True)
    if type(default).__name__ == "_Nothing":
        return Field(each.name, each.name, hints[each.name])
    return Field(each.name, each.name, hints[each.name], False, lambda: default)


def _maker(field: Any, missing: object) -> Callable[[], Any] | None:
    """Return a function that makes the default of a field."""
    if field.default_factory is not missing:
        factory: Callable[[], Any] = field.default_factory
        return factory
    default = field.default
    return None if default is missing else lambda: default
