"""The data of one session in one request: decoded when it is read, compared when the request ends.

Changes need not be declared. At the end of the request, values that were assigned are encoded again, and so are lists
and dicts that were read, because they can be changed in place. A key has changed if its bytes differ from those in the
store.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from typing import Any, Final, NoReturn, Self, TypeAlias

from kick.session.data.values import (
    MARK,
    PLAIN_TYPES,
    UnstorableValue,
    decode,
    decode_json,
    encode,
    encode_json,
    plain_text,
    same,
)

logger: Final = logging.getLogger("kick.session")

RESERVED: Final = "$"
"""Keys of a record that begin with this are reserved for kick."""

_SCALARS: Final = frozenset({str, int, bool, float, type(None)})
_PLAINEST: Final = frozenset({int, bool, type(None)})
"""Types whose values JSON holds unchanged."""

_MISSING: Final = object()


Refusal: TypeAlias = Callable[[], Exception]
"""Returns the error that a write raises."""


class DictLike(MutableMapping[str, Any]):
    """The methods of a dict that `MutableMapping` lacks."""

    __slots__ = ()

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return dict(self) == dict(other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a dict

    def __or__(self, other: object) -> dict[str, Any]:
        return {**self, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: object) -> dict[str, Any]:
        return {**other, **self} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> Self:  # type: ignore[misc]  # takes pairs too, as a dict does
        self.update(other)
        return self

    def copy(self) -> dict[str, Any]:
        """Return all values as a plain dict. Changes of this dict do not change the session."""
        return dict(self)


class SessionData(DictLike):
    """`session.data`: a dict of the session's values. Each value is decoded when it is first read.

    >>> data = SessionData({"cart": b'{"items":[1]}', "theme": b'"dark"'})
    >>> data["cart"]["items"].append(2)
    >>> data["theme"] = "dark"
    >>> data.changes()
    ({'cart': b'{"items":[1,2]}'}, [])
    """

    _moved: set[str] | None = None
    """Stored keys that were removed and set again, so they are last in the order."""
    _view_is_stale: bool = False

    def __init__(self, stored: Mapping[str, bytes]) -> None:
        self._stored = stored
        self._live: dict[str, Any] = {}
        """Values that were assigned, and values that were read and can be changed in place."""
        self._dropped: set[str] | None = None
        self._sealed: Refusal | None = None
        self._view: dict[str, Any] | None = None
        """A dict with the same values, for C code that reads dicts directly."""

    @property
    def value(self) -> SessionData:
        """Itself."""
        return self

    @property
    def mapping(self) -> SessionData:
        """Itself."""
        return self

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the value of `key`, or `default`."""
        live = self._live
        if live and key in live:
            return live[key]
        if self._view is not None:
            return self._from_view(self._view, key, default)
        raw = self._stored.get(key)
        if raw is None or key[0:1] == RESERVED or (self._dropped is not None and key in self._dropped):
            return default
        try:
            value = decode_json(raw)
            if type(value) in _SCALARS:
                return value
            if MARK in raw:
                value = decode(raw)
        except (ValueError, RecursionError) as error:  # UnreadableValue, or what msgspec says of bytes
            logger.warning("a stored value of the key %r cannot be read and is ignored: %s", key, error)
            readable = dict(self._stored)
            del readable[key]  # no comprehension: it would make `key` a cell, which each call allocates
            self._stored = readable
            return default
        if self._sealed is not None:
            return _freeze(value, self._sealed)
        live[key] = value
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        if self._sealed is not None:
            raise self._sealed()
        if type(key) is not str or key[0:1] == RESERVED or not key.isascii():
            key = check_key(key)
        if type(value) not in PLAIN_TYPES:
            encode(key, value)  # a value that cannot be stored raises here, at the assignment
        self._live[key] = value
        if self._dropped is not None and key in self._dropped:
            self._dropped.remove(key)
            self._moved = {key} if self._moved is None else self._moved | {key}
        if self._view is not None:
            dict.__setitem__(self._view, key, value)

    def __delitem__(self, key: str) -> None:
        if self._sealed is not None:
            raise self._sealed()
        if key not in self:
            raise KeyError(key)
        if type(key) is not str:
            key = plain_text(key)
        self._live.pop(key, None)
        if self._dropped is None:
            self._dropped = set()
        self._dropped.add(key)  # even if it is not stored: a save may be under way that stores it
        if self._view is not None:
            dict.pop(self._view, key, None)

    def __contains__(self, key: object) -> bool:
        return key in self._live or (key in self._stored and self.get(str(key), _MISSING) is not _MISSING)

    def __iter__(self) -> Iterator[str]:
        moved = self._moved or ()
        for key in self._stored:
            if key not in moved and self.get(key, _MISSING) is not _MISSING:
                yield key
        for key in list(self._live):
            if key not in self._stored or key in moved:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"SessionData({dict(self)!r})"

    def popitem(self) -> tuple[str, Any]:
        """Remove the key that was set last; return it and its value."""
        for key in reversed(self):
            return key, self.pop(key)
        raise KeyError("popitem(): the session is empty")

    def clear(self) -> None:
        """Remove all values."""
        if self._sealed is not None:
            raise self._sealed()
        self._dropped = {key for key in (*self._stored, *self._live, *(self._dropped or ())) if key[0:1] != RESERVED}
        self._live.clear()
        if self._view is not None:
            dict.clear(self._view)

    def replace(self, value: Mapping[str, Any]) -> None:
        """Take over the values of `value` and remove all others. If one cannot be stored, nothing changes."""
        if self._sealed is not None:
            raise self._sealed()
        if value is self:  # `session.data |= {...}` assigns the changed object itself
            return
        new = dict(value)
        for key, each in new.items():
            encode(check_key(key), each)
        self.clear()
        self.update(new)

    def changes(self) -> tuple[dict[str, bytes], list[str]] | None:
        """Return the encoded values that have changed since `rebase`, and the removed keys; `None` for no change."""
        live = self._live
        if not live and not self._dropped:
            return None
        changed: dict[str, bytes] = {}
        for key, value in live.items():
            kind = type(value)
            encoded = encode_json(value) if kind in _PLAINEST else encode(key, value)
            stored = self._stored.get(key)
            if stored != encoded and (stored is None or kind in _SCALARS or not same(stored, encoded)):
                changed[key] = encoded
        return changed, [*filter(self._stored.__contains__, self._dropped)] if self._dropped else []

    def pending(self, key: str) -> tuple[dict[str, bytes], list[str]]:
        """Return the part of `changes` that is about one key."""
        if key in self._live:
            encoded, stored = encode(key, self._live[key]), self._stored.get(key)
            return ({}, []) if stored is not None and same(stored, encoded) else ({key: encoded}, [])
        return {}, [key] if self._dropped is not None and key in self._dropped and key in self._stored else []

    def rebase(self, stored: Mapping[str, bytes]) -> None:
        """Note that the store now has `stored`. Values that differ from it are still changes."""
        self._stored = stored
        if self._dropped is not None:
            self._dropped.intersection_update(stored)
            self._moved = None
        if self._view is not None:
            self._update_view()

    def refresh(self, key: str, stored: Mapping[str, bytes]) -> None:
        """Note that the store now has `stored`, and drop the value under `key`."""
        self._live.pop(key, None)
        if self._dropped is not None:
            self._dropped.discard(key)
        self.rebase(stored)

    def retain(self, keys: Collection[str], stored: Mapping[str, bytes]) -> None:
        """Keep only these keys, with their changes. The store now has `stored`."""
        self._stored = stored
        self._live = {key: value for key, value in self._live.items() if key in keys}
        self._moved = None
        if self._dropped is not None:
            self._dropped.intersection_update(keys)
        if self._view is not None:
            self._update_view()

    def reset(self, stored: Mapping[str, bytes]) -> None:
        """Drop every change. The store now has `stored`."""
        self._stored = stored
        self._live.clear()
        self._dropped = self._moved = None
        if self._view is not None:
            self._update_view()

    def decode(self, key: str, raw: bytes) -> Any:
        """Decode the bytes that the store has under a key."""
        return decode(raw)

    def encode(self, key: str, value: Any) -> bytes:
        """Encode a value that is to be stored under a key."""
        return encode(key, value)

    def assign(self, key: str, value: Any) -> None:
        """Set the value of a key."""
        self[key] = value

    def default(self, key: str, given: Any) -> Any:
        """Return a copy of the default of a key; `given` if its type has none."""
        return copy.deepcopy(given)

    def seal(self, refusal: Refusal | None) -> None:
        """Refuse every further write with the error that `refusal` returns; with `None`, accept writes again."""
        self._sealed = refusal
        self._live.clear()
        if self._dropped is not None:
            self._dropped = self._moved = None
        if self._view is not None:
            self._update_view()

    # A plain dict with the same values

    def show_in(self, view: dict[str, Any]) -> None:
        """Keep a plain dict equal to the values, now and after every change."""
        if self._view is not view or self._view_is_stale:
            self._fill(view)

    def _from_view(self, view: dict[str, Any], key: str, default: Any) -> Any:
        """Return a value of the view. If it can be changed in place, it is compared at the end."""
        if self._view_is_stale:
            self._fill(view)
        value = dict.get(view, key, default)
        if type(value) not in _SCALARS and value is not default and self._sealed is None:
            self._live[key] = value
        return value

    def _update_view(self) -> None:
        """Fill the view again. After the session is sealed, this waits for the next read, which is rare."""
        if self._view is not None and self._sealed is None:
            self._fill(self._view)
        else:
            self._view_is_stale = True

    def _fill(self, view: dict[str, Any]) -> None:
        """Decode all values into the view. Values that were not read are not compared at the end."""
        values = self._plain_values()
        if values is None:
            values = self._all_values()
        dict.clear(view)  # not `view.clear()`, which would write to the session
        dict.update(view, values)
        self._view, self._view_is_stale = view, False

    def _plain_values(self) -> dict[str, Any] | None:
        """Return the stored values if all are unchanged and plain JSON, as in most requests."""
        if self._live or self._dropped is not None or self._sealed is not None:
            return None
        values: dict[str, Any] = {}
        try:
            for key, raw in self._stored.items():
                if key[0:1] != RESERVED:
                    if MARK in raw:
                        return None
                    values[key] = decode_json(raw)
        except (ValueError, RecursionError):
            return None
        return values

    def _all_values(self) -> dict[str, Any]:
        """Return the values, changed or not."""
        moved, live = self._moved or (), self._live
        self._view, self._live = None, {}
        try:
            values = {key: live[key] if key in live else self.get(key, _MISSING) for key in self._stored}
        finally:
            self._live = live
        values = {key: each for key, each in values.items() if each is not _MISSING and key not in moved}
        values.update({key: each for key, each in live.items() if key not in values})
        return values


