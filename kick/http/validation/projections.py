"""Projections: a value as its declared type shows it, without the fields that only a subclass has.

Each type is compiled once. A value whose types are exactly the declared ones is written as it is: classes without
fields of other classes cost one look at their type. Any other value is copied, field by field, into what the declared
type allows, and what does not fit raises `Misfit` with its place.
"""

from __future__ import annotations

import types
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, is_typeddict

import msgspec
from typing_extensions import override

from kick.di.naming import type_name
from kick.http.validation.encoding import PLAIN, JSONEncoder, record_of, type_path
from kick.http.validation.errors import Place, location_of
from kick.http.validation.pydantic_types import has_own_schema, model_writer
from kick.http.validation.type_parts import Field, fields_of, members_of, metadata_of, plain

_ARRAYS: Final = (list, tuple, set, frozenset)
_NARROWED: Final = ((int, bool), (date, datetime))
"""Classes with a subclass that stands for something else."""

_MISSING: Final = object()


class Misfit(TypeError):
    """A value that is not of the declared type; `location` is a pointer to it."""

    def __init__(self, message: str, location: str = "") -> None:
        super().__init__(message)
        self.location = location


def misfit(place: Place | None, expected: str, value: object) -> Misfit:
    """Return the error for a value that is not what was expected at a place."""
    location = location_of("", place)
    got = "nothing" if value is _MISSING else "None" if value is None else type_path(type(value))
    return Misfit(f"at {location or 'its top'}: expected {expected}, got {got}", location)


class Projection(ABC):
    """The rule for values of one type: `kinds` are the types of values that are written as they are."""

    kinds: frozenset[Any] = frozenset()
    is_shallow = False
    """True if no value of the type can hold an instance of a class with fields."""

    @property
    def outer_kinds(self) -> frozenset[Any]:
        """The types of values whose parts have to be looked at, and `kinds`."""
        return self.kinds

    def is_exact(self, value: Any) -> bool:
        """Return whether a value is written as it is."""
        return type(value) in self.kinds

    @abstractmethod
    def project(self, value: Any, place: Place | None) -> Any:
        """Return a value in its declared form. Raises `Misfit`."""


class Open(Projection):
    """A type that says nothing: `Any`."""

    is_shallow = True

    @override
    def is_exact(self, value: Any) -> bool:
        return True

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        return value


class Leaf(Projection):
    """A class without fields."""

    is_shallow = True

    def __init__(self, cls: Any, encoder: JSONEncoder) -> None:
        self.cls = cls
        self.kinds = frozenset({float, int} if cls is float else {cls})
        self._not = tuple(other for kind, other in _NARROWED if kind is cls)
        self._encoder = encoder

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        if type(value) in self.kinds or self._fits(value):
            return value
        known = value if type(value) in PLAIN else self._encoder.known(value)  # of a number of numpy's
        if known is not value and self._fits(known):
            return known
        raise misfit(place, type_name(self.cls), value)

    def _fits(self, value: Any) -> bool:
        return isinstance(value, self.cls) and not isinstance(value, self._not)


class Choice(Projection):
    """A `Literal`."""

    is_shallow = True

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self._values = {(type(each), each) for each in get_args(hint)}

    @override
    def is_exact(self, value: Any) -> bool:
        try:
            return (type(value), value) in self._values
        except TypeError:  # of a list
            return False

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        if self.is_exact(value):
            return value
        raise misfit(place, type_name(self._hint), value)


class Items(Projection):
    """An array of values of one type."""

    def __init__(self, hint: Any, encoder: JSONEncoder) -> None:
        self._hint = hint
        self._encoder = encoder
        self.item: Projection = Open()

    @property
    @override
    def outer_kinds(self) -> frozenset[Any]:
        return frozenset(_ARRAYS)

    @override
    def is_exact(self, value: Any) -> bool:
        if type(value) not in _ARRAYS:
            return False
        return _are_exact(self.item, value)

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        if not _is_array(value):
            value = self._encoder.known(value)
        if not _is_array(value):
            raise misfit(place, type_name(self._hint), value)
        return [self.item.project(each, Place(place, index)) for index, each in enumerate(value)]


