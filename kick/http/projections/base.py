"""The rule that all projections follow, and the error for a value that does not fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from typing_extensions import override

from kick.http.validation.encoding import type_path
from kick.http.validation.errors import pointer

ARRAYS: Final = frozenset({list, tuple, set, frozenset})
MISSING: Final = object()
_NOTHING: Final[frozenset[Any]] = frozenset()


class Misfit(TypeError):
    """A value that is not of the declared type. `steps` lead to it; the innermost step is the first."""

    def __init__(self, expected: str, got: str, steps: Sequence[object] = ()) -> None:
        super().__init__(expected, got, steps)
        self.expected = expected
        self.got = got
        self.steps = [*steps]

    @property
    def location(self) -> str:
        """A JSON Pointer to the value."""
        return pointer("", *reversed(self.steps))

    @override
    def __str__(self) -> str:
        return f"at {self.location or 'its top'}: expected {self.expected}, got {self.got}"


def misfit(expected: str, value: object, *steps: object) -> Misfit:
    """Return the error for a value that is not what was expected.

    >>> str(misfit("str", 7, "name"))
    'at /name: expected str, got int'
    """
    got = "nothing" if value is MISSING else "None" if value is None else type_path(type(value))
    return Misfit(expected, got, steps)


class Projection(ABC):
    """The rule for values of one type: `kinds` are the types of values that are written as they are."""

    kinds: frozenset[Any] = _NOTHING
    is_shallow = False
    """True if no value of the type can hold one that says more than its declared type."""

    has_parts = False
    """True for arrays and mappings whose parts are looked at where they are a field.

    What type checkers see of a field may be `list[Any]`: rows of a database, which may be longer than what is declared.
    """

    quick_check: Callable[[Any], bool] | None = None
    """For a container of leaves: tell by the types of its parts whether a value of `outer_kinds` is exact."""

    @property
    def outer_kinds(self) -> frozenset[Any]:
        """The types of values whose parts have to be looked at, and `kinds`."""
        return self.kinds

    def is_exact(self, value: Any) -> bool:
        """Return whether a value is written as it is."""
        return type(value) in self.kinds

    def are_exact(self, values: Collection[Any]) -> bool:
        """Return whether all values are written as they are."""
        return self.kinds.issuperset(map(type, values)) or all(map(self.is_exact, values))

    @abstractmethod
    def project(self, value: Any) -> Any:
        """Return a value in its declared form. Raises `Misfit`."""

    def project_all(self, values: list[Any]) -> list[Any]:
        """Return values in their declared form. Raises `Misfit`, whose place may lack the position in the list."""
        if self.kinds.issuperset(map(type, values)):
            return values
        kinds, project = self.kinds, self.project
        return [each if type(each) in kinds else project(each) for each in values]


def are_exact(projection: Projection, values: Iterable[Any]) -> bool:
    """Return whether all values are exact. An empty column ends the search in a type that holds itself."""
    column = [*values]
    return not column or projection.are_exact(column)


def below(projection: Projection, value: Any, step: object) -> Any:
    """Return a part of a value in its declared form; `step` leads to it."""
    try:
        return projection.project(value)
    except Misfit as error:
        error.steps.append(step)
        raise


def is_array(value: Any) -> bool:
    """Return whether a value is written as an array.

    >>> is_array((1, 2)), is_array("text")
    (True, False)
    """
    if isinstance(value, (list, tuple, set, frozenset, deque, Iterator)):
        return True
    return isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray | memoryview | Mapping)
