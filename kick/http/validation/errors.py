"""Finding all errors of an invalid value with their locations, after msgspec has rejected it.

msgspec reports the first error and its place. Everything before this place is valid, so only the parts after it are
validated again, in blocks. An invalid value costs a small multiple of a valid one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_origin

import msgspec
from msgspec import inspect as types

from kick.exceptions import FieldError
from kick.http.validation.type_parts import info_of

MOST_ERRORS: Final = 100
MOST_CHARACTERS: Final = 100_000
BLOCK: Final = 256
"""Items that are validated in one call. After an error, the rest of the block is validated again."""
MOST_KEYS: Final = 5000
"""Most keys that are checked one by one, because parsing keys again is expensive. Keys of type `str` need no check."""
MOST_REPEATS: Final = 3
"""Most levels of nested dictionaries that are searched, because msgspec does not report their keys."""

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
_AT: Final = " - at `"
_OF_KEY: Final = "key` in `"
_INDEX: Final = re.compile(r"\[(\d+)\]")
_ANY_KEY: Final = "[...]"

_MISSING: Final = object()

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
    """A step on the path to a part of a value. The whole path is built only for an error."""

    above: Place | None
    step: object


class ErrorFinder:
    """Finds all errors in values of a type. Information about the type is computed once and kept.

    >>> class Item(msgspec.Struct):
    ...     name: str
    ...     price: int
    >>> finder = ErrorFinder(dict[str, list[Item]])
    >>> for error in finder.errors({"items": [{"name": 1}]}, "/body", "Expected `str` - at `$[...][0].name`"):
    ...     print(error["location"], error["code"])
    /body/items/0/name type
    /body/items/0/price missing
    """

    def __init__(self, hint: Any, *, strict: bool = True) -> None:
        self._hint = hint
        self._strict = strict
        self._root: types.Type | None = None
        self._hints: dict[int, Any] = {}

    def errors(self, value: Any, location: str, message: str) -> list[FieldError]:
        """Return the errors in a value, at most `MOST_ERRORS`; `message` is msgspec's message of the first one."""
        if self._root is None:
            self._root = info_of(self._hint)
        walk = _Walk(location, self._strict, self._hints)
        try:
            walk.into(value, self._root, None, Failure.of(message))
        except (_Enough, RecursionError, TypeError, ArithmeticError):  # a NaN cannot be hashed or compared
            pass
        return walk.errors or [_as_error(location, Failure.of(message).text)]


def hint_of(info: Any) -> Any:
    """Return the type that an entry of `msgspec.inspect` describes, with its constraints.

    >>> hint_of(msgspec.inspect.type_info(dict[str, Annotated[int, msgspec.Meta(ge=0)]]))
    dict[str, typing.Annotated[int, msgspec.Meta(ge=0)]]
    """
    while isinstance(info, types.Metadata):
        info = info.type
    if isinstance(info, types.UnionType):
        return Union[tuple(map(hint_of, info.types))]  # noqa: UP007  # made of what is known at run time only
    if isinstance(info, types.LiteralType):
        return Literal[info.values]
    if isinstance(info, types.TupleType):
        return tuple.__class_getitem__(tuple(map(hint_of, info.item_types)))
    plain = _PLAIN.get(type(info), _PLAIN)
    if plain is _PLAIN:
        plain = getattr(info, "cls", None) or _standard(type(info).__name__)
    elif isinstance(info, types.VarTupleType):
        plain = tuple.__class_getitem__((hint_of(info.item_type), ...))
    elif isinstance(info, types.CollectionType):
        plain = plain.__class_getitem__(hint_of(info.item_type))
    elif isinstance(info, types.DictType):
        plain = dict.__class_getitem__((hint_of(info.key_type), hint_of(info.value_type)))
    said = {name: getattr(info, name, None) for name in _CONSTRAINTS}
    said = {name: value for name, value in said.items() if value is not None}
    return Annotated[plain, msgspec.Meta(**said)] if said else plain


def error_of_key(location: str, failure: Failure) -> FieldError:
    """Return the error of a dictionary for a key that does not fit.

    >>> error_of_key("/body", Failure("Expected `int`, got `str`", "", is_key=True))["message"]
    'Expected `int`, got `str`, as a key'
    """
    return _as_error(location, _said_of_key(failure))


