"""Projections of arrays, tuples and objects with keys of one type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain, islice
from typing import Any, get_args, get_origin

import msgspec
from typing_extensions import override

from kick.di.naming import type_name
from kick.http.projections.base import ARRAYS, Misfit, Projection, are_exact, below, is_array, misfit
from kick.http.projections.leaves import Leaf, Open
from kick.http.validation.encoding import JSONEncoder
from kick.http.validation.pydantic_types import model_writer


class Items(Projection):
    """An array of values of one type."""

    def __init__(self, hint: Any, encoder: JSONEncoder) -> None:
        self._hint = hint
        self._encoder = encoder
        self.item: Projection = Open()

    def complete(self, item: Projection) -> None:
        """Take the projection of the items."""
        self.item = item
        self.is_shallow = item.is_shallow
        self.has_parts = not isinstance(item, Open)
        if isinstance(item, Leaf):
            are_items = item.kinds.issuperset
            self.quick_check = lambda value: are_items(map(type, value))

    @property
    @override
    def outer_kinds(self) -> frozenset[Any]:
        return ARRAYS

    @override
    def is_exact(self, value: Any) -> bool:
        return type(value) in ARRAYS and self.item.are_exact(value)

    @override
    def are_exact(self, values: Collection[Any]) -> bool:
        if not ARRAYS.issuperset(map(type, values)):
            return False
        return type(self.item) is Open or are_exact(self.item, chain.from_iterable(values))

    @override
    def project(self, value: Any) -> Any:
        if not is_array(value):
            value = self._encoder.known(value)
        if not is_array(value):
            raise misfit(type_name(self._hint), value)
        items = [*value]
        try:
            return self.item.project_all(items)
        except Misfit:  # once more, to find the place
            return [below(self.item, each, index) for index, each in enumerate(items)]

    @override
    def project_all(self, values: list[Any]) -> list[Any]:
        if not ARRAYS.issuperset(map(type, values)):
            return [*map(self.project, values)]
        items = [*chain.from_iterable(values)]
        found = iter(self.item.project_all(items) if items else items)
        return [[*islice(found, size)] for size in map(len, values)]


class Models(Items):
    """A list of models of pydantic's. If all are instances of the model, pydantic writes them in one call."""

    def __init__(self, hint: Any, encoder: JSONEncoder) -> None:
        super().__init__(hint, encoder)
        self._model = get_args(hint)[0]
        self._write = model_writer(hint, encoder.builtins)

    @override
    def project(self, value: Any) -> Any:
        if type(value) is list and all(isinstance(each, self._model) for each in value):
            text, problem = self._write(value)
            if problem is None:
                return msgspec.Raw(text)
        return super().project(value)


class Parts(Projection):
    """A tuple, or a named tuple, with a type for each position."""

    has_parts = True

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self.parts: tuple[Projection, ...] = ()
        self._cls = get_origin(hint) or hint

    def complete(self, parts: Iterable[Projection]) -> None:
        """Take the projections of the parts."""
        self.parts = tuple(parts)
        # msgspec, which checks what is shallow, does not look into named tuples.
        self.is_shallow = self._cls is tuple and all(each.is_shallow for each in self.parts)

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
    def project(self, value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) != len(self.parts):
            raise misfit(type_name(self._hint), value)
        return [below(part, each, index) for index, (part, each) in enumerate(zip(self.parts, value, strict=True))]


class Members(Projection):
    """An object with keys of one type and values of one type."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint
        self.key: Projection = Open()
        self.value: Projection = Open()

    def complete(self, key: Projection, value: Projection) -> None:
        """Take the projections of the keys and of the values."""
        self.key, self.value = key, value
        self.is_shallow = value.is_shallow
        self.has_parts = not isinstance(value, Open)
        if isinstance(key, Leaf) and isinstance(value, Leaf | Open):
            self.quick_check = _members_check(key, value)

    @property
    @override
    def outer_kinds(self) -> frozenset[Any]:
        return frozenset({dict})

    @override
    def is_exact(self, value: Any) -> bool:
        return type(value) is dict and self.key.are_exact(value) and self.value.are_exact(value.values())

    @override
    def are_exact(self, values: Collection[Any]) -> bool:
        if not frozenset({dict}).issuperset(map(type, values)):
            return False
        return are_exact(self.key, chain.from_iterable(values)) and are_exact(
            self.value, chain.from_iterable(map(dict.values, values))
        )

    @override
    def project(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise misfit(type_name(self._hint), value)
        return {below(self.key, key, key): below(self.value, each, key) for key, each in value.items()}


def _members_check(key: Leaf, value: Leaf | Open) -> Callable[[Any], bool]:
    keys = key.kinds
    if isinstance(value, Open):

        def are_exact_keys(members: Any) -> bool:
            for name in members:  # noqa: SIM110  # as below
                if type(name) not in keys:
                    return False
            return True

        return are_exact_keys
    kinds = value.kinds

    def are_exact(members: Any) -> bool:
        for name, each in members.items():  # noqa: SIM110  # quicker than `all()`, and for few members than `map()`
            if type(name) not in keys or type(each) not in kinds:
                return False
        return True

    return are_exact
