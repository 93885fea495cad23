"""Encoding values as JSON, by msgspec. Types with a serializer of their own are written by it, at any depth."""

from __future__ import annotations

import dataclasses
import enum
import io
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence, Set, ValuesView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import PurePath
from re import Pattern
from types import NoneType
from typing import Any, Final, TypeAlias, get_origin
from uuid import UUID

import msgspec
from starlette.requests import HTTPConnection

from kick.errors import KickError
from kick.http.validation.pydantic_types import adapter_of, has_own_schema

Encode: TypeAlias = Callable[[Any], bytes]
Encoders: TypeAlias = Mapping[type, Callable[[Any], Any]]

PLAIN: Final = frozenset(
    {str, int, float, bool, NoneType, bytes, bytearray, datetime, date, time, timedelta, UUID, Decimal, msgspec.Raw}
)
_NATIVE: Final[tuple[Any, ...]] = (
    *PLAIN - {NoneType, bool},
    msgspec.Struct,
    dict,
    list,
    tuple,
    set,
    frozenset,
    enum.Enum,
)
_AS_TEXT: Final = (
    *(PurePath, UUID, IPv4Address, IPv6Address, IPv4Network, IPv6Network),
    *(IPv4Interface, IPv6Interface),
)
_AS_LIST: Final = (Set, Sequence, ValuesView, deque, Iterator)
_NO_DEFAULT: Final = object()
_SERIALIZING: Final = "pydantic.dataclasses"
"""If this module is not loaded, no dataclass has a serializer of its own."""


class JSONEncoder:
    """Writes values as JSON; `encoders` maps types to functions, which also apply to subclasses.

    >>> class Money:
    ...     amount = 5
    >>> JSONEncoder({Money: lambda money: {"cents": money.amount}}).encode([Money()])
    b'[{"cents":5}]'
    """

    def __init__(self, encoders: Encoders | None = None) -> None:
        self._encoders = dict(encoders or {})
        self.looks_within = any(map(_is_written_by_msgspec, self._encoders))
        self.write: Encode = msgspec.json.Encoder(enc_hook=self._encode_other).encode

    def encode(self, value: Any) -> bytes:
        """Return the JSON of a value. Raises `TypeError` for a value of an unknown type."""
        if self.looks_within or _SERIALIZING in sys.modules:
            value = self._replaced(value)
        return self.write(value)

    def _replaced(self, value: Any) -> Any:
        """Return a value in which the parts with an encoder of their own are replaced by its result."""
        kind: Any = type(value)
        if self.looks_within:
            encode = self.encoder_of(kind)
            if encode is not None:
                encoded = encode(value)
                return encoded if type(encoded) is kind else self._replaced(encoded)
        if kind in PLAIN:
            return value
        if isinstance(value, dict):
            members = {self._replaced(key): self._replaced(each) for key, each in value.items()}
            return value if all(members.get(key, members) is value[key] for key in value) else members
        if isinstance(value, list | tuple | set | frozenset):
            items = [self._replaced(each) for each in value]
            return value if all(map(_is, items, value)) else items
        names = field_names(kind)
        if names is None:
            return value
        if has_own_schema(kind):
            return self._by_pydantic(value)
        found = [getattr(value, name, msgspec.UNSET) for name in names]
        fields = [self._replaced(each) for each in found]
        return value if all(map(_is, fields, found)) else record_of(kind, names)(*fields)

    def encoder_of(self, kind: type) -> Callable[[Any], Any] | None:
        """Return the encoder of the application for a type."""
        return next((self._encoders[base] for base in kind.__mro__ if base in self._encoders), None)

    def _encode_other(self, value: Any) -> Any:
        """Encode types that msgspec does not know: mappings, pydantic models, subclasses of builtins."""
        if self._encoders:
            encode = self.encoder_of(type(value))
            if encode is not None:
                encoded = encode(value)
                return self._replaced(encoded) if self.looks_within and type(encoded) is not type(value) else encoded
        if has_own_schema(type(value)):
            return self._by_pydantic(value)
        encoded = _standard(value)
        return self._replaced(encoded) if self.looks_within or _SERIALIZING in sys.modules else encoded

    def _by_pydantic(self, value: Any) -> msgspec.Raw:
        kind: Any = type(value)
        return msgspec.Raw(_serializer(kind).dump_json(value, by_alias=True, fallback=self.builtins))

    def known(self, value: Any) -> Any:
        """Return a value in a form that msgspec can write; the value itself if there is none."""
        try:
            return self._encode_other(value)
        except (TypeError, RecursionError):
            return value

    def builtins(self, value: Any) -> Any:
        """Return builtins with the same JSON as a value."""
        return msgspec.json.decode(self.encode(value))


