"""Projections of classes with fields: the fields of all values are columns, whose types are compared by code in C."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import repeat
from operator import attrgetter, contains, itemgetter
from types import MemberDescriptorType
from typing import Any, get_origin

import msgspec
from typing_extensions import is_typeddict, override

from kick.di.naming import type_name
from kick.http.projections.base import MISSING, Projection, are_exact, below, is_array, misfit
from kick.http.validation.encoding import PLAIN, record_of
from kick.http.validation.type_parts import Field


class Record(Projection):
    """A class with fields: a Struct, a dataclass, an attrs class, a TypedDict."""

    def __init__(self, hint: Any) -> None:
        self.cls: Any = get_origin(hint) or hint
        self._hint = hint
        self._is_typed_dict = is_typeddict(self.cls)
        self._own_kinds = frozenset({self.cls})
        self._fields: list[tuple[Field, Projection]] = []
        self._kinds: list[frozenset[Any]] = []
        self._deep: list[tuple[str, Projection]] = []
        self._names: frozenset[str] = frozenset()
        self._required: frozenset[str] = frozenset()
        self._read: Callable[[Any], tuple[Any, ...]] = tuple
        self._make: Callable[..., Any] = tuple

    def complete(self, fields: list[tuple[Field, Projection]]) -> None:
        """Take the projections of the fields; a class may be one of its own."""
        self._fields = fields
        self._kinds = [each.kinds for _, each in fields]
        self._deep = [(field.name, each) for field, each in fields if each.has_parts or not each.is_shallow]
        self._names = frozenset(field.name for field, _ in fields)
        self._required = frozenset(field.name for field, _ in fields if field.required)
        self._make = record_of(self.cls, tuple(field.name for field, _ in fields))
        self._read = _reader([field.name for field, _ in fields])
        if self._is_typed_dict or _may_hold_more(self.cls, self._names):
            self._own_kinds = frozenset()
        if not self._deep:
            self.kinds = self._own_kinds

    @override
    def is_exact(self, value: Any) -> bool:
        if self._is_typed_dict:
            return (
                type(value) is dict
                and self._required <= value.keys() <= self._names
                and all(each.is_exact(value[field.name]) for field, each in self._fields if field.name in value)
            )
        if type(value) not in self._own_kinds:
            return False
        for name, each in self._deep:  # noqa: SIM110  # a generator takes twice as long
            if not each.is_exact(getattr(value, name, None)):
                return False
        return True

    @override
    def are_exact(self, values: Collection[Any]) -> bool:
        if self._is_typed_dict:
            return all(map(self.is_exact, values))
        if not self._own_kinds.issuperset(map(type, values)):
            return False
        try:
            return all(are_exact(each, map(attrgetter(name), values)) for name, each in self._deep)
        except AttributeError:
            return False

    @override
    def project(self, value: Any) -> Any:
        if self._is_typed_dict or not isinstance(value, self.cls):
            return self._projected(value, [*map(self._getter(value), self._fields)])
        try:
            given = self._read(value)
        except AttributeError:
            given = tuple(getattr(value, field.name, MISSING) for field, _ in self._fields)
        if all(map(contains, self._kinds, map(type, given))):
            return self._make(*given)
        return self._projected(value, [*given])

    @override
    def project_all(self, values: list[Any]) -> list[Any]:
        columns = self._columns(values)
        if columns is None:
            return [*map(self.project, values)]
        for index, (kinds, (_, each)) in enumerate(zip(self._kinds, self._fields, strict=True)):
            column = columns[index]
            if kinds.issuperset(map(type, column)):
                continue
            if msgspec.UnsetType in map(type, column):
                return [*map(self.project, values)]
            columns[index] = each.project_all(column)
        return [*map(self._make, *columns)]

    def _columns(self, values: list[Any]) -> list[list[Any]] | None:
        """Return the values of each field; `None` if values are of several classes, or one has no such field."""
        first = type(values[0]) if values else None
        tag = getattr(getattr(self.cls, "__struct_config__", None), "tag", None)
        if first is None or self._is_typed_dict or not self._fields:
            return None
        if not all(map(isinstance, values, repeat(self.cls))) and any(type(each) is not first for each in values):
            return None
        try:
            if issubclass(first, dict) and tag is None:
                return [_column(field, values) for field, _ in self._fields]
            if not _may_have_fields(values[0]) or isinstance(values[0], Mapping):
                return None
            return [[*map(attrgetter(field.name), values)] for field, _ in self._fields]
        except (AttributeError, KeyError):
            return None

    def _projected(self, value: Any, given: list[Any]) -> Any:
        """Return the fields of a value in their declared form; `given` has the value of each, or `MISSING`."""
        for index, (field, each) in enumerate(self._fields):
            part = given[index]
            if part is MISSING:
                if field.required:
                    raise misfit(f"a field of {type_name(self._hint)}", part, field.wire_name)
                if self._is_typed_dict:
                    given[index] = msgspec.UNSET
                    continue
                part = given[index] = None if field.make_default is None else field.make_default()
            if type(part) not in self._kinds[index] and part is not msgspec.UNSET:
                given[index] = below(each, part, field.wire_name)
        return self._make(*given)

    def _getter(self, value: Any) -> Callable[[tuple[Field, Projection]], Any]:
        """Return a function that gets a field from a mapping or an object of another class."""
        config = getattr(self.cls, "__struct_config__", None)
        if isinstance(value, Mapping):
            if config is not None and config.tag is not None:
                tag = value.get(config.tag_field, config.tag)
                if tag != config.tag:
                    raise misfit(repr(config.tag), tag, config.tag_field)
            return lambda each: value.get(each[0].wire_name, value.get(each[0].name, MISSING))
        if not self._is_typed_dict and _may_have_fields(value) and any(hasattr(value, name) for name in self._names):
            return lambda each: getattr(value, each[0].name, MISSING)
        raise misfit(type_name(self._hint), value)


def _may_hold_more(cls: Any, names: Collection[str]) -> bool:
    """Return whether instances of an attrs class may hold more than its fields: msgspec writes all that they hold.

    That is what `__dict__` has, and each slot: `attrs` makes one for each `cached_property`. Of all other classes
    msgspec writes the fields alone. It leaves out what begins with an underscore.
    """
    if not hasattr(cls, "__attrs_attrs__"):
        return False
    members = ((name, each) for base in cls.__mro__ for name, each in vars(base).items() if not name.startswith("_"))
    return cls.__dictoffset__ != 0 or any(
        isinstance(each, MemberDescriptorType) and name not in names for name, each in members
    )


def _may_have_fields(value: Any) -> bool:
    """Return whether a value may have fields as attributes, as named tuples and rows of SQLAlchemy have them too."""
    return type(value) not in PLAIN and (not is_array(value) or hasattr(value, "_fields"))


def _column(field: Field, values: list[dict[Any, Any]]) -> list[Any]:
    """Return the values of a key, or its default. Raises `KeyError` if it is missing, or may have its other name."""
    if field.required or field.make_default is None or field.wire_name != field.name:
        return [*map(itemgetter(field.wire_name), values)]
    column = [each.get(field.name, MISSING) for each in values]
    if type(MISSING) in map(type, column):
        return [field.make_default() if each is MISSING else each for each in column]
    return column


def _reader(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads all fields of an object."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)
