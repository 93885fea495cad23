"""Objects written as those of another class would be: with its names, defaults and tag, and values of any type."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any, get_origin

import msgspec


@lru_cache(maxsize=1024)
def record_of(cls: Any) -> Callable[..., Any]:
    """Return a function that takes the fields of a class by name, and returns what is written as an instance is.

    A Struct keeps the rules that it was defined with; no `__post_init__` runs, and no type is checked.

    >>> class Note(msgspec.Struct, rename="camel", omit_defaults=True, tag="note"):
    ...     note_title: str
    ...     pages: int = 0
    >>> msgspec.json.encode(record_of(Note)(note_title=["any", "value"], pages=0))
    b'{"type":"note","noteTitle":["any","value"]}'
    """
    origin = get_origin(cls) or cls
    if not issubclass(origin, msgspec.Struct):
        return tuple_of if issubclass(origin, tuple) else without_unset
    config = origin.__struct_config__
    fields: list[Any] = []
    names: dict[str, str] = {}
    for each in msgspec.structs.fields(origin):
        default: Any = msgspec.field(default=each.default, default_factory=each.default_factory)  # type: ignore[call-overload]
        fields.append((each.name, Any) if each.required else (each.name, Any, default))
        names[each.name] = each.encode_name
    return msgspec.defstruct(
        origin.__name__,
        fields,
        rename=names,
        omit_defaults=config.omit_defaults,
        array_like=config.array_like,
        tag=config.tag,
        tag_field=config.tag_field,
        kw_only=not config.array_like,
    )


def tuple_of(**values: Any) -> tuple[Any, ...]:
    """Return the values of a named tuple, which is written as an array."""
    return tuple(values.values())


def without_unset(**values: Any) -> dict[str, Any]:
    """Return the values that are set.

    >>> without_unset(name="Ada", age=msgspec.UNSET)
    {'name': 'Ada'}
    """
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


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
