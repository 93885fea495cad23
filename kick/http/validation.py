"""All that is wrong with a value, not only the first thing: the second walk, taken only when there is an error."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import msgspec
from typing_extensions import ReadOnly, is_typeddict

from kick.http.problem import FieldError

_SEVERAL: Final = frozenset({list, set, frozenset, tuple, Sequence})
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
    ("Expected", "type"),
)


def errors_in(value: Any, hint: Any, location: str, fallback: str, *, strict: bool = True) -> list[FieldError]:
    """Every place where `value` does not fit `hint`.

    >>> class Item(msgspec.Struct):
    ...     name: str
    ...     price: int
    >>> for error in errors_in({"items": [{"name": 1}]}, dict[str, list[Item]], "/body", ""):
    ...     print(error["location"], error["code"])
    /body/items/0/name type
    /body/items/0/price missing

    `fallback` is what is said when the walk finds nothing.
    """
    found = list(_walk(value, hint, location, strict))
    return found or [_error(location, fallback)]


def pointer(start: str, *steps: object) -> str:
    """A JSON Pointer (RFC 6901) from `start` on.

    >>> pointer("/body", "a/b", 0)
    '/body/a~1b/0'
    """
    return start + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _walk(value: Any, hint: Any, location: str, strict: bool) -> Iterator[FieldError]:
    try:
        msgspec.convert(value, hint, strict=strict)
        return
    except msgspec.ValidationError as error:
        message = str(error)
    inner = list(_walk_inside(value, hint, location, strict))
    if inner:
        yield from inner
    else:
        yield _error(location, message)


def _walk_inside(value: Any, hint: Any, location: str, strict: bool) -> Iterator[FieldError]:
    hint = _bare(hint, value)
    origin = get_origin(hint) or hint
    arguments = get_args(hint)
    if isinstance(value, Mapping):
        fields = _fields_of(hint)
        if fields is not None:
            yield from _walk_fields(value, fields, hint, location, strict)
        elif origin in (dict, Mapping) and len(arguments) == 2:
            for key, each in value.items():
                yield from _walk(each, arguments[1], pointer(location, key), strict)
    elif isinstance(value, list | tuple) and origin in _SEVERAL and arguments:
        fixed = origin is tuple and arguments[-1] is not Ellipsis
        hints = arguments if fixed else [arguments[0]] * len(value)
        for index, (each, each_hint) in enumerate(zip(value, hints, strict=False)):
            yield from _walk(each, each_hint, pointer(location, index), strict)


def _walk_fields(
    value: Mapping[Any, Any], fields: Mapping[str, tuple[Any, bool]], hint: Any, location: str, strict: bool
) -> Iterator[FieldError]:
    for name, (field_hint, required) in fields.items():
        if name in value:
            yield from _walk(value[name], field_hint, pointer(location, name), strict)
        elif required:
            yield {"location": pointer(location, name), "message": "This field is required", "code": "missing"}
    config = getattr(hint, "__struct_config__", None)
    if config is not None and config.forbid_unknown_fields:
        known = {*fields, config.tag_field}
        for name in value:
            if name not in known:
                yield {"location": pointer(location, name), "message": "There is no such field", "code": "unknown"}


def _fields_of(hint: Any) -> dict[str, tuple[Any, bool]] | None:
    """The type of each field by its name on the wire, and whether it is required; `None` for what has no fields."""
    cls = get_origin(hint) or hint
    if isinstance(cls, type) and issubclass(cls, msgspec.Struct):
        return {field.encode_name: (field.type, field.required) for field in msgspec.structs.fields(hint)}
    if is_typeddict(cls):
        hints = get_type_hints(cls, include_extras=True)
        return {name: (_without_qualifiers(each), name in cls.__required_keys__) for name, each in hints.items()}
    if dataclasses.is_dataclass(cls):
        hints = get_type_hints(cls, include_extras=True)
        return {
            field.name: (
                hints[field.name],
                field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            )
            for field in dataclasses.fields(cls)
            if field.init
        }
    if hasattr(cls, "__attrs_attrs__"):
        hints = get_type_hints(cls, include_extras=True)
        return {each.name: (hints[each.name], "NOTHING" in repr(each.default)) for each in cls.__attrs_attrs__}
    return None


def _bare(hint: Any, value: Any) -> Any:
    """`hint` without `Annotated` and without the alternatives that `value` cannot be meant for."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        rest = [each for each in get_args(hint) if each is not type(None)]
        if len(rest) == 1 and value is not None:
            return _bare(rest[0], value)
    return hint


def _without_qualifiers(hint: Any) -> Any:
    while get_origin(hint) in (Required, NotRequired, ReadOnly):
        hint = get_args(hint)[0]
    return hint


def _error(location: str, message: str) -> FieldError:
    text, _, _ = message.partition(" - at `")
    code = next((code for sign, code in _CODES if sign in text), "invalid")
    return {"location": location, "message": text, "code": code}