def _said_of_key(failure: Failure) -> str:
    return f"{failure.text}, as a key"


def pointer(start: str, *steps: object) -> str:
    """Return a JSON Pointer (RFC 6901) from `start` on.

    >>> pointer("/body", "a/b", 0)
    '/body/a~1b/0'
    """
    return start + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def location_of(start: str, place: Place | None) -> str:
    """Return the JSON Pointer of a place, from `start` on.

    >>> location_of("/body", Place(Place(None, "items"), 0))
    '/body/items/0'
    """
    steps: list[object] = []
    while place is not None:
        steps.append(place.step)
        place = place.above
    return pointer(start, *reversed(steps))


class FoundErrors:
    """Errors of one value. They are bounded in number and in size: the path of each may have a long key of a client.

    >>> found = FoundErrors("/body")
    >>> found.add(Place(None, "k" * MOST_CHARACTERS), "Expected `int`", "type")
    >>> found.is_full, len(found.listed)
    (True, 1)
    """

    __slots__ = ("_room", "_start", "listed")

    def __init__(self, start: str) -> None:
        self.listed: list[FieldError] = []
        self._start = start
        self._room = MOST_CHARACTERS

    def add(self, place: Place | None, message: str, code: str | None = None) -> None:
        """Add the error at a place; the code is that of the message, unless it is given."""
        self.take(_as_error(location_of(self._start, place), message, code))

    def take(self, error: FieldError) -> None:
        """Add an error that has its location."""
        self._room -= len(error["location"]) + len(error["message"])
        self.listed.append(error)

    @property
    def is_full(self) -> bool:
        """True if no more errors are wanted."""
        return len(self.listed) >= MOST_ERRORS or self._room < 0


class _Enough(Exception):
    """Raised when enough errors are found."""


class Failure(NamedTuple):
    """The first error in a value: its message, and the path from the value to it."""

    text: str
    way: str
    is_key: bool = False

    @classmethod
    def of(cls, message: str) -> Failure:
        """Parse the message of a `ValidationError`.

        >>> Failure.of("Expected `int`, got `str` - at `$.items[3]`")
        Failure(text='Expected `int`, got `str`', way='.items[3]', is_key=False)

        A message may quote what a client has sent. It is read from its end, because an expression that tries each
        " - at `" would take quadratic time.
        """
        text, _, place = message.rpartition(_AT)
        way = place.removeprefix(_OF_KEY)
        if not text or way[:1] != "$" or way[-1] != "`":
            return cls(message, "")
        return cls(text, way[1:-1], way is not place)

    def behind(self, step: str) -> Failure:
        """Return the failure with the path that remains after a step."""
        return self._replace(way=self.way[len(step) :])


