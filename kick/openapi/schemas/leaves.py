"""JSON Schemas of types without parts: numbers, texts, dates, enums, literals; and of what `msgspec.Meta` says."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePath
from re import Pattern
from types import NoneType
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

Schema: TypeAlias = dict[str, Any]
"""A schema object: JSON Schema 2020-12, as OpenAPI 3.1 has it."""

NUMBER_TEXT: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""Numbers as texts, as `Decimal` reads and writes them."""

BASE64: Final = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
DURATION: Final = r"^[+-]?P(?=.)([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?$"
"""Durations of ISO 8601 in days and less; months and years have no length, and weeks are not read."""

_BASE64: Final[Schema] = {"type": "string", "contentEncoding": "base64", "pattern": BASE64}

_LEAVES: Final[dict[Any, Schema]] = {
    NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: _BASE64,
    bytearray: _BASE64,
    memoryview: _BASE64,
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "string", "format": "duration", "pattern": DURATION},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {"anyOf": [{"type": "string", "pattern": NUMBER_TEXT}, {"type": "number"}]},
}

_WRITTEN: Final[tuple[tuple[Any, Schema], ...]] = (
    (IPv4Address, {"type": "string", "format": "ipv4"}),
    (IPv6Address, {"type": "string", "format": "ipv6"}),
    ((IPv4Network, IPv6Network, IPv4Interface, IPv6Interface, PurePath, Pattern), {"type": "string"}),
    ((datetime,), _LEAVES[datetime]),
    ((date,), _LEAVES[date]),
    ((time,), _LEAVES[time]),
    ((str,), _LEAVES[str]),
    ((int,), _LEAVES[int]),
    ((float,), _LEAVES[float]),
    ((Decimal,), _LEAVES[Decimal]),
    ((UUID,), _LEAVES[UUID]),
)
"""Classes that kick writes and does not read."""

_NAIVE: Final = {
    "date-time": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?$",
    "time": r"^[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?$",
}
"""Times without an offset, for which the formats of RFC 3339 have no place."""

_JSON_NAMES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def leaf_schema(cls: Any) -> Schema | None:
    """Return the schema of a class without parts; `None` for any other class.

    >>> leaf_schema(int), leaf_schema(dict)
    ({'type': 'integer'}, None)
    """
    found = _LEAVES.get(cls)
    if found is None and isinstance(cls, type) and not issubclass(cls, enum.Enum):
        found = next((schema for kinds, schema in _WRITTEN if issubclass(cls, kinds)), None)
    return None if found is None else dict(found)


def choice_schema(values: Iterable[Any]) -> Schema:
    """Return the schema of some values: those of a `Literal` or an enum.

    >>> choice_schema(["dark", "light"]), choice_schema([1])
    ({'type': 'string', 'enum': ['dark', 'light']}, {'type': 'integer', 'const': 1})
    """
    listed = list(values)
    names = list(dict.fromkeys(_JSON_NAMES.get(type(each), "string") for each in listed))
    schema: Schema = {"type": names[0] if len(names) == 1 else names} if names else {}
    return schema | ({"const": listed[0]} if len(listed) == 1 else {"enum": listed})


def enum_schema(cls: Any) -> Schema:
    """Return the schema of an enum, by the values of its members."""
    schema = choice_schema([each.value for each in cls])
    return {**schema, **_described(cls)}


def nullable(schema: Schema) -> Schema:
    """Return a schema that takes `null` too."""
    return {"anyOf": [schema, {"type": "null"}]}


def without_null(schema: Schema) -> Schema:
    """Return a schema without `null` among its alternatives, for texts, which cannot be null.

    >>> without_null({"anyOf": [{"type": "integer"}, {"type": "null"}], "minimum": 1})
    {'minimum': 1, 'type': 'integer'}
    """
    members: list[Schema] = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(members) == len(schema.get("anyOf", ())):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    if rest.get("default", ...) is None:
        del rest["default"]
    return {**rest, **members[0]} if len(members) == 1 else {**rest, "anyOf": members}


def said_about(metadata: Sequence[Any], schema: Schema) -> Schema:
    """Return a schema with what `msgspec.Meta` objects say, the innermost first.

    >>> said_about([msgspec.Meta(ge=1, description="A page.")], {"type": "integer"})
    {'type': 'integer', 'minimum': 1, 'description': 'A page.'}
    """
    for meta in reversed(metadata):
        if isinstance(meta, msgspec.Meta):
            schema = {**schema, **_of_meta(meta, schema)}
    return {key: value for key, value in schema.items() if key != "format" or value is not None}


def _of_meta(meta: msgspec.Meta, schema: Schema) -> Schema:
    said: Schema = {
        "exclusiveMinimum": meta.gt,
        "minimum": meta.ge,
        "exclusiveMaximum": meta.lt,
        "maximum": meta.le,
        "multipleOf": meta.multiple_of,
        "pattern": meta.pattern,
        "title": meta.title,
        "description": meta.description,
        "examples": meta.examples,
    }
    for name, length in (("min", meta.min_length), ("max", meta.max_length)):
        if length is not None:
            said |= {f"{name}{unit}": size for unit, size in _sizes(schema, length).items()}
    found = {key: value for key, value in said.items() if value is not None}
    if meta.tz is False and schema.get("format") in ("date-time", "time"):
        found |= {"format": None, "pattern": _NAIVE[schema["format"]]}
    return found | dict(meta.extra_json_schema or {})


def _sizes(schema: Schema, length: int) -> dict[str, int]:
    if "contentEncoding" in schema:  # the length is that of the bytes
        return {"Length": 4 * math.ceil(length / 3)}
    match schema.get("type"):
        case "string":
            return {"Length": length}
        case "array":
            return {"Items": length}
        case "object":
            return {"Properties": length}
        case _:  # each of them holds for values of its own type only
            return {"Length": length, "Items": length, "Properties": length}


def _described(cls: Any) -> Schema:
    text = description_of(cls)
    return {"description": text} if text else {}


def description_of(cls: Any) -> str:
    """Return the docstring that somebody wrote for a class; nothing for one that is inherited or generated.

    >>> description_of(UUID)[:9], description_of(NUMBER_TEXT)
    ('Instances', '')
    """
    text = vars(cls).get("__doc__") if isinstance(cls, type) else None
    if not isinstance(text, str) or text.startswith(f"{cls.__name__}(") or text in _GENERATED:
        return ""
    from inspect import cleandoc

    return cleandoc(text)


_GENERATED: Final = frozenset({"An enumeration."})
