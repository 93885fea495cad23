"""From the texts of a query string or form to the values that a type is made of; what to expect is decided once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from msgspec import inspect as types
from starlette.datastructures import QueryParams
from starlette.types import Scope

from kick.http.codec import malformed

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
_TRUTH: Final = {"on": "true", "off": "false", "yes": "true", "no": "false"}


class Texts(Protocol):
    """Several texts by name: a query string, a form."""

    def getlist(self, key: Any) -> list[Any]:
        """All the values of a name."""
        ...

    def __getitem__(self, key: Any) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


def query_of(scope: Scope) -> QueryParams:
    """The query string as a multi-dict.

    >>> query_of({"query_string": b"tag=a&tag=caf%C3%A9"}).getlist("tag")
    ['a', 'café']

    Raises `BadRequest` for what is not UTF-8.
    """
    try:
        text = scope["query_string"].decode()
        return QueryParams(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise malformed("query", "The query string is not UTF-8.", "Expected UTF-8", "encoding") from None


def collector(hint: Any) -> Callable[[Texts], dict[str, Any]]:
    """How texts are gathered for the type `hint`: lists where it has lists, the last one of a name elsewhere.

    A number that is left empty counts as left out, and a switch may be `on`, as browsers send it.

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

    def collect(texts: Texts) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in texts:
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


def has_names(hint: Any) -> bool:
    """Whether a type is one of objects: what has names and values, as a query string and a form have.

    >>> has_names(dict[str, int]), has_names(int), has_names(list[int])
    (True, False, False)
    """
    return any(isinstance(kind, _NAMED) and not getattr(kind, "array_like", False) for kind in _kinds(hint))


def _all_texts(texts: Texts) -> dict[str, Any]:
    return {name: texts[name] for name in texts}


def _all_lists(texts: Texts) -> dict[str, Any]:
    return {name: texts.getlist(name) for name in texts}


def _fields_of(hint: Any) -> dict[str, list[types.Type]] | None:
    """The kinds of each field by its name on the wire; `None` for what has no fields."""
    model: Any = getattr(hint, "model_fields", None)
    if model is not None:
        return {field.alias or name: _kinds(field.annotation) for name, field in model.items()}
    fields: dict[str, list[types.Type]] = {}
    for kind in _kinds(hint):
        for field in getattr(kind, "fields", ()):
            fields.setdefault(field.encode_name, []).extend(_flat(field.type))
    return fields or None


def _holds_lists(hint: Any) -> bool:
    return any(isinstance(kind, types.DictType) and _any(_flat(kind.value_type), _SEVERAL) for kind in _kinds(hint))


def _kinds(hint: Any) -> list[types.Type]:
    try:
        return _flat(types.type_info(hint))
    except (TypeError, NameError):
        return [types.AnyType()]


def _flat(kind: types.Type) -> list[types.Type]:
    """The kinds a value may have, without what is only said about them."""
    while isinstance(kind, types.Metadata):
        kind = kind.type
    return [each for one in kind.types for each in _flat(one)] if isinstance(kind, types.UnionType) else [kind]


def _any(kinds: list[types.Type], wanted: Any) -> bool:
    return any(isinstance(kind, wanted) for kind in kinds)
