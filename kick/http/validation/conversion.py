"""Conversion of request data to the types of a handler: by msgspec, or by pydantic for its own types.

msgspec stops at the first error. Then `kick.http.validation.errors` looks for the others, so that the response lists
all of them, up to a limit.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from abc import ABCMeta
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import inspect as types

from kick.http.uploads import is_upload
from kick.http.validation.dataclass_defaults import filler
from kick.http.validation.errors import ErrorFinder
from kick.http.validation.hash_collisions import collision_check, text_check
from kick.http.validation.integer_keys import finder_by_integer
from kick.http.validation.json_text import (
    check_nesting,
    decode_extreme,
    decode_json,
    has_extreme_numbers,
    has_mark,
    invalid,
    is_deep,
    malformed_json,
    read_float,
)
from kick.http.validation.number_errors import (
    SMALL,
    checked,
    holds_long_number,
    holds_not_finite,
    merged,
    range_errors,
    screen,
)
from kick.http.validation.number_range import range_check
from kick.http.validation.pydantic_types import (
    has_own_schema,
    holds_pydantic,
    is_foreign,
    is_model,
    model_converter,
    model_decoder,
)
from kick.http.validation.type_parts import (
    children_of,
    fields_of,
    info_of,
    may_be_deep,
    members_of,
    plain,
    types_within,
)

Decode = Callable[[bytes], Any]
Convert = Callable[[Any], Any]

_SCALARS: Final = (str, int, float, bool, bytes, UUID, datetime, date, time, timedelta, Decimal)
_LISTS: Final = (list, tuple, set, frozenset)
_FLOATS: Final = (types.FloatType, types.DecimalType, types.AnyType)


def json_decoder(hint: Any) -> Decode:
    """Return a function from JSON to a value of the type `hint`.

    It raises `BadRequest` for malformed JSON and `UnprocessableEntity`, with all errors, for invalid values.
    Raises `TypeError` if values cannot be validated as `hint`.

    >>> json_decoder(list[int])(b"[1, 2]")
    [1, 2]
    """
    if needs_pydantic(hint):
        return model_decoder(hint)
    decode, finder = msgspec.json.Decoder(hint).decode, ErrorFinder(hint)
    by_integer, check, is_within = finder_by_integer(hint, finder), text_check(hint), range_check(hint)
    may_be_out, fits = screen(hint), range_check(hint, from_json=True)
    nests, reads_floats = _nests(hint), _reads_floats(hint)
    decode_slow = _decoder_of_slow_texts(hint, nests=nests)

    def decode_body(body: bytes) -> Any:
        try:
            if len(body) <= SMALL:
                value = decode(body)
                if fits is None or fits(value):
                    return value
            else:
                if check is not None:
                    check(body)
                is_slow = (reads_floats and has_extreme_numbers(body)) or (nests and is_deep(body))
                value = (decode_slow if is_slow else decode)(body)
                if is_within is None or not may_be_out(body) or is_within(value):
                    return value
        except msgspec.ValidationError as error:
            found = by_integer(body, str(error)) if by_integer is not None else None
            found = found or finder.errors(decode_json(body), "/body", str(error))
            if is_within is not None and (holds_long_number(body) or holds_not_finite(body)):
                found = merged(found, range_errors(hint, decode_json(body), "/body"))
            raise invalid(found) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if has_mark(body):
                return decode_body(body[len(BOM_UTF8) :])
            raise malformed_json(error, body) from None
        except (TypeError, ArithmeticError):  # a NaN was hashed, or compared by the `__post_init__` of a class
            found = []
            if is_within is not None and holds_not_finite(body):
                found = range_errors(hint, decode_json(body), "/body", is_sure=True)
            if not found:
                raise
            raise invalid(found) from None
        return checked(hint, decode_json(body), "/body", value)

    fill = filler(hint)
    decode_whole = decode_body if fill is None else lambda body: fill(decode_body(body))
    if not may_be_deep(hint):
        return decode_whole

    def decode_deep(body: bytes) -> Any:
        check_nesting(body)
        return decode_whole(body)

    return decode_deep


def _decoder_of_slow_texts(hint: Any, *, nests: bool) -> Decode:
    """Return a decoder for texts that msgspec reads slowly. It calls no hook where a type says `float`."""
    if not nests and not any(plain(each) is float for each in types_within(hint)):
        return msgspec.json.Decoder(hint, float_hook=read_float).decode
    return lambda body: msgspec.convert(decode_extreme(body), hint, str_keys=True)


def _reads_floats(hint: Any) -> bool:
    """Return whether valid values may hold floats. If not, msgspec stops at the first, or skips it without reading."""
    return any(isinstance(each, _FLOATS) for each in _infos(info_of(hint)))


def _nests(hint: Any) -> bool:
    """Return whether a union of several Structs is within one of its members.

    msgspec looks for the tag first, so an object whose tag comes last is read once more for each object around it.
    """
    unions = [[plain(each) for each in members_of(part) if _is_struct(plain(each))] for part in types_within(hint)]
    return any(
        plain(part) == cls
        for structs in unions
        if len(structs) > 1
        for cls in structs
        for field in fields_of(cls) or ()
        for part in types_within(field.hint)
    )


def _is_struct(hint: Any) -> bool:
    cls = get_origin(hint) or hint
    return isinstance(cls, type) and issubclass(cls, msgspec.Struct)


def converter(hint: Any, part: str) -> Convert:
    """Return a function from texts (of a form, a query string or headers) to a value of the type `hint`.

    Numbers, booleans and dates are parsed from their text. A time may lack its seconds, as `<input type="time">` and
    `<input type="datetime-local">` send it. The location of errors begins with `part`: `"query"`.
    Raises `TypeError` if values cannot be validated as `hint`.

    >>> converter(dict[str, int], "query")({"page": "2"})
    {'page': 2}
    """
    if needs_pydantic(hint):
        return model_converter(hint, part)
    finder, check = ErrorFinder(hint, strict=False), collision_check(hint, part)
    is_within = range_check(hint)

    def convert(value: Any) -> Any:
        try:
            if check is not None:
                check(value)
            converted = msgspec.convert(value, hint, strict=False, str_keys=True)
        except msgspec.ValidationError as error:
            found = finder.errors(value, f"/{part}", str(error))
            if any(each["message"].startswith(_NO_TIME) for each in found):
                completed = _with_seconds(value, info_of(hint))
                if completed != value:
                    return convert(completed)
            if is_within is not None:
                found = merged(found, range_errors(hint, value, f"/{part}"))
            raise invalid(found) from None
        except (TypeError, ArithmeticError):  # a NaN was hashed, or compared by the `__post_init__` of a class
            found = range_errors(hint, value, f"/{part}", is_sure=True) if is_within is not None else []
            if not found:
                raise
            raise invalid(found) from None
        if is_within is None or is_within(converted):
            return converted
        return checked(hint, value, f"/{part}", converted)

    fill = filler(hint)
    return convert if fill is None else lambda value: fill(convert(value))


_CLASSES: Final = (types.StructType, types.TypedDictType, types.DataclassType)
_NO_TIME: Final = "Invalid RFC3339 encoded"
_WITHOUT_SECONDS: Final = re.compile(r"((?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d)(Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE)


def _with_seconds(value: Any, info: types.Type) -> Any:
    """Return texts of a type with `:00` in each time without seconds (WHATWG HTML, section 2.3.5.4)."""
    while isinstance(info, types.Metadata):
        info = info.type
    kinds = info.types if isinstance(info, types.UnionType) else (info,)
    if isinstance(value, str):
        match = _WITHOUT_SECONDS.fullmatch(value)
        if match is None or not any(isinstance(kind, types.TimeType | types.DateTimeType) for kind in kinds):
            return value
        return f"{match[1]}:00{match[2] or ''}"
    for kind in kinds:
        if isinstance(value, list) and isinstance(kind, types.CollectionType):
            return [_with_seconds(each, kind.item_type) for each in value]
        if isinstance(value, list) and isinstance(kind, types.TupleType) and len(value) == len(kind.item_types):
            return [_with_seconds(each, item) for each, item in zip(value, kind.item_types, strict=True)]
        if isinstance(value, dict) and isinstance(kind, types.DictType):
            return {name: _with_seconds(each, kind.value_type) for name, each in value.items()}
        if isinstance(value, dict) and isinstance(kind, _CLASSES):
            of = {field.encode_name: field.type for field in kind.fields}
            return {name: _with_seconds(each, of[name]) if name in of else each for name, each in value.items()}
    return value


def needs_pydantic(hint: Any) -> bool:
    """Return whether pydantic has to validate a type. This does not import pydantic.

    Raises `TypeError` if values cannot be validated as `hint`.

    >>> needs_pydantic(dict[str, int])
    False
    """
    if holds_pydantic(hint):
        return True
    others = [each for each in _custom_types(info_of(hint)) if not is_upload(each)]
    if others:
        raise TypeError(f"{others[0]!r} is neither a builtin nor a Struct, dataclass, TypedDict or attrs class")
    return False


def holds_uploads(hint: Any) -> bool:
    """Return whether a type contains files, at any depth.

    >>> holds_uploads(dict[str, int])
    False
    """
    try:
        return any(is_upload(plain(each)) for each in types_within(hint))
    except (TypeError, NameError):
        return False


class Role(enum.Enum):
    """The role of a parameter's type: a scalar, data of the request, or a service from the container."""

    SCALAR = "scalar"
    DATA = "data"
    SERVICE = "service"


