"""Defaults of dataclasses: msgspec leaves them on the class, so `vars()` and JSON would not contain them."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from types import MemberDescriptorType
from typing import Any, Final

import msgspec

from kick.http.validation.type_parts import info_of

_SEVERAL: Final = (list, tuple, set, frozenset, deque)


class _Fields(msgspec.Struct, frozen=True):
    """The fields of a class, and the defaults to set on its instances."""

    names: tuple[str, ...]
    defaults: dict[str, Any]


def filler(hint: Any) -> Callable[[Any], Any] | None:
    """Return a function that sets the defaults of a decoded value; `None` if the type has none.

    >>> Page = dataclasses.make_dataclass("Page", [("number", int, 1)])
    >>> page = msgspec.convert({}, Page)
    >>> vars(page)
    {}
    >>> vars(filler(Page)(page))
    {'number': 1}
    >>> filler(list[int]) is None
    True
    """
    known: dict[type, _Fields] = {}
    _collect(info_of(hint), known, set())
    if not any(fields.defaults for fields in known.values()):
        return None

    def fill(decoded: Any) -> Any:
        left = [decoded]  # no recursion, because JSON may be nested deeply
        while left:
            value = left.pop()
            fields = known.get(type(value))
            if fields is not None:
                for name, default in fields.defaults.items():
                    value.__dict__.setdefault(name, default)
                left += [getattr(value, name) for name in fields.names]
            elif isinstance(value, dict):
                left += value.values()
            elif isinstance(value, _SEVERAL):
                left += value
        return decoded

    return fill


def _collect(info: Any, known: dict[type, _Fields], seen: set[int]) -> None:
    """Return the classes with fields within a type."""
    if id(info) in seen:
        return
    seen.add(id(info))
    fields = getattr(info, "fields", ())
    if isinstance(info, msgspec.inspect.DataclassType | msgspec.inspect.StructType):
        known[info.cls] = _Fields(tuple(field.name for field in fields), _defaults(info.cls))
    children = [field.type for field in fields]
    children += [getattr(info, name, None) for name in ("item_type", "key_type", "value_type", "type")]
    children += [*getattr(info, "item_types", ()), *getattr(info, "types", ())]
    for child in children:
        _collect(child, known, seen)


def _defaults(cls: type) -> dict[str, Any]:
    if not dataclasses.is_dataclass(cls):
        return {}
    return {
        field.name: field.default
        for field in dataclasses.fields(cls)
        if field.default is not dataclasses.MISSING and not _is_slot(getattr(cls, field.name, None))
    }


def _is_slot(member: object) -> bool:
    """Return whether a class attribute is the descriptor of a slot, which msgspec has set."""
    return isinstance(member, MemberDescriptorType)
