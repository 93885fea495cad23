"""Collecting the texts of a query string or form for the fields of a type. The rules are decided at start-up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, get_args, get_origin

from msgspec import DecodeError
from msgspec import inspect as types
from starlette.datastructures import QueryParams
from starlette.types import Scope

from kick.cookies import percent_decoded
from kick.http.validation.json_text import decode_extreme, is_too_deep, malformed
from kick.http.validation.pydantic_types import Shape, is_model, root_of, wire_names
from kick.http.validation.type_parts import Field, fields_of, info_of, members_of, plain

_SEVERAL: Final = (
    types.ListType,
    types.SetType,
    types.FrozenSetType,
    types.TupleType,
    types.VarTupleType,
    types.CollectionType,
)
_TEXTUAL: Final = (types.StrType, types.LiteralType, types.EnumType, types.AnyType, types.BytesType, types.RawType)
_NAMED: Final = (
    types.StructType,
    types.DataclassType,
    types.TypedDictType,
    types.DictType,
    types.AnyType,
    types.CustomType,
)
_OBJECTS: Final = (types.StructType, types.DataclassType, types.TypedDictType, types.DictType)
_TEXT: Final = types.StrType()
_TRUTH: Final = {"on": "true", "off": "false", "yes": "true", "no": "false"}

MOST_FIELDS: Final = 1000
"""Most fields of a form or a query string."""


class Texts(Protocol):
    """A mapping from names to several texts: a query string or a form."""

    def getlist(self, key: Any) -> list[Any]:
        """All the values of a name."""
        ...

    def multi_items(self) -> list[tuple[Any, Any]]:
        """All names, each with one of its values."""
        ...

    def __getitem__(self, key: Any) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


def query_of(scope: Scope) -> QueryParams:
    """Return the query string as a multi-dict.

    >>> query_of({"query_string": b"tag=a&tag=caf%C3%A9"}).getlist("tag")
    ['a', 'café']

    Raises `BadRequest` if it is not UTF-8, or has more than 1000 fields.
    """
    text: bytes = scope["query_string"]
    if text.count(b"&") >= MOST_FIELDS:
        detail = f"The query string has more than {MOST_FIELDS} fields."
        raise malformed("query", detail, "Too many fields", "length")
    try:
        return QueryParams(decoded_pairs(text))
    except UnicodeDecodeError:
        raise malformed("query", "The query string is not UTF-8.", "Expected UTF-8", "encoding") from None


def decoded_pairs(text: bytes) -> list[tuple[str, Any]]:
    """Return the names and values in a query string or form (URL Living Standard, section 5.1).

    >>> decoded_pairs(b"name=Ada+L.&&tag=%C3%A9")
    [('name', 'Ada L.'), ('tag', 'é')]

    Raises `UnicodeDecodeError` for text that is not UTF-8.
    """
    pairs = [pair.partition(b"=") for pair in text.replace(b"+", b" ").split(b"&") if pair]
    return [(percent_decoded(name).decode(), percent_decoded(value).decode()) for name, _, value in pairs]


def collector(hint: Any) -> Callable[[Texts], dict[str, Any]]:
    """Return a function that collects form or query fields for a type: all values for list fields, else the last.

    An empty text for a number is ignored, and a boolean may be `on`, as browsers send it. A form is flat, so a field
    whose type is an object is read from JSON (OpenAPI 3.1, "Encoding Object").

    >>> from msgspec import Struct
    >>> class Search(Struct):
    ...     tag: list[str] = []
    ...     page: int = 1
    ...     exact: bool = False
    >>> collector(Search)(QueryParams("tag=a&tag=b&page=&exact=on"))
    {'tag': ['a', 'b'], 'exact': 'true'}
    """
    fields = _fields_of(hint)
    if fields is None:
        return _all_lists if _holds_lists(hint) else _all_texts
    several = frozenset(name for name, kinds in fields.items() if _any(kinds, _SEVERAL))
    switches = frozenset(name for name, kinds in fields.items() if _any(kinds, types.BoolType))
    plain = several | {name for name, kinds in fields.items() if _any(kinds, _TEXTUAL)}
    objects = object_fields(hint)

    def collect(texts: Texts) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in texts:
            if name in objects:
                several_values = texts.getlist(name)
                values[name] = _from_json(several_values) if name in several else _from_json(several_values[-1:])[0]
                continue
            if name in several:
                values[name] = texts.getlist(name)
                continue
            value = texts[name]
            if name in plain or name not in fields:
                values[name] = value
            elif value != "":
                values[name] = _TRUTH.get(value, value) if name in switches else value
        return values

    return collect


def value_collector(hint: Any) -> Callable[[list[str]], Any]:
    """Return a function that makes one value of all texts of a name, by the rules of `collector`; `None` for no value.

    >>> collect = value_collector(bool)
    >>> collect(["off", "on"]), collect([""]), value_collector(list[int])(["1", "2"]), value_collector(str)([""])
    ('true', None, ['1', '2'], '')
    """
    kinds = kinds_of(hint)
    if _any(kinds, _SEVERAL):
        return lambda texts: texts or None
    if _any(kinds, _TEXTUAL):
        return lambda texts: texts[-1] if texts else None
    spelled = _TRUTH if _any(kinds, types.BoolType) else {}
    return lambda texts: spelled.get(texts[-1], texts[-1]) if texts and texts[-1] else None


def has_names(hint: Any) -> bool:
    """Return whether values of a type have names and values, as a query string and a form have.

    >>> has_names(dict[str, int]), has_names(int), has_names(list[int])
    (True, False, False)
    """
    return any(isinstance(kind, _NAMED) and not getattr(kind, "array_like", False) for kind in kinds_of(hint))


def object_fields(hint: Any) -> frozenset[str]:
    """Return the names of the fields that are objects or lists of objects, which are JSON in a form.

    >>> from msgspec import defstruct
    >>> sorted(object_fields(defstruct("Order", [("name", str), ("address", dict[str, str]), ("stops", list[dict])])))
    ['address', 'stops']
    """
    return frozenset(name for name, kinds in (_fields_of(hint) or {}).items() if _holds_objects(kinds))


def has_items(hint: Any) -> bool:
    """Return whether a type has several values: a list, tuple or set.

    >>> has_items(list[int] | None), has_items(str)
    (True, False)
    """
    return _any(kinds_of(hint), _SEVERAL)


def _from_json(texts: list[Any]) -> list[Any]:
    """Return the values of JSON texts. What is not JSON, or nested too deeply, is kept: validation rejects its type."""
    values: list[Any] = []
    for text in texts:
        try:
            values.append(text if is_too_deep(text) else decode_extreme(text))
        except (DecodeError, TypeError, UnicodeEncodeError, RecursionError):
            values.append(text)
    return values


def _holds_objects(kinds: list[types.Type]) -> bool:
    """Return whether a field accepts objects, or a list of them, and no text."""
    inner = [each for kind in kinds if isinstance(kind, _SEVERAL) for each in _flat(getattr(kind, "item_type", _TEXT))]
    return not _any([*kinds, *inner], _TEXTUAL) and any(map(_is_object, [*kinds, *inner]))


def _is_object(kind: types.Type) -> bool:
    return isinstance(kind, _OBJECTS) or hasattr(getattr(kind, "cls", None), "__pydantic_validator__")


def _all_texts(texts: Texts) -> dict[str, Any]:
    return {name: texts[name] for name in texts}


def _all_lists(texts: Texts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in texts.multi_items():  # not `getlist()` of each name, which goes through all of them
        found.setdefault(name, []).append(value)
    return found


def _fields_of(hint: Any) -> dict[str, list[types.Type]] | None:
    """Return the kinds of each field by its name on the wire; `None` for a type without fields."""
    fields: dict[str, list[types.Type]] = {}
    for member in members_of(hint):
        inner = plain(member)
        if is_model(inner):
            root = root_of(inner)
            named = list(_of_model(inner)) if root is inner else list((_fields_of(root) or {}).items())
        else:
            named = [(field.wire_name, kinds_of(field.hint)) for field in _fields_in(inner)]
        for name, kinds in named:
            fields.setdefault(name, []).extend(kinds)
    return fields or None


def _fields_in(hint: Any) -> Iterable[Field]:
    try:
        return fields_of(hint) or ()
    except (TypeError, NameError):
        return ()


def _of_model(cls: Any) -> Iterator[tuple[str, list[types.Type]]]:
    """Return the names on the wire of the fields of a model, with the kinds that clients send."""
    for field, name, shape in wire_names(cls):
        if shape is Shape.WHOLE:
            yield name, kinds_of(cls.__pydantic_fields__[field].annotation)
        else:
            yield name, [types.ListType(_TEXT) if shape is Shape.ITEM else types.DictType(_TEXT, types.AnyType())]


def _holds_lists(hint: Any) -> bool:
    kinds = [kind for member in members_of(hint) for kind in kinds_of(root_of(plain(member)))]
    return any(isinstance(kind, types.DictType) and _any(_flat(kind.value_type), _SEVERAL) for kind in kinds)


def kinds_of(hint: Any) -> list[types.Type]:
    """Return the kinds a value of a type may have; anything, for a type that msgspec does not know.

    >>> [type(kind).__name__ for kind in kinds_of(int | None)]
    ['IntType', 'NoneType']
    """
    return [kind for member in members_of(hint) for kind in _kinds_of_member(member)]


def _kinds_of_member(hint: Any) -> list[types.Type]:
    try:
        return _flat(info_of(hint))
    except (TypeError, NameError):  # unions of models, and whatever holds one, are beyond msgspec
        inner = plain(hint)
        origin, args = get_origin(inner), [types.UnionType(tuple(kinds_of(each))) for each in get_args(inner)]
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return [types.DictType(_TEXT, args[-1])]
        if isinstance(origin, type) and issubclass(origin, Collection):
            return [types.ListType(args[0])]
        return [types.DataclassType(inner, ()) if _fields_in(inner) else types.AnyType()]


def _flat(kind: types.Type) -> list[types.Type]:
    """Return the kinds a value may have, without their metadata."""
    while isinstance(kind, types.Metadata):
        kind = kind.type
    return [each for one in kind.types for each in _flat(one)] if isinstance(kind, types.UnionType) else [kind]


def _any(kinds: list[types.Type], wanted: Any) -> bool:
    return any(isinstance(kind, wanted) for kind in kinds)
