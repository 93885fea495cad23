"""JSON of values under a declared type of pydantic's, and the reason where a value does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from kick.http.validation.pydantic_types import adapter_of

_UNEXPECTED: Final = re.compile(r"Expected `([^`]*)`")
_FIELD: Final = re.compile(r"field_name='([^']*)'")


class Problem(NamedTuple):
    """The reason why a value does not fit: the way to it, and what belongs there."""

    steps: tuple[object, ...]
    expected: str
    value: Any


Write = Callable[[Any], tuple[bytes, Problem | None]]


def model_writer(hint: Any, fallback: Callable[[Any], Any]) -> Write:
    """Return a function that writes values as a type of pydantic's, by its aliases.

    An instance of a subclass is written with the declared fields. Other objects and mappings are validated first.
    """
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError

    adapter = adapter_of(hint)
    model = hint if isinstance(hint, type) else None

    def write(value: Any) -> tuple[bytes, Problem | None]:
        if value is None or (model is not None and not isinstance(value, model)):
            try:
                value = adapter.validate_python(value, from_attributes=True)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                return b"", Problem(tuple(first["loc"]), first["msg"], first["input"])
        try:
            return adapter.dump_json(value, by_alias=True, warnings="error", fallback=fallback), None
        except PydanticSerializationError as error:
            text = str(error)
            expected, field = _UNEXPECTED.search(text), _FIELD.search(text)
            if expected is None:
                raise
            return b"", Problem((field[1],) if field else (), f"`{expected[1]}`", _at(value, field))

    return write


def _at(value: Any, field: re.Match[str] | None) -> Any:
    return value if field is None else getattr(value, field[1], value)
