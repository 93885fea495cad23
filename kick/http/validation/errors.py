"""All that is wrong with a value, not only the first thing: the second walk, taken only when there is an error.

The walk looks at each piece of the value once, whatever the value is, and stops when there is more to report than
anybody reads: an invalid body must not cost more than it weighs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_origin

import msgspec
from msgspec import inspect as types

from kick.exceptions import FieldError

MOST_ERRORS: Final = 1000
MOST_CHARACTERS: Final = 100_000

_CODES: Final = (
    ("missing required", "missing"),
    ("contains unknown field", "unknown"),
    ("Invalid enum value", "enum"),
    ("Invalid value", "value"),
    ("of length", "length"),
    ("matching regex", "pattern"),
    ("<=", "range"),
    (">=", "range"),
    ("<", "range"),
    (">", "range"),
    ("multiple of", "range"),
    ("out of range", "range"),
    ("Expected", "type"),
)
_CONSTRAINTS: Final = ("ge", "gt", "le", "lt", "multiple_of", "pattern", "min_length", "max_length", "tz")
_PATH: Final = re.compile(r"(.*) - at `\$(.*)`", re.DOTALL)
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_INVALID: Final = object()

_PLAIN: Final[dict[type[types.Type], Any]] = {
    types.AnyType: Any,
    types.NoneType: None,
    types.BoolType: bool,
    types.IntType: int,
    types.FloatType: float,
    types.StrType: str,
    types.BytesType: bytes,
    types.ByteArrayType: bytearray,
    types.MemoryViewType: memoryview,
    types.RawType: msgspec.Raw,
    types.ListType: list,
    types.SetType: set,
    types.FrozenSetType: frozenset,
    types.VarTupleType: tuple,
    types.DictType: dict,
}
_BY_NAME: Final = {"DateTimeType": "datetime", "TimeType": "time", "DateType": "date", "TimeDeltaType": "timedelta"}


class Place(NamedTuple):
    """A step on the way into a value; the way is put together only where there is an error."""

    above: Place | None
    step: object


def errors_in(value: Any, hint: Any, location: str, fallback: str, *, strict: bool = True) -> list[FieldError]:
    """Every place where `value` does not fit `hint`, up to `MOST_ERRORS`.

    >>> class Item(msgspec.Struct):
    ...     name: str
    ...     price: int
    >>> for error in errors_in({"items": [{"name": 1}]}, dict[str, list[Item]], "/body", ""):
    ...     print(error["location"], error["code"])
    /body/items/0/name type
    /body/items/0/price missing

    `fallback` is what msgspec said, in case the walk finds nothing.
    """
    walk = _Walk(location, strict)
    try:
        walk.into(value, types.type_info(hint), None)
    except (_Enough, RecursionError):
        pass
    return walk.errors or [_as_error(location, fallback)]


def pointer(start: str, *steps: object) -> str:
    """Return a JSON Pointer (RFC 6901) from `start` on.

    >>> pointer("/body", "a/b", 0)
    '/body/a~1b/0'
    """
    return start + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


class _Enough(Exception):
    """Nobody reads further errors."""


class _Walk:
    """Converts a value piece by piece, and notes each piece that cannot be converted."""

    def __init__(self, start: str, strict: bool) -> None:
        self.errors: list[FieldError] = []
        self._start = start
        self._strict = strict
        self._room = MOST_CHARACTERS

    def into(self, value: Any, info: types.Type, place: Place | None) -> Any:
        """Return the converted value, or `_INVALID`."""
        while isinstance(info, types.Metadata):
            info = info.type
        if isinstance(info, types.UnionType):
            return self._union(value, info, place)
        if isinstance(value, Mapping):
            if isinstance(info, types.StructType | types.DataclassType | types.TypedDictType) and not _by_position(
                info
            ):
                return self._fields(value, info, place)
            if isinstance(info, types.DictType):
                return self._dict(value, info, place)
        elif isinstance(value, list | tuple):
            if isinstance(info, types.CollectionType):
                return self._items(value, [info.item_type] * len(value), info, place)
            if isinstance(info, types.TupleType) and len(info.item_types) == len(value):
                return self._items(value, [*info.item_types], info, place)
            if _by_position(info):
                return self._positions(value, info, place)
        return self._piece(value, _hint_of(info), place)

    def _piece(self, value: Any, hint: Any, place: Place | None) -> Any:
        try:
            return msgspec.convert(value, hint, strict=self._strict, str_keys=True)
        except (msgspec.ValidationError, TypeError) as error:
            return self._note(place, str(error))

    def _union(self, value: Any, info: types.UnionType, place: Place | None) -> Any:
        kinds = info.types
        if isinstance(value, Mapping):
            objects = [kind for kind in kinds if isinstance(kind, _OBJECTS) and not _by_position(kind)]
            if len(objects) == 1:
                return self.into(value, objects[0], place)
            if objects:
                return self._tagged(value, objects, place)
        elif isinstance(value, list):
            arrays = [kind for kind in kinds if isinstance(kind, _ARRAYS) or _by_position(kind)]
            if len(arrays) == 1:
                return self.into(value, arrays[0], place)
            chosen = next((kind for kind in arrays if value and getattr(kind, "tag", None) == value[0]), None)
            if chosen is not None:
                return self.into(value, chosen, place)
        return self._piece(value, _hint_of(info), place)

    def _tagged(self, value: Mapping[Any, Any], kinds: list[Any], place: Place | None) -> Any:
        """One of several Structs, which a field tells apart."""
        field = next((kind.tag_field for kind in kinds if getattr(kind, "tag_field", None)), None)
        if field is None:
            return self._piece(value, _any_of(kinds), place)
        if field not in value:
            return self._note(Place(place, field), "This field is required", "missing")
        for kind in kinds:
            if getattr(kind, "tag", None) == value[field]:
                return self.into(value, kind, place)
        return self._note(Place(place, field), f"Invalid value {value[field]!r}")

    def _fields(self, value: Mapping[Any, Any], info: Any, place: Place | None) -> Any:
        before = len(self.errors)
        found: dict[str, Any] = {}
        tag_field = getattr(info, "tag_field", None)
        if tag_field is not None and value.get(tag_field, info.tag) != info.tag:
            self._note(Place(place, tag_field), f"Invalid value {value[tag_field]!r}")
        for field in info.fields:
            if field.encode_name in value:
                inner = Place(place, field.encode_name)
                found[field.name] = self.into(value[field.encode_name], field.type, inner)
            elif field.required:
                self._note(Place(place, field.encode_name), "This field is required", "missing")
        if getattr(info, "forbid_unknown_fields", False):
            known = {tag_field, *(field.encode_name for field in info.fields)}
            for name in value:
                if name not in known:
                    self._note(Place(place, name), "There is no such field", "unknown")
        self._attrs_checks(info, {name: each for name, each in found.items() if each is not _INVALID}, place)
        return _INVALID if len(self.errors) > before else self._made(info, found, place)

    def _positions(self, value: list[Any] | tuple[Any, ...], info: Any, place: Place | None) -> Any:
        """Return a Struct that is sent as an array, and a named tuple."""
        before = len(self.errors)
        first = 0 if getattr(info, "tag", None) is None else 1
        found: dict[str, Any] = {}
        for index, field in enumerate(info.fields, first):
            if index < len(value):
                found[field.name] = self.into(value[index], field.type, Place(place, index))
            elif field.required:
                self._note(Place(place, index), "This field is required", "missing")
        if len(self.errors) > before:
            return _INVALID
        return self._piece(value, _hint_of(info), place) if first else self._made(info, found, place)

    def _items(self, value: Any, kinds: list[types.Type], info: Any, place: Place | None) -> Any:
        before = len(self.errors)
        items = [
            self.into(each, kind, Place(place, index))
            for index, (each, kind) in enumerate(zip(value, kinds, strict=True))
        ]
        if len(self.errors) > before:
            return _INVALID
        if isinstance(info, types.TupleType):
            return tuple(items)
        return self._piece(items, _hint_of(info), place)

    def _dict(self, value: Mapping[Any, Any], info: types.DictType, place: Place | None) -> Any:
        before = len(self.errors)
        found: dict[Any, Any] = {}
        key_hint: Any = dict.__class_getitem__((_hint_of(info.key_type), Any))
        for key, each in value.items():
            inner = Place(place, key)
            known = self._piece({key: None}, key_hint, inner)
            converted = self.into(each, info.value_type, inner)
            if known is not _INVALID:
                found[next(iter(known))] = converted
        return _INVALID if len(self.errors) > before else self._piece(found, _hint_of(info), place)

    def _made(self, info: Any, found: dict[str, Any], place: Place | None) -> Any:
        """Return an instance, so that what its class has to say about the whole is heard."""
        cls: Any = get_origin(info.cls) or info.cls
        attributes = getattr(cls, "__attrs_attrs__", ())
        if attributes:
            found = {each.alias: found[each.name] for each in attributes if each.init and each.name in found}
        try:
            return cls(**found)
        except (TypeError, ValueError) as error:
            checks = attributes or hasattr(cls, "__post_init__")
            return self._note(place, _said(error), "invalid") if checks else found

    def _attrs_checks(self, info: Any, found: dict[str, Any], place: Place | None) -> None:
        """Ask each validator of an attrs class: its constructor stops at the first one that objects."""
        cls: Any = get_origin(getattr(info, "cls", None)) or getattr(info, "cls", None)
        attributes = [each for each in getattr(cls, "__attrs_attrs__", ()) if each.validator is not None]
        if not attributes:
            return
        names = {field.name: field.encode_name for field in info.fields}
        instance = object.__new__(cls)
        for name, value in found.items():
            object.__setattr__(instance, name, value)
        for each in attributes:
            if each.name in found:
                try:
                    each.validator(instance, each, found[each.name])
                except (TypeError, ValueError) as error:
                    self._note(Place(place, names[each.name]), _said(error), "invalid")
                except AttributeError:
                    continue  # it looks at a field that is missing, or wrong itself

    def _note(self, place: Place | None, message: str, code: str | None = None) -> Any:
        steps: list[object] = []
        while place is not None:
            steps.append(place.step)
            place = place.above
        error = _as_error(pointer(self._start, *reversed(steps)), message, code)
        self._room -= len(error["location"]) + len(error["message"])
        self.errors.append(error)
        if len(self.errors) >= MOST_ERRORS or self._room < 0:
            raise _Enough
        return _INVALID


_OBJECTS: Final = (types.StructType, types.DataclassType, types.TypedDictType, types.DictType)
_ARRAYS: Final = (types.CollectionType, types.TupleType)


def _by_position(info: Any) -> bool:
    return isinstance(info, types.NamedTupleType) or getattr(info, "array_like", False)


def _any_of(kinds: Iterable[types.Type]) -> Any:
    return Union[tuple(map(_hint_of, kinds))]  # noqa: UP007  # made of what is known at run time only


def _hint_of(info: Any) -> Any:
    """Return a type that stands for a kind: with its constraints, and without what is inside of it."""
    while isinstance(info, types.Metadata):
        info = info.type
    if isinstance(info, types.UnionType):
        return _any_of(info.types)
    if isinstance(info, types.LiteralType):
        return Literal[info.values]
    if isinstance(info, types.TupleType):
        return tuple[(Any,) * len(info.item_types)]  # type: ignore[misc]
    plain = _PLAIN.get(type(info), _PLAIN)
    if plain is _PLAIN:
        plain = getattr(info, "cls", None) or _standard(type(info).__name__)
    said = {name: getattr(info, name, None) for name in _CONSTRAINTS}
    said = {name: value for name, value in said.items() if value is not None}
    return Annotated[plain, msgspec.Meta(**said)] if said else plain


def _standard(kind: str) -> Any:
    import datetime
    import decimal
    import uuid

    if kind == "UUIDType":
        return uuid.UUID
    if kind == "DecimalType":
        return decimal.Decimal
    return getattr(datetime, _BY_NAME[kind]) if kind in _BY_NAME else Any


def _said(error: Exception) -> str:
    """Return the message of an exception; those of attrs have the attribute and more beside it."""
    return error.args[0] if error.args and isinstance(error.args[0], str) else str(error)


def _as_error(location: str, message: str, code: str | None = None) -> FieldError:
    match = _PATH.fullmatch(message)
    if match is not None:
        message, way = match.groups()
        steps = _STEP.match(way)
        while steps is not None:
            location = pointer(location, steps[1] or steps[2])
            steps = _STEP.match(way, steps.end())
    if code is None:
        code = next((code for sign, code in _CODES if sign in message), "invalid")
    return {"location": location, "message": message, "code": code}