def encoder_of(encoders: Encoders | None, problems: list[KickError]) -> JSONEncoder:
    """Return the encoder of an application; add an error in its `encoders=` to `problems`."""
    problem = encoder_problem(encoders)
    if problem is not None:
        problems.append(problem)
    return JSONEncoder(encoders) if encoders and problem is None else PLAIN_ENCODER


def encoder_problem(encoders: Any) -> KickError | None:
    """Return the error in `encoders=` of `bootstrap()`; `None` if there is none.

    >>> encoder_problem({"Money": str}).code
    'encoders'
    """
    if encoders is None:
        return None
    entries = list(encoders.items()) if isinstance(encoders, Mapping) else [(encoders, None)]
    for kind, function in entries:
        if not isinstance(kind, type) or kind is object or not callable(function):
            return KickError(
                "encoders",
                cause=f"encoders= of bootstrap() was given {kind!r}: {function!r}, no class and function.",
                fix="Give a function for each class: `encoders={Money: lambda money: str(money.amount)}`.",
            )
    return None


def _is(one: object, other: object) -> bool:
    return one is other


def _is_written_by_msgspec(kind: type) -> bool:
    """Return whether msgspec writes a class, or one of its subclasses, without calling the hook."""
    has_fields = dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")
    return has_fields or issubclass(kind, _NATIVE) or any(map(_is_written_by_msgspec, kind.__subclasses__()))


@lru_cache(maxsize=1024)
def _serializer(kind: Any) -> Any:
    return adapter_of(kind)


