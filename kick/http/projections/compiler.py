"""Projections: a value as its declared type shows it, without the fields that only a subclass has.

Each type is compiled once. A value whose types are exactly the declared ones is written as it is. Any other value is
copied, field by field, into what the declared type allows, and what does not fit raises `Misfit` with its place.

Many values are examined together: all values of one field are a column, whose types are compared by code in C.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, get_args, get_origin

from typing_extensions import override

from kick.di.naming import type_name
from kick.http.projections.base import Misfit, Projection, are_exact, misfit
from kick.http.projections.containers import Items, Members, Models, Parts
from kick.http.projections.leaves import Choice, Leaf, Model, Open
from kick.http.projections.records import Record
from kick.http.validation.encoding import PLAIN, JSONEncoder
from kick.http.validation.pydantic_types import has_own_schema, is_model
from kick.http.validation.type_parts import fields_of, members_of, metadata_of, plain


class OneOf(Projection):
    """A union."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self._members: list[Projection] = []
        self._looking: list[Projection] = []
        self._by_class: dict[Any, Projection] = {}

    def complete(self, members: list[Projection]) -> None:
        """Take the projections of the members."""
        self._members = members
        self._looking = [each for each in members if _looks(each)]
        self._by_class = {each.cls: each for each in members if isinstance(each, Leaf | Record | Model)}
        self.kinds = frozenset().union(*(each.kinds for each in members))
        self.is_shallow = all(each.is_shallow for each in members)
        self.has_parts = any(each.has_parts for each in members)

    @property
    @override
    def outer_kinds(self) -> frozenset[Any]:
        return frozenset().union(*(each.outer_kinds for each in self._members))

    @override
    def is_exact(self, value: Any) -> bool:
        return type(value) in self.kinds or any(each.is_exact(value) for each in self._looking)

    @override
    def are_exact(self, values: Collection[Any]) -> bool:
        others = [each for each in values if type(each) not in self.kinds]
        if len(self._looking) == 1:
            return are_exact(self._looking[0], others)
        return all(map(self.is_exact, others))

    @override
    def project(self, value: Any) -> Any:
        member = self._member_of(type(value))
        if member is not None:
            return member.project(value)
        if self.is_exact(value):  # of a member that is not the first into which it could be converted
            return value
        return self._first_that_fits(value)

    @override
    def project_all(self, values: list[Any]) -> list[Any]:
        others = [each for each in values if type(each) not in self.kinds]
        classes = set(map(type, others))
        member = self._member_of(next(iter(classes))) if len(classes) == 1 else None
        if member is None:
            return [each if type(each) in self.kinds else self.project(each) for each in values]
        found = iter(member.project_all(others))
        return [each if type(each) in self.kinds else next(found) for each in values]

    def _member_of(self, cls: type) -> Projection | None:
        return next((self._by_class[base] for base in cls.__mro__ if base in self._by_class), None)

    def _first_that_fits(self, value: Any) -> Any:
        furthest: Misfit | None = None
        for each in self._members:
            try:
                return each.project(value)
            except Misfit as error:
                furthest = error if furthest is None or len(error.steps) > len(furthest.steps) else furthest
        raise furthest if furthest is not None and furthest.steps else misfit(type_name(self._hint), value)


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
            members.complete(*map(self.compile, args if len(args) == 2 else (Any, Any)))
            return members
        if issubclass(cls, Iterable) and cls not in PLAIN and not issubclass(cls, str | bytes):
            is_of_models = cls is list and bool(args) and is_model(args[0])
            items = Models(hint, self._encoder) if is_of_models else Items(hint, self._encoder)
            items.complete(self.compile(args[0] if args else Any))
            return items
        self.is_open = self.is_open or not (cls in PLAIN or issubclass(cls, Enum))
        return Leaf(cls, self._encoder)


def _looks(projection: Projection) -> bool:
    """Return whether the types of values alone do not decide if they are exact."""
    return type(projection) is not Leaf
