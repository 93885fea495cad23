"""Encoding and decoding of the values of a session.

A value has a type of JSON (`None`, `bool`, `int`, finite `float`, `str`, lists, dicts with `str` keys), or is a
`datetime`, `UUID`, `Decimal` or `bytes`. On every store, a decoded value equals the original and has the same type,
with one exception: a tuple becomes a list. A value of a subclass is stored as its base type, as JSON encoders do: an
`OrderedDict` becomes a dict, a named tuple a list, and an enum its value.

The bytes are JSON. A value of a type that JSON lacks becomes an object with the single key `$`:
`{"$": ["uuid", "..."]}`. A dict that has a key `$` itself is wrapped in the same way.
"""

from __future__ import annotations

import base64
import enum
import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from kick.errors import PicklableError

MAX_DEPTH: Final = 128
"""The levels to which lists and dicts may be nested: more than the 100 of a body, which a handler may keep."""

PLAIN_TYPES: Final = frozenset({str, int, bool, type(None)})

_encoder: Final = msgspec.json.Encoder()
encode_json: Final = _encoder.encode
_sorting_encoder: Final = msgspec.json.Encoder(order="sorted")
decode_json: Final = msgspec.json.Decoder().decode
"""Decodes bytes without `MARK`. Raises `ValueError`: `msgspec.DecodeError` or `UnicodeDecodeError`."""

MARK: Final = b'"$"'
"""Marks the encoding of a type that JSON lacks."""