def _standard(value: Any) -> Any:
    """Return a value of the standard library or of numpy in a form that msgspec can write."""
    if isinstance(value, Mapping) and not isinstance(
        value, HTTPConnection
    ):  # a request of Starlette is a mapping, of its scope
        return dict(value)
    for plain in (str, int, float, Decimal):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, Pattern):
        return value.pattern
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, _AS_LIST) and not isinstance(value, tuple | io.IOBase):  # a tuple arrives here only as a key
        return list(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        array: Any = value
        plain_value = array.tolist()
        if type(plain_value) is not type(value):
            return plain_value
    raise _no_json_form(value)


def _no_json_form(value: Any) -> TypeError:
    kind = type_path(type(value))
    if isinstance(value, AsyncGenerator):
        return TypeError(f"a value of type {kind} has no JSON form: send what it yields with ctx.stream() or ctx.sse()")
    if isinstance(value, Coroutine):
        value.close()
        return TypeError("a coroutine has no JSON form: await it")
    return TypeError(f"a value of type {kind} has no JSON form: encoders= of bootstrap() can give it one")


def type_path(kind: type) -> str:
    """Return the name of a class with its module.

    >>> type_path(Decimal), type_path(int)
    ('decimal.Decimal', 'int')
    """
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def unencodable(value: Any, error: TypeError) -> TypeError:
    """Return the exception for a value that `encode_json` rejected. It names an object of kick in the value.

    msgspec encodes the fields of a Struct without calling the hook, so its own error would name a field of the object.

    >>> from kick.http import Settings
    >>> given = TypeError("a value of type Shutdown has no JSON form")
    >>> str(unencodable({"settings": Settings()}, given)).partition(":")[0]
    'a value of type kick.http.settings.Settings has no JSON form'
    """
    culprit = next((each for each in _objects_in(value, depth=8) if not _is_encodable(each)), None)
    if culprit is None:
        return error
    return _no_json_form(culprit)


def _objects_in(value: Any, *, depth: int) -> Iterator[object]:
    """Yield the objects of kick in a value, the outermost first."""
    if type(value).__module__.partition(".")[0] == "kick":
        yield value
    elif depth and isinstance(value, Mapping):
        for each in value.values():
            yield from _objects_in(each, depth=depth - 1)
    elif depth and isinstance(value, list | tuple | Set | deque):
        for each in value:
            yield from _objects_in(each, depth=depth - 1)
    elif depth and isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _objects_in(getattr(value, name), depth=depth - 1)


def _is_encodable(value: object) -> bool:
    try:
        encode_json(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


@lru_cache(maxsize=1024)
def record_of(cls: Any, names: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function that takes all fields of a class, and returns what is written as an instance is.

    `names` has the fields in their order. A Struct keeps the rules that it was defined with; no `__post_init__` runs,
    and no type is checked.

    >>> class Note(msgspec.Struct, rename="camel", omit_defaults=True, tag="note"):
    ...     note_title: str
    ...     pages: int = 0
    >>> msgspec.json.encode(record_of(Note, ("note_title", "pages"))(["any", "value"], 0))
    b'{"type":"note","noteTitle":["any","value"]}'
    """
    origin = get_origin(cls) or cls
    if not issubclass(origin, msgspec.Struct):
        return _tuple_of if issubclass(origin, tuple) else _dict_of(names)
    config = origin.__struct_config__
    fields: list[Any] = []
    renamed: dict[str, str] = {}
    for each in msgspec.structs.fields(origin):
        default: Any = msgspec.field(default=_NO_DEFAULT)  # all have one, so that all can be passed by position
        if not each.required:
            default = msgspec.field(default=each.default, default_factory=each.default_factory)  # type: ignore[call-overload]
        fields.append((each.name, Any, default))
        renamed[each.name] = each.encode_name
    return msgspec.defstruct(
        origin.__name__,
        fields,
        rename=renamed,
        omit_defaults=config.omit_defaults,
        array_like=config.array_like,
        tag=config.tag,
        tag_field=config.tag_field,
        gc=False,
    )


def _tuple_of(*values: Any) -> tuple[Any, ...]:
    return values


def _dict_of(names: tuple[str, ...]) -> Callable[..., dict[str, Any]]:
    def make(*values: Any) -> dict[str, Any]:
        pairs = zip(names, values, strict=True)
        if msgspec.UnsetType in map(type, values):
            return {name: value for name, value in pairs if value is not msgspec.UNSET}
        return dict(pairs)

    return make


def field_names(cls: Any) -> tuple[str, ...] | None:
    """Return the names of the fields that msgspec writes of an instance; `None` for a class without fields.

    >>> class Note(msgspec.Struct):
    ...     title: str
    >>> field_names(Note), field_names(str)
    (('title',), None)
    """
    if issubclass(cls, msgspec.Struct):
        names: tuple[str, ...] = cls.__struct_fields__
        return names
    fields: Any = getattr(cls, "__dataclass_fields__", None)
    if fields is not None:
        return tuple(each.name for each in dataclasses.fields(cls))
    attributes: Any = getattr(cls, "__attrs_attrs__", None)
    if attributes is not None:
        return tuple(each.name for each in attributes if not each.name.startswith("_"))
    return None


PLAIN_ENCODER: Final = JSONEncoder()
"""The encoder of an application without encoders of its own."""
encode_json: Final = PLAIN_ENCODER.encode