def check_key(key: object) -> str:
    """Return a key as a plain `str`. Raises `UnstorableValue` for an invalid key."""
    if not isinstance(key, str):
        raise UnstorableValue("data", f"the key {key!r} is not a str")
    key = plain_text(key)
    if key[0:1] == RESERVED:
        raise UnstorableValue(f"data[{key!r}]", f"keys that begin with {RESERVED!r} are kick's own")
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            raise UnstorableValue(f"data[{key!r}]", "a key with a lone surrogate has no UTF-8 form") from None
    return key


class _FrozenList(list[Any]):
    """A list of a session that is sealed."""

    refusal: Refusal


class _FrozenDict(dict[str, Any]):
    """A dict of a session that is sealed."""

    refusal: Refusal


def _refuse(self: _FrozenList | _FrozenDict, *_: Any, **__: Any) -> NoReturn:
    raise self.refusal()


for _name in ("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "__iadd__", "__imul__"):
    setattr(_FrozenList, _name, _refuse)
for _name in ("pop", "popitem", "clear", "update", "setdefault", "__ior__"):
    setattr(_FrozenDict, _name, _refuse)
for _name in ("__setitem__", "__delitem__"):
    setattr(_FrozenList, _name, _refuse)
    setattr(_FrozenDict, _name, _refuse)


def _freeze(value: Any, refusal: Refusal) -> Any:
    if type(value) is list:
        frozen_list = _FrozenList(_freeze(each, refusal) for each in value)
        frozen_list.refusal = refusal
        return frozen_list
    if type(value) is dict:
        frozen_dict = _FrozenDict({key: _freeze(each, refusal) for key, each in value.items()})
        frozen_dict.refusal = refusal
        return frozen_dict
    return value