class UnstorableValue(PicklableError, TypeError):
    """A value that cannot be stored. The message names its place: `data['cart'][0]`."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        super().__init__(
            f"session.{place}: {reason}. A session can hold the types of JSON, and datetime, UUID, Decimal and bytes."
        )


class UnreadableValue(ValueError):
    """Stored bytes that kick has not encoded."""


def encode(key: str, value: Any) -> bytes:
    """Encode `value`, which is stored under `key`.

    >>> encode("cart", {"items": [1, 2], "since": datetime(2026, 1, 1)})
    b'{"items":[1,2],"since":{"$":["datetime","2026-01-01T00:00:00"]}}'

    Raises `UnstorableValue`, whose message names the place.
    """
    plain = value if type(value) in PLAIN_TYPES else _plain(value, f"data[{key!r}]", MAX_DEPTH)
    try:
        return _encoder.encode(plain)
    except UnicodeEncodeError:
        raise UnstorableValue(f"data[{key!r}]", "text with a lone surrogate has no UTF-8 form") from None
    except ValueError as error:
        raise UnstorableValue(f"data[{key!r}]", str(error)) from None


def decode(raw: bytes) -> Any:
    """Decode what `encode` has returned.

    >>> decode(b'{"items":[1,2],"since":{"$":["datetime","2026-01-01T00:00:00"]}}')
    {'items': [1, 2], 'since': datetime.datetime(2026, 1, 1, 0, 0)}

    Raises `UnreadableValue` for bytes that `encode` did not make.
    """
    try:
        value = decode_json(raw)
        return _revive(value) if MARK in raw else value
    except (AttributeError, KeyError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise UnreadableValue(f"not a session value: {error}") from error


def same(left: bytes, right: bytes) -> bool:
    """Return true if two encodings have equal values; the order of the keys of dicts does not matter.

    >>> same(b'{"a":1,"b":2}', b'{"b":2,"a":1}'), same(b"1", b"1.0")
    (True, False)
    """
    if left == right:
        return True
    if len(left) != len(right) or left[:1] not in (b"{", b"["):
        return False
    try:
        return _sorting_encoder.encode(decode_json(left)) == _sorting_encoder.encode(decode_json(right))
    except ValueError:
        return False


_TAGS: Final[dict[type, Callable[[Any], Any]]] = {
    datetime: lambda value: {"$": ["datetime", _isoformat(value)]},
    UUID: lambda value: {"$": ["uuid", value.hex]},
    Decimal: lambda value: {"$": ["decimal", str(value)]},
    bytes: lambda value: {"$": ["bytes", base64.b64encode(value).decode()]},
}

_REVIVERS: Final[dict[str, Callable[[Any], Any]]] = {
    "datetime": lambda text: _from_isoformat(text),
    "uuid": UUID,
    "decimal": Decimal,
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "dict": lambda value: {key: _revive(each) for key, each in value.items()},
}


def _plain(value: Any, place: str, depth: int) -> Any:
    """Return `value` with types of JSON only; a copy where something has to change."""
    if depth == 0:
        raise UnstorableValue(place, f"nested deeper than {MAX_DEPTH} levels, or holding itself")
    kind = type(value)
    if kind in PLAIN_TYPES:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise UnstorableValue(place, f"{value!r} is not a finite number")
        return value
    if kind is list or kind is tuple:
        return [_plain(each, f"{place}[{index}]", depth - 1) for index, each in enumerate(value)]
    if kind is dict:
        return _plain_dict(value, place, depth)
    tag = _TAGS.get(kind)
    if tag is None:
        return _plain(underneath(value, place), place, depth)
    return tag(value)


def underneath(value: Any, place: str) -> Any:
    """Return the value of an enum, or an object of a subclass as its base type. Raises `UnstorableValue`."""
    if isinstance(value, enum.Enum):  # before the other bases: an enum may also be a str
        return value.value
    for base, reduce in _BASES.items():
        if isinstance(value, base):
            return reduce(value)
    raise UnstorableValue(place, f"a value of type {type(value).__qualname__} cannot be stored")


def plain_text(text: str) -> str:
    """Return the plain `str` of a `str` subclass; for an enum, that of its value.

    >>> plain_text(enum.StrEnum("Role", {"ADMIN": "admin"}).ADMIN)
    'admin'
    """
    return str.__str__(text)


# The methods are those of the base: what a subclass makes of them is how it is shown, not what it holds. An exception
# is `items`, because an `OrderedDict` has an order of its own; it is looked up on the class, because some dicts show
# their keys as attributes.
_BASES: Final[dict[type, Callable[[Any], Any]]] = {
    str: plain_text,
    int: int.__int__,
    float: float.__float__,
    dict: lambda value: dict(type(value).items(value)),
    list: lambda value: [*list.__iter__(value)],
    tuple: lambda value: [*tuple.__iter__(value)],
    datetime: lambda value: datetime.combine(datetime.date(value), datetime.timetz(value)),
    UUID: lambda value: UUID(int=value.int),
    Decimal: Decimal,
    bytes: lambda value: b"".join([value]),
}


def _plain_dict(value: dict[Any, Any], place: str, depth: int) -> dict[str, Any]:
    for key in value:
        if type(key) is not str:
            value = _with_plain_keys(value, place)
            break
    plain = {key: _plain(each, f"{place}[{key!r}]", depth - 1) for key, each in value.items()}
    return {"$": ["dict", plain]} if "$" in plain else plain


def _with_plain_keys(value: dict[Any, Any], place: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, each in value.items():
        if not isinstance(key, str):
            raise UnstorableValue(place, f"the key {key!r} is not a str")
        text = plain_text(key)
        if text in plain:
            raise UnstorableValue(place, f"the key {text!r} is there twice")
        plain[text] = each
    return plain


def _revive(value: Any) -> Any:
    if type(value) is list:
        return [_revive(each) for each in value]
    if type(value) is dict:
        if "$" in value:
            name, stored = value["$"]
            return _REVIVERS[name](stored)
        return {key: _revive(each) for key, each in value.items()}
    return value


def _isoformat(value: datetime) -> str:
    return value.isoformat() + (";fold" if value.fold else "")


def _from_isoformat(text: str) -> datetime:
    text, _, fold = text.partition(";")
    value = datetime.fromisoformat(text)
    return value.replace(fold=1) if fold else value