def role_of(hint: Any) -> Role:
    """Return the role of a type as the type of a parameter.

    >>> class Note(msgspec.Struct): ...
    >>> class Notes: ...
    >>> [role_of(each).value for each in (int | None, Note, list[Note], Notes)]
    ['scalar', 'data', 'data', 'service']
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and any(map(_is_constraint, hint.__metadata__)):
        return role_of(hint.__origin__)
    if isinstance(hint, NewType):
        return role_of(hint.__supertype__)
    if origin in (Union, UnionType):
        return _first([role_of(each) for each in args if each is not NoneType])
    if origin is Literal or hint in _SCALARS or (isinstance(hint, type) and issubclass(hint, enum.Enum)):
        return Role.SCALAR
    if origin in _LISTS:
        return _first([role_of(each) for each in args if each is not Ellipsis])
    if hint in _LISTS:
        return Role.SCALAR
    if _is_data(origin or hint):
        return Role.DATA
    return Role.SCALAR if has_own_schema(hint) else Role.SERVICE


def is_constrained(hint: Any) -> bool:
    """Return whether a plain type has constraints: `Annotated[int, Meta(ge=1)]`, or `Field(ge=1)` of pydantic's.

    >>> is_constrained(Annotated[int, msgspec.Meta(ge=1)] | None), is_constrained(int)
    (True, False)
    """
    if isinstance(hint, NewType):
        return is_constrained(hint.__supertype__)
    if get_origin(hint) in (Union, UnionType):
        return any(map(is_constrained, get_args(hint)))
    if get_origin(hint) is not Annotated:
        return False
    return any(map(_is_constraint, hint.__metadata__)) or is_constrained(hint.__origin__)


def _is_constraint(metadata: Any) -> bool:
    return isinstance(metadata, msgspec.Meta) or is_foreign(metadata)


def _first(roles: list[Role]) -> Role:
    return next((each for each in roles if each is not Role.SERVICE), Role.SERVICE)


def _is_data(hint: Any) -> bool:
    if not isinstance(hint, type):
        return False
    if issubclass(hint, msgspec.Struct):
        return not isinstance(hint, ABCMeta)  # not data: an abstract class
    if dataclasses.is_dataclass(hint):
        try:
            return all(map(is_upload, _custom_types(info_of(hint))))
        except (TypeError, NameError):
            return False
    return issubclass(hint, dict) or is_model(hint)


def _custom_types(info: types.Type) -> list[Any]:
    """Return the classes within a type that msgspec cannot validate: it only calls `isinstance`."""
    return [each.cls for each in _infos(info) if isinstance(each, types.CustomType)]


def _infos(info: types.Type) -> Iterator[types.Type]:
    """Yield a type as msgspec describes it, and all types within it, each once."""
    seen: set[int] = set()
    left: list[Any] = [info]
    while left:
        info = left.pop()
        if id(info) in seen:
            continue
        seen.add(id(info))
        yield info
        left += reversed([*children_of(info)])
