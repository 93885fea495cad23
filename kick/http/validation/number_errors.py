"""Locations of the numbers out of range in what was sent; they are looked for only after a value was refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Final, NamedTuple, get_args, get_origin

import msgspec

from kick.exceptions import FieldError
from kick.http.validation.errors import MOST_ERRORS, FoundErrors, Place
from kick.http.validation.json_text import invalid
from kick.http.validation.number_range import (
    FINITE,
    Check,
    by_hint,
    is_record,
    kinds_of_values,
    limits_of,
    part_check,
    typed_fields,
)
from kick.http.validation.type_parts import fields_of, members_of, metadata_of, plain, types_within

_MISSING: Final = object()
_FEWEST_DIGITS: Final = 19
"""The digits of the shortest integer beyond 64 bits."""
_STEP: Final = 3
_DIGITS_AS_ZEROS: Final = bytes(48 if 48 <= code < 58 else 32 for code in range(256))
_SAMPLE: Final = b"0" * (_FEWEST_DIGITS // _STEP)
_SHORTEST: Final = b"0" * _FEWEST_DIGITS
_LOWER: Final = bytes(range(256)).lower()
_NOT_FINITE: Final = re.compile(rb'(?:nan|inf(?:inity)?)[^a-z"\\]*["\\]|\\u00[4-7]').search
"""Finds the end of a text of NaN or infinity, or an escape of a letter. Spaces and digits may follow the name."""
SMALL: Final = 200
"""Bytes of a body whose value is checked in less time than its text."""
_MOST_PARTS: Final = 2000
"""Parts of a value that are looked at one by one. Those that fit are passed over, where a type does not hold itself."""


def checked(hint: Any, given: Any, start: str, value: Any, *, finite: bool = True) -> Any:
    """Return a value with numbers out of range, if none of them was sent: they are defaults of the application.

    Raises `UnprocessableEntity` otherwise.

    >>> checked(dict[str, int], {"a": 1}, "/body", {"a": 1})
    {'a': 1}
    """
    errors = range_errors(hint, given, start, value=value, finite=finite, is_sure=True)
    if errors:
        raise invalid(errors)
    return value


_UNHASHABLE: Final = "Expected a hashable value"
_UNHASHABLE_NUMBER: Final = f"{_UNHASHABLE}, got `decimal.Decimal`"


def merged(errors: list[FieldError], others: list[FieldError]) -> list[FieldError]:
    """Return errors, and others at locations that have none yet; at most `MOST_ERRORS`.

    A value or key that cannot be hashed is or holds a signaling NaN, which msgspec reports since 0.23. It is left out
    if one of the others says what is wrong.

    >>> error = FieldError(location="/body", message="Expected `int`", code="type")
    >>> merged([error], [error]) == [error]
    True
    >>> merged([FieldError(location="/body/7", message="Expected a hashable value, got `decimal.Decimal`")], [])
    [{'location': '/body/7', 'message': 'Expected a finite number', 'code': 'range'}]
    """
    if any(each["message"].startswith(_UNHASHABLE) for each in errors):
        places = [f"{each['location']}/" for each in others]
        errors = [_as_not_finite(each) for each in errors if not _is_said_better(each, places)]
    known = {each["location"] for each in errors}
    return [*errors, *(each for each in others if each["location"] not in known)][:MOST_ERRORS]


def _is_said_better(error: FieldError, places: list[str]) -> bool:
    at = f"{error['location']}/"
    return error["message"].startswith(_UNHASHABLE) and any(
        each.startswith(at) or at.startswith(each) for each in places
    )


def _as_not_finite(error: FieldError) -> FieldError:
    if not error["message"].startswith(_UNHASHABLE_NUMBER):
        return error
    return FieldError(location=error["location"], message="Expected a finite number", code="range")


def may_be_large(body: bytes | str) -> bool:
    """Return whether a JSON text may have a number beyond 64 bits; false for most texts that have none.

    A text of less than `SMALL` bytes is not worth it.

    Only each third byte is looked at: of 19 digits in a row, six of those are digits.

    >>> may_be_large(b"[123]"), may_be_large(b"[9223372036854775808]")
    (False, True)
    """
    return _SAMPLE in _raw(body[::_STEP]).translate(_DIGITS_AS_ZEROS)


def holds_not_finite(body: bytes | str) -> bool:
    r"""Return whether a JSON text may have the text of a NaN or of infinity, in any spelling that `Decimal` reads.

    >>> holds_not_finite(b'["nano"]'), holds_not_finite(b'["s_NaN12 "]'), holds_not_finite(rb'["\u004eaN"]')
    (False, True, True)
    """
    text = _raw(body).translate(_LOWER, b"_")
    return (b"nan" in text or b"inf" in text or rb"\u00" in text) and _NOT_FINITE(text) is not None


def screen(hint: Any) -> Callable[[bytes | str], bool]:
    """Return a function that tells whether a JSON text may have a number out of range, by the numbers of a type.

    >>> screen(list[int]) is may_be_large, screen(list[float]) is holds_not_finite
    (True, True)
    """
    kinds = [plain(each) for each in types_within(hint)]
    if not any(each is float or each is Decimal for each in kinds):
        return may_be_large
    if int not in kinds:
        return holds_not_finite
    return lambda body: may_be_large(body) or holds_not_finite(body)


def holds_long_number(body: bytes | str) -> bool:
    """Return whether a text has as many digits in a row as an integer beyond 64 bits.

    >>> holds_long_number(b"[1, 2]"), holds_long_number(b"[9223372036854775808]")
    (False, True)
    """
    return _SHORTEST in _raw(body).translate(_DIGITS_AS_ZEROS)


def _raw(text: bytes | str) -> bytes:
    return text.encode("ascii", "replace") if isinstance(text, str) else text


def range_errors(
    hint: Any, given: Any, start: str, *, value: Any = _MISSING, finite: bool = True, is_sure: bool = False
) -> list[FieldError]:
    """Return the errors of the numbers out of range in `given`, which is decoded JSON, or texts by name.

    `value` is the valid value that was made of it, if it is known; it tells which member of a union was meant. Without
    `finite`, only integers are looked for. With `is_sure`, there is an error even if its location is not found.

    >>> range_errors(dict[str, int], {"a": 2**63, "b": 1}, "/body")[0]["location"]
    '/body/a'
    """
    found = FoundErrors(start)
    left, room = [_Node(hint, given, value, None)], _MOST_PARTS
    while left and not found.is_full:
        node = left.pop()
        problem = _problem(node.hint, node.given, node.value, finite=finite)
        if problem is not None:
            found.add(node.place, problem, "range")
            continue
        parts = list(islice(_parts(node, found, finite=finite), room))
        room -= len(parts)
        left += reversed(parts)
    if not found.listed and not room and is_sure:
        numbers = "integers of 64 bits and finite numbers" if finite else "integers of 64 bits"
        found.add(None, f"Expected {numbers}", "range")
    return found.listed


class _Type:
    """A type of a part: the members of a union, and the limits of numbers."""

    def __init__(self, hint: Any) -> None:
        members = members_of(hint)
        said = metadata_of(hint) if len(members) > 1 else ()
        integers = [each for each in members if plain(each) is int]
        self.limits = limits_of((*said, *metadata_of(integers[0]))) if integers else (None, None)
        self.takes_text = any(plain(each) in (str, Any) for each in members)
        inner = list(map(plain, members))
        self.reals = [each for each in inner if any(each is real for real in FINITE)]
        self.objects = [each for each in inner if _takes(each, objects=True)]
        self.arrays = [each for each in inner if _takes(each, objects=False)]
        self.roots = [each for each in inner if getattr(each, "__pydantic_root_model__", False)]


class _Field(NamedTuple):
    """A field of a class: its name, its type, and the ways to it in what was sent."""

    name: str
    hint: Any
    fits: Check | None
    ways: list[tuple[Any, ...]]


@by_hint
def _type_of(hint: Any) -> _Type:
    return _Type(hint)


@by_hint
def _fields_of(hint: Any) -> list[_Field]:
    cls = get_origin(hint) or hint
    wire = {field.name: field.wire_name for field in fields_of(hint) or ()}
    models = getattr(cls, "__pydantic_fields__", None)
    fields: list[_Field] = []
    for name, inner in typed_fields(hint, cls):
        ways = [(wire[name],)] if models is None else [*_aliases(models[name]), (name,)]
        fields.append(_Field(name, inner, part_check(inner), ways))
    return fields


class _Node(NamedTuple):
    """A part of what was given, with the type that it is to have and the value that was made of it."""

    hint: Any
    given: Any
    value: Any
    place: Place | None


def _problem(hint: Any, given: Any, value: Any, *, finite: bool) -> str | None:
    """Return the reason why a number, or the text of one, is refused."""
    given = given if value is _MISSING else value
    if not isinstance(given, int | str | float | Decimal):
        return None
    kind = _type_of(hint)
    if finite and any(_is_not_finite(given, each, kind) for each in kind.reals):
        return "Expected a finite number"
    if not isinstance(given, int | str):
        return None
    number = _number(given, kind)
    if number is None:
        return None
    lowest, highest = kind.limits
    if highest is not None and number > highest:
        return f"Expected `int` <= {highest}"
    return f"Expected `int` >= {lowest}" if lowest is not None and number < lowest else None


def _is_not_finite(given: Any, real: Any, kind: _Type) -> bool:
    if isinstance(given, str):
        if kind.takes_text:
            return False
        try:
            given = msgspec.convert(given, real, strict=False)
        except msgspec.ValidationError:
            return False
    return not isinstance(given, int) and not Decimal(given).is_finite()


def _number(given: int | str, kind: _Type) -> int | None:
    if isinstance(given, int):
        return given
    if len(given) < _FEWEST_DIGITS or kind.takes_text:
        return None
    try:
        number: int = msgspec.convert(given, int, strict=False)
    except msgspec.ValidationError:
        return None
    return number


def _parts(node: _Node, found: FoundErrors, *, finite: bool) -> Iterator[_Node]:
    given, value, place = node.given, node.value, node.place
    hint = _chosen(node)
    if hint is None:
        return
    cls, args = get_origin(hint) or hint, get_args(hint)
    if getattr(cls, "__pydantic_root_model__", False):
        [field] = _fields_of(hint)
        yield _Node(field.hint, given, getattr(value, field.name, _MISSING), place)
    elif isinstance(given, Mapping):
        if len(args) != 2 or is_record(cls):
            yield from _parts_of_record(node, hint)
        else:
            yield from _parts_of_dict(node, args, found, finite=finite)
    else:
        values = value if isinstance(value, list | tuple) and len(value) == len(given) else [_MISSING] * len(given)
        if is_record(cls):
            tag = [Any] if getattr(getattr(cls, "__struct_config__", None), "tag", None) is not None else []
            args = (*tag, *(field.hint for field in _fields_of(hint)))
        if is_record(cls) or (cls is tuple and args and args[-1] is not Ellipsis):
            for index, (each, inner, made) in enumerate(zip(given, args, values, strict=False)):
                if not _passes(part_check(inner), made):
                    yield _Node(inner, each, made, Place(place, index))
            return
        inner = args[0] if args else Any
        fits = part_check(inner)
        if fits is not None:
            for index, made in enumerate(values):
                if made is _MISSING or not fits(made):
                    yield _Node(inner, given[index], made, Place(place, index))


def _passes(check: Check | None, value: Any) -> bool:
    """Return whether a part need not be looked at: no limit applies to its type, or its value fits."""
    return check is None or (value is not _MISSING and check(value))


def _parts_of_dict(node: _Node, args: tuple[Any, ...], found: FoundErrors, *, finite: bool) -> Iterator[_Node]:
    given, value = node.given, node.value
    made = list(value.items()) if isinstance(value, Mapping) and len(value) == len(given) else None
    key_fits, fits = part_check(args[0]), part_check(args[1])
    for index, (key, each) in enumerate(given.items()):
        key_made, each_made = made[index] if made is not None else (_MISSING, _MISSING)
        problem = None if _passes(key_fits, key_made) else _problem(args[0], key, key_made, finite=finite)
        if problem is not None:
            if found.is_full:
                return
            found.add(node.place, f"{problem}, as a key", "range")
        if not _passes(fits, each_made):
            yield _Node(args[1], each, each_made, Place(node.place, key))


def _parts_of_record(node: _Node, hint: Any) -> Iterator[_Node]:
    value = node.value
    for name, inner, fits, ways in _fields_of(hint):
        made = _MISSING
        if value is not _MISSING:
            made = value.get(name, _MISSING) if isinstance(value, Mapping) else getattr(value, name, _MISSING)
        if _passes(fits, made):
            continue
        sent = next((way for way in ways if _at(node.given, way) is not _MISSING), None)
        if sent is None and name not in getattr(value, "model_fields_set", ()):
            continue  # a default; in a model, a validator may have made it of something else
        place = node.place
        for step in sent or ways[0]:
            place = Place(place, step)
        yield _Node(inner, None if sent is None else _at(node.given, sent), made, place)


def _aliases(field: Any) -> list[tuple[Any, ...]]:
    alias = field.validation_alias or field.alias
    choices = getattr(alias, "choices", (alias,))
    return [tuple(getattr(each, "path", (each,))) for each in choices if each is not None]


def _at(given: Any, way: tuple[Any, ...]) -> Any:
    for step in way:
        try:
            given = given[step]
        except (LookupError, TypeError):
            return _MISSING
    return given


def _chosen(node: _Node) -> Any:
    """Return the member of a union that an object or array is of; `None` if nothing tells."""
    kind = _type_of(node.hint)
    if isinstance(node.given, Mapping):
        found = kind.objects
    else:
        found = kind.arrays if isinstance(node.given, list | tuple) else kind.roots
    if len(found) > 1 and node.value is not _MISSING:
        return next((each for each in found if type(node.value) in kinds_of_values(each)), None)
    if len(found) > 1:
        return next((each for each in found if _has_tag(each, node.given)), None)
    return found[0] if found else None


def _takes(hint: Any, *, objects: bool) -> bool:
    cls: Any = get_origin(hint) or hint
    if not isinstance(cls, type):
        return False
    if getattr(cls, "__pydantic_root_model__", False):
        return True
    if is_record(cls):
        by_position = issubclass(cls, tuple) or getattr(getattr(cls, "__struct_config__", None), "array_like", False)
        return objects is not by_position
    return issubclass(cls, Mapping) if objects else issubclass(cls, Collection) and not issubclass(cls, Mapping)


def _has_tag(hint: Any, given: Any) -> bool:
    config = getattr(get_origin(hint) or hint, "__struct_config__", None)
    if config is None or config.tag is None:
        return False
    return bool(_at(given, (0,) if config.array_like else (config.tag_field,)) == config.tag)
