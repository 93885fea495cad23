"""Projections of values without parts that are looked at: plain classes, literals, what pydantic writes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, Final, get_args

import msgspec
from typing_extensions import override

from kick.di.naming import type_name
from kick.http.projections.base import Projection, misfit
from kick.http.validation.encoding import PLAIN, JSONEncoder
from kick.http.validation.pydantic_types import model_writer

_NARROWED: Final = ((int, bool), (date, datetime))
"""Classes with a subclass whose values mean something else."""


class Open(Projection):
    """A type that says nothing: `Any`."""

    is_shallow = True

    @override
    def is_exact(self, value: Any) -> bool:
        return True

    @override
    def are_exact(self, values: Collection[Any]) -> bool:
        return True

    @override
    def project(self, value: Any) -> Any:
        return value


class Leaf(Projection):
    """A class without fields."""

    def __init__(self, cls: Any, encoder: JSONEncoder) -> None:
        self.cls = cls
        self.kinds = frozenset({float, int} if cls is float else {cls})
        self.is_shallow = cls is not date  # a datetime is a date for type checkers, and says more
        self._not = tuple(other for kind, other in _NARROWED if kind is cls)
        self._encoder = encoder

    @override
    def are_exact(self, values: Collection[Any]) -> bool:
        return self.kinds.issuperset(map(type, values))

    @override
    def project(self, value: Any) -> Any:
        if type(value) in self.kinds or self._fits(value):
            return value
        known = value if type(value) in PLAIN else self._encoder.known(value)  # numbers of numpy have a known form
        if known is not value and self._fits(known):
            return known
        raise misfit(type_name(self.cls), value)

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
    def project(self, value: Any) -> Any:
        if self.is_exact(value):
            return value
        raise misfit(type_name(self._hint), value)


class Model(Projection):
    """A type that pydantic writes."""

    def __init__(self, hint: Any, encoder: JSONEncoder) -> None:
        self.cls = hint
        self._write = model_writer(hint, encoder.builtins)

    @override
    def is_exact(self, value: Any) -> bool:
        return False

    @override
    def project(self, value: Any) -> Any:
        text, problem = self._write(value)
        if problem is None:
            return msgspec.Raw(text)
        raise misfit(problem.expected, problem.value, *reversed(problem.steps))