class _Walk:
    """Collects the errors in one value. Each part is validated once, together with as many other parts as possible."""

    def __init__(self, start: str, strict: bool, hints: dict[int, Any]) -> None:
        self._found = FoundErrors(start)
        self.errors = self._found.listed
        self._strict = strict
        self._hints = hints
        self._repeats = 0

    def into(self, value: Any, info: types.Type, place: Place | None, failure: Failure) -> None:
        """Add the errors in a value that msgspec has rejected with `failure`."""
        before = len(self.errors)
        self._search(value, info, place, failure)
        if len(self.errors) == before:  # all parts are valid, so the error belongs to the whole
            cls = getattr(info, "cls", None)
            checks = hasattr(cls, "__post_init__") or hasattr(cls, "__attrs_attrs__")
            self._note(place, failure.text, "invalid" if checks and isinstance(value, Mapping) else None)

    def _search(self, value: Any, info: types.Type, place: Place | None, failure: Failure) -> None:
        while isinstance(info, types.Metadata):
            info = info.type
        if isinstance(info, types.UnionType):
            self._union(value, info, place, failure)
        elif isinstance(value, Mapping):
            if isinstance(info, _CLASSES) and not _by_position(info):
                self._fields(value, info, place, failure)
            elif isinstance(info, types.DictType):
                self._dict(value, info, place, failure)
        elif isinstance(value, list | tuple):
            if isinstance(info, types.CollectionType):
                self._items(value, range(len(value)), info.item_type, place, failure)
            elif isinstance(info, types.TupleType) and len(info.item_types) == len(value):
                self._parts(value, dict(enumerate(info.item_types)), place, failure)
            elif _by_position(info):
                self._positions(value, info, place, failure)

    def _check(self, value: Any, info: types.Type, place: Place | None) -> None:
        failure = self._failure(value, self._hint(info))
        if failure is not None:
            self.into(value, info, place, failure)

    def _failure(self, value: Any, hint: Any) -> Failure | None:
        try:
            msgspec.convert(value, hint, strict=self._strict, str_keys=True)
        except (msgspec.ValidationError, TypeError) as error:
            return Failure.of(str(error))
        return None

    def _hint(self, info: types.Type) -> Any:
        hint = self._hints.get(id(info), _MISSING)
        if hint is _MISSING:
            hint = self._hints[id(info)] = hint_of(info)
        return hint

    def _union(self, value: Any, info: types.UnionType, place: Place | None, failure: Failure) -> None:
        kinds = info.types
        if isinstance(value, Mapping):
            objects = [kind for kind in kinds if isinstance(kind, _OBJECTS) and not _by_position(kind)]
            if len(objects) == 1:
                self.into(value, objects[0], place, failure)
            elif objects:
                self._tagged(value, objects, place, failure)
        elif isinstance(value, list):
            arrays = [kind for kind in kinds if isinstance(kind, _ARRAYS) or _by_position(kind)]
            chosen = next((kind for kind in arrays if value and getattr(kind, "tag", None) == value[0]), None)
            if chosen is not None or len(arrays) == 1:
                self.into(value, chosen or arrays[0], place, failure)

    def _tagged(self, value: Mapping[Any, Any], kinds: list[Any], place: Place | None, failure: Failure) -> None:
        """Add the errors of a tagged union of Structs."""
        field = next((kind.tag_field for kind in kinds if getattr(kind, "tag_field", None)), None)
        if field is None:
            return
        chosen = [kind for kind in kinds if getattr(kind, "tag", _MISSING) == value.get(field)]
        if field not in value:
            self._note(Place(place, field), "This field is required", "missing")
        elif chosen:
            self.into(value, chosen[0], place, failure)
        else:
            self._note(Place(place, field), f"Invalid value {value[field]!r}")

    def _fields(self, value: Mapping[Any, Any], info: Any, place: Place | None, failure: Failure) -> None:
        tag_field = getattr(info, "tag_field", None)
        if tag_field is not None and value.get(tag_field, info.tag) != info.tag:
            self._note(Place(place, tag_field), f"Invalid value {value[tag_field]!r}")
        fields = {field.encode_name: field for field in info.fields}
        valid = self._parts(value, {name: field.type for name, field in fields.items()}, place, failure)
        for name, field in fields.items():
            if field.required and name not in value:
                self._note(Place(place, name), "This field is required", "missing")
        if getattr(info, "forbid_unknown_fields", False):
            for name in value:
                if name not in fields and name != tag_field:
                    self._note(Place(place, name), "There is no such field", "unknown")
        self._attrs_checks(info, {name: value[name] for name in valid}, place)

    def _positions(self, value: Any, info: Any, place: Place | None, failure: Failure) -> None:
        """Add the errors of a Struct that is sent as an array, or of a named tuple."""
        first = 0 if getattr(info, "tag", None) is None else 1
        fields = dict(enumerate(info.fields, first))
        self._parts(value, {index: field.type for index, field in fields.items()}, place, failure)
        for index, field in fields.items():
            if field.required and index >= len(value):
                self._note(Place(place, index), "This field is required", "missing")

    def _parts(self, value: Any, kinds: Mapping[Any, types.Type], place: Place | None, failure: Failure) -> list[Any]:
        """Check parts with a type each, in the order of the value; return the names of the valid ones."""
        names = [name for name in (value if isinstance(value, Mapping) else range(len(value))) if name in kinds]
        ways = {name: _step_to(name) for name in names}
        leading = [name for name in names if _leads_to(failure.way, ways[name])]
        failed = max(leading, key=lambda name: len(ways[name]), default=_MISSING)
        is_known, valid = bool(leading), []
        for name in names:
            before = len(self.errors)
            if name == failed:
                is_known = False
                self.into(value[name], kinds[name], Place(place, name), failure.behind(ways[name]))
            elif not is_known:
                self._check(value[name], kinds[name], Place(place, name))
            if len(self.errors) == before:
                valid.append(name)
        return valid

    def _items(
        self, items: Any, steps: Sequence[object], info: types.Type, place: Place | None, failure: Failure | None
    ) -> None:
        """Check items of one type in blocks, from the first error on; `steps` has the step of each item."""
        hint, start = list.__class_getitem__(self._hint(info)), 0
        if failure is not None and not _INDEX.match(failure.way):
            failure = None
        while start < len(items):
            failure = failure or self._failure(items[start : start + BLOCK], hint)
            match = _INDEX.match(failure.way) if failure is not None else None
            at = start + int(match[1]) if match is not None else len(items)
            if failure is None or match is None or at >= len(items):
                start += BLOCK
            else:
                self.into(items[at], info, Place(place, steps[at]), failure.behind(match[0]))
                start = at + 1
            failure = None

    def _dict(self, value: Mapping[Any, Any], info: types.DictType, place: Place | None, failure: Failure) -> None:
        keys, is_inside = list(value), failure.way.startswith(_ANY_KEY)
        is_large = len(keys) > MOST_KEYS
        if is_inside and len(keys) == 1:
            known = failure._replace(way="[0]" + failure.way[len(_ANY_KEY) :])
            self._items(list(value.values()), keys, info.value_type, place, known)
        elif failure.is_key and is_large and not is_inside:
            self._note(place, _said_of_key(failure))
        elif not is_inside or self._repeats < MOST_REPEATS:
            self._repeats += is_inside
            if not is_large and self._hint(info.key_type) is not str:
                self._keys(keys, dict.__class_getitem__((self._hint(info.key_type), Any)), place)
            self._items(list(value.values()), keys, info.value_type, place, None)
            self._repeats -= is_inside

    def _keys(self, keys: list[Any], hint: Any, place: Place | None) -> None:
        for start in range(0, len(keys), BLOCK):
            block = keys[start : start + BLOCK]
            if self._failure(dict.fromkeys(block), hint) is None:
                continue
            for key in block:
                failure = self._failure({key: None}, hint)
                if failure is not None:
                    self._note(Place(place, key), failure.text)

    def _attrs_checks(self, info: Any, found: dict[str, Any], place: Place | None) -> None:
        """Run each validator of an attrs class, because its constructor stops at the first error."""
        cls: Any = get_origin(getattr(info, "cls", None)) or getattr(info, "cls", None)
        attributes = [each for each in getattr(cls, "__attrs_attrs__", ()) if each.validator is not None]
        if not attributes:
            return
        fields = {field.name: field for field in info.fields if field.encode_name in found}
        instance = object.__new__(cls)
        for name, field in fields.items():
            value = found[field.encode_name]
            converted = msgspec.convert(value, self._hint(field.type), strict=self._strict, str_keys=True)
            object.__setattr__(instance, name, converted)
        for each in attributes:
            if each.name in fields:
                try:
                    each.validator(instance, each, getattr(instance, each.name))
                except (TypeError, ValueError) as error:
                    self._note(Place(place, fields[each.name].encode_name), _said(error), "invalid")
                except AttributeError:
                    continue  # the validator reads a field that is missing or invalid

    def _note(self, place: Place | None, message: str, code: str | None = None) -> None:
        self._found.add(place, message, code)
        if self._found.is_full:
            raise _Enough


_CLASSES: Final = (types.StructType, types.DataclassType, types.TypedDictType)
_OBJECTS: Final = (*_CLASSES, types.DictType)
_ARRAYS: Final = (types.CollectionType, types.TupleType)


def _by_position(info: Any) -> bool:
    return isinstance(info, types.NamedTupleType) or getattr(info, "array_like", False)


def _step_to(name: object) -> str:
    return f"[{name}]" if isinstance(name, int) else f".{name}"


def _leads_to(way: str, step: str) -> bool:
    """Return whether a path begins with a step; the name of a field may contain dots."""
    return way.startswith(step) and way[len(step) :][:1] in ("", ".", "[")


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
    """Return the message of an exception. Exceptions of attrs have more arguments after it."""
    return error.args[0] if error.args and isinstance(error.args[0], str) else str(error)


def _as_error(location: str, message: str, code: str | None = None) -> FieldError:
    if code is None:
        code = next((code for sign, code in _CODES if sign in message), "invalid")
    return {"location": location, "message": message, "code": code}