class Parts(Projection):
    """A tuple, or a named tuple, with a type for each position."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self.parts: tuple[Projection, ...] = ()
        self._cls = get_origin(hint) or hint

    def complete(self, parts: Iterable[Projection]) -> None:
        """Take the projections of the parts."""
        self.parts = tuple(parts)
        self.is_shallow = all(each.is_shallow for each in self.parts)

    @property
    @override
    def outer_kinds(self) -> frozenset[Any]:
        return frozenset({self._cls})

    @override
    def is_exact(self, value: Any) -> bool:
        if type(value) is not self._cls or len(value) != len(self.parts):
            return False
        return all(part.is_exact(each) for part, each in zip(self.parts, value, strict=True))

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        if not isinstance(value, list | tuple) or len(value) != len(self.parts):
            raise misfit(place, type_name(self._hint), value)
        pairs = enumerate(zip(self.parts, value, strict=True))
        return [part.project(each, Place(place, index)) for index, (part, each) in pairs]


class Members(Projection):
    """An object with keys of one type and values of one type."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self.key: Projection = Open()
        self.value: Projection = Open()

    @property
    @override
    def outer_kinds(self) -> frozenset[Any]:
        return frozenset({dict})

    @override
    def is_exact(self, value: Any) -> bool:
        if type(value) is not dict:
            return False
        return _are_exact(self.key, value) and _are_exact(self.value, value.values())

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        if not isinstance(value, Mapping):
            raise misfit(place, type_name(self._hint), value)
        return {
            self.key.project(key, Place(place, key)): self.value.project(each, Place(place, key))
            for key, each in value.items()
        }


class Record(Projection):
    """A class with fields: a Struct, a dataclass, an attrs class, a TypedDict."""

    def __init__(self, hint: Any) -> None:
        self.cls: Any = get_origin(hint) or hint
        self._hint = hint
        self._is_typed_dict = is_typeddict(self.cls)
        self._fields: list[tuple[Field, Projection]] = []
        self._deep: list[tuple[str, Projection]] = []
        self._names: frozenset[str] = frozenset()
        self._required: frozenset[str] = frozenset()
        self._make = record_of(self.cls)

    def complete(self, fields: list[tuple[Field, Projection]]) -> None:
        """Take the projections of the fields; a class may be one of its own."""
        self._fields = fields
        self._deep = [(field.name, each) for field, each in fields if not each.is_shallow]
        self._names = frozenset(field.name for field, _ in fields)
        self._required = frozenset(field.name for field, _ in fields if field.required)
        if not self._deep and not self._is_typed_dict:
            self.kinds = frozenset({self.cls})

    @override
    def is_exact(self, value: Any) -> bool:
        if self._is_typed_dict:
            return (
                type(value) is dict
                and self._required <= value.keys() <= self._names
                and all(each.is_exact(value[field.name]) for field, each in self._fields if field.name in value)
            )
        if type(value) is not self.cls:
            return False
        return all(each.is_exact(getattr(value, name, None)) for name, each in self._deep)

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        get = self._getter(value, place)
        found: dict[str, Any] = {}
        for field, each in self._fields:
            given = get(field)
            if given is _MISSING:
                if field.required:
                    raise misfit(Place(place, field.wire_name), f"a field of {type_name(self._hint)}", given)
                if self._is_typed_dict:
                    continue
                given = None if field.make_default is None else field.make_default()
            found[field.name] = given if given is msgspec.UNSET else each.project(given, Place(place, field.wire_name))
        return self._make(**found)

    def _getter(self, value: Any, place: Place | None) -> Callable[[Field], Any]:
        config = getattr(self.cls, "__struct_config__", None)
        if isinstance(value, Mapping) and config is not None and config.tag is not None:
            tag = value.get(config.tag_field, config.tag)
            if tag != config.tag:
                raise misfit(Place(place, config.tag_field), repr(config.tag), tag)
        if isinstance(value, Mapping) and (self._is_typed_dict or not isinstance(value, self.cls)):
            return lambda field: value.get(field.wire_name, value.get(field.name, _MISSING))
        is_object = not self._is_typed_dict and type(value) not in PLAIN and not _is_array(value)
        if is_object and (isinstance(value, self.cls) or any(hasattr(value, name) for name in self._names)):
            return lambda field: getattr(value, field.name, _MISSING)
        raise misfit(place, type_name(self._hint), value)


class Model(Projection):
    """A type that pydantic writes."""

    def __init__(self, hint: Any, encoder: JSONEncoder) -> None:
        self.cls = hint
        self._write = model_writer(hint, encoder.builtins)

    @override
    def is_exact(self, value: Any) -> bool:
        return False

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        text, problem = self._write(value)
        if problem is None:
            return msgspec.Raw(text)
        for step in problem.steps:
            place = Place(place, step)
        raise misfit(place, problem.expected, problem.value)


class OneOf(Projection):
    """A union."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self._members: list[Projection] = []
        self._by_class: dict[Any, Projection] = {}

    def complete(self, members: list[Projection]) -> None:
        """Take the projections of the members."""
        self._members = members
        self._by_class = {each.cls: each for each in members if isinstance(each, Leaf | Record | Model)}
        self.kinds = frozenset().union(*(each.kinds for each in members))
        self.is_shallow = all(each.is_shallow for each in members)

    @property
    @override
    def outer_kinds(self) -> frozenset[Any]:
        return frozenset().union(*(each.outer_kinds for each in self._members))

    @override
    def is_exact(self, value: Any) -> bool:
        return type(value) in self.kinds or any(each.is_exact(value) for each in self._members if _looks(each))

    @override
    def project(self, value: Any, place: Place | None) -> Any:
        for base in type(value).__mro__:
            member = self._by_class.get(base)
            if member is not None:
                return member.project(value, place)
        furthest: Misfit | None = None
        for each in self._members:
            try:
                return each.project(value, place)
            except Misfit as error:
                furthest = error if furthest is None or len(error.location) > len(furthest.location) else furthest
        alone = misfit(place, type_name(self._hint), value)
        raise furthest if furthest is not None and len(furthest.location) > len(alone.location) else alone


class Compiler:
    """Compiles types; `is_open` tells afterwards that a value may hold what has to be looked for."""

    def __init__(self, encoder: JSONEncoder) -> None:
        self.is_open = False
        self._encoder = encoder
        self._known: dict[Any, Projection] = {}

    def compile(self, hint: Any) -> Projection:
        """Return the projection of a type. Raises `NameError` for a field whose type does not exist at run time."""
        inner = plain(hint)
        if any(map(has_own_schema, metadata_of(hint))):  # a serializer of pydantic's
            return Model(hint, self._encoder)
        members = members_of(inner)
        if len(members) > 1:
            union = OneOf(inner)
            union.complete([self.compile(each) for each in members])
            return union
        cls: Any = get_origin(inner) or inner
        if cls is Literal:
            return Choice(inner)
        if isinstance(cls, type) and self._encoder.encoder_of(cls) is not None:
            self.is_open = True
            return Leaf(cls, self._encoder)
        if has_own_schema(cls):
            return Model(inner, self._encoder)
        if inner is None or cls is types.NoneType:
            return Leaf(types.NoneType, self._encoder)
        if cls is Any or cls is object or isinstance(cls, TypeVar) or not isinstance(cls, type):
            self.is_open = True
            return Open()
        return self._of_class(inner, cls)

    def _of_class(self, hint: Any, cls: Any) -> Projection:
        if hint in self._known:
            return self._known[hint]
        args = get_args(hint)
        fields = fields_of(hint)
        if fields is not None and issubclass(cls, tuple):
            parts = self._known[hint] = Parts(hint)
            parts.complete(self.compile(field.hint) for field in fields)
            return parts
        if fields is not None:
            record = self._known[hint] = Record(hint)
            record.complete([(field, self.compile(field.hint)) for field in fields])
            return record
        if cls is tuple and args and args[-1] is not Ellipsis:
            fixed = Parts(hint)
            fixed.complete(map(self.compile, args))
            return fixed
        if issubclass(cls, Mapping):
            members = Members(hint)
            members.key, members.value = map(self.compile, args if len(args) == 2 else (Any, Any))
            members.is_shallow = members.value.is_shallow
            return members
        if issubclass(cls, Iterable) and cls not in PLAIN and not issubclass(cls, str | bytes):
            items = Items(hint, self._encoder)
            items.item = self.compile(args[0] if args else Any)
            items.is_shallow = items.item.is_shallow
            return items
        self.is_open = self.is_open or not (cls in PLAIN or issubclass(cls, Enum))
        return Leaf(cls, self._encoder)


def _looks(projection: Projection) -> bool:
    """Return whether the exact types of values are not all that counts."""
    return type(projection) is not Leaf


def _are_exact(projection: Projection, values: Collection[Any]) -> bool:
    """Return whether all values are written as they are; those of simple types are compared by C code."""
    if type(projection) is Open or projection.kinds.issuperset(map(type, values)):
        return True
    return _looks(projection) and all(map(projection.is_exact, values))


def _is_array(value: Any) -> bool:
    if isinstance(value, (*_ARRAYS, deque, Iterator)):
        return True
    return isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray | memoryview | Mapping)
