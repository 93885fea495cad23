"""Typed session data: `session(..., data=UserSession)`."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from kick.di.errors import unresolved_hint
from kick.di.hints import Unresolved, hints_of
from kick.session.data.mapping import RESERVED, Refusal, SessionData
from kick.session.data.values import UnreadableValue, decode, encode, same, underneath
from kick.session.errors import bad_session_option

logger: Final = logging.getLogger("kick.session")

_STORED_AS_THEY_ARE: Final = (datetime, UUID, Decimal, bytes)


class Shape:
    """The type of a session's data, analysed once at start-up.

    A stored record may differ from the type. A field that is not stored has its default. A stored key that is not a
    field is kept. A stored value that the type of its field rejects is dropped, with one line in the log.

    >>> class UserSession(msgspec.Struct):
    ...     user_id: int | None = None
    ...     cart: list[str] = []
    >>> Shape(UserSession).contents({"user_id": b"7", "left_over": b"1"}).value
    UserSession(user_id=7, cart=[])

    Raises `KickError`: `session-option` for a type that is neither a msgspec Struct nor a dataclass, or that has a
    field without a default, because a new session needs all of them; `di-unresolved-hint` for a field whose type does
    not exist at run time.
    """

    def __init__(self, data_type: type) -> None:
        self.type = data_type
        if not (_is_struct(data_type) or dataclasses.is_dataclass(data_type)):
            raise bad_session_option("data", data_type, "a msgspec.Struct or a dataclass", "data=UserSession")
        try:
            default = data_type()
        except TypeError:
            raise bad_session_option(
                "data", data_type, "a type whose fields all have defaults", "data=UserSession"
            ) from None
        names = _field_names(data_type)
        hints = hints_of(data_type)
        self.hints: dict[str, Any] = {name: hints[name] for name in names}
        for name, hint in self.hints.items():
            if isinstance(hint, Unresolved):
                where = f"the field {name} of session(data={data_type.__name__})"
                raise unresolved_hint(where, hint.text, hint.reason, statement=hint.statement)
            if name.startswith(RESERVED):
                raise bad_session_option(
                    "data", data_type, f"no field that begins with {RESERVED!r}", "data=UserSession"
                )
        self.defaults: dict[str, bytes] = {name: self.encode(name, getattr(default, name)) for name in names}
        other = data_type()
        held = [(name, getattr(default, name)) for name in names if getattr(default, name) is getattr(other, name)]
        self._shared = [name for name, value in held if copy.deepcopy(value) is not value]

    def contents(self, stored: Mapping[str, bytes]) -> TypedContents:
        """Return the data of one request."""
        return TypedContents(self, stored)

    def encode(self, name: str, value: Any, *, sort: bool = False) -> bytes:
        """Encode one field. With `sort`, equal sets and dicts have the same order."""
        order: Any = "deterministic" if sort else None
        plain = msgspec.to_builtins(
            value,
            builtin_types=_STORED_AS_THEY_ARE,
            str_keys=True,
            order=order,
            enc_hook=lambda each: underneath(each, f"data.{name}"),
        )
        return encode(name, plain)

    def decode(self, name: str, raw: bytes) -> Any:
        """Decode one field. Raises `Unfit` for bytes that its type rejects."""
        try:
            return msgspec.convert(decode(raw), self.hints[name], str_keys=True)
        except (UnreadableValue, msgspec.ValidationError) as error:
            raise Unfit(str(error)) from error

    def default(self) -> Any:
        """Return a new instance, which shares nothing with others that can be changed."""
        instance = self.type()
        return self.with_values(instance, {name: self.decode(name, self.defaults[name]) for name in self._shared})

    def with_values(self, instance: Any, values: Mapping[str, Any]) -> Any:
        """Set these values in the instance and return it; if it is frozen, return a new instance with them."""
        try:
            for name, value in values.items():
                setattr(instance, name, value)
        except AttributeError:
            replace: Any = msgspec.structs.replace if _is_struct(self.type) else dataclasses.replace
            return replace(instance, **values)
        return instance


class Unfit(ValueError):
    """A stored value that does not fit the type of its field."""


class TypedContents:
    """The contents of a session whose value is an instance of the session's data type."""

    __slots__ = ("_extra", "_is_looked_at", "_sealed", "_shape", "_stored", "_unfit", "_value")

    def __init__(self, shape: Shape, stored: Mapping[str, bytes]) -> None:
        self._shape = shape
        self._stored = stored
        self._value: Any = None
        self._extra: SessionData | None = None
        self._unfit: set[str] = set()
        self._is_looked_at = False
        self._sealed: Refusal | None = None

    @property
    def value(self) -> Any:
        """The instance, created at the first access."""
        self._is_looked_at = True
        if self._value is None:
            self._value = self._read(self._shape.default(), self._shape.hints)
        return self._value

    @property
    def mapping(self) -> TypedMapping:
        """The fields by name, and then the keys that are not fields."""
        return TypedMapping(self._shape, self)

    @property
    def extra(self) -> SessionData:
        """The values under keys that are not fields: those of other libraries and other releases."""
        if self._extra is None:
            self._extra = SessionData(self._other_fields())
            self._extra.seal(self._sealed)
        return self._extra

    def show_in(self, view: dict[str, Any]) -> None:
        """See `SessionData.show_in`. All attributes are read again, because each may have been assigned."""
        is_looked_at = self._is_looked_at
        values = dict(self.mapping)
        self._is_looked_at = is_looked_at
        dict.clear(view)
        dict.update(view, values)

    def set_field(self, name: str, value: Any) -> None:
        """Assign to a field. Raises `TypeError` for a value that its type rejects."""
        if self._sealed is not None:
            raise self._sealed()
        try:
            converted = self._shape.decode(name, self._shape.encode(name, value))
        except Unfit as error:
            raise TypeError(f"session[{name!r}]: {error}") from error
        self._value = self._shape.with_values(self.value, {name: value if converted == value else converted})

    def _other_fields(self) -> dict[str, bytes]:
        return {name: raw for name, raw in self._stored.items() if name not in self._shape.hints}

    def _read(self, instance: Any, names: Iterable[str]) -> Any:
        """Set the stored values of these names in the instance. Those that do not fit are skipped, with a log line."""
        values: dict[str, Any] = {}
        for name in names:
            raw = self._stored.get(name)
            if raw is None:
                continue
            try:
                values[name] = self._shape.decode(name, raw)
            except Unfit as error:
                self._unfit.add(name)
                logger.warning("the stored field %r does not fit and is dropped: %s", name, error)
        return self._shape.with_values(instance, values)

    def replace(self, value: Any) -> None:
        """See `SessionData.replace`."""
        if not isinstance(value, self._shape.type):
            raise TypeError(f"session.data is a {self._shape.type.__name__}, not a {type(value).__name__}")
        for name in self._shape.hints:
            self._shape.encode(name, getattr(value, name))
        self._value = value
        self._is_looked_at = True

    def changes(self) -> tuple[dict[str, bytes], list[str]] | None:
        """See `SessionData.changes`."""
        found = None if self._extra is None else self._extra.changes()
        if self._value is None or not self._is_looked_at:
            return found
        changed, dropped = found or ({}, [])
        for name in self._shape.hints:
            changed.update(self.pending(name)[0])
        return changed, dropped

    def pending(self, key: str) -> tuple[dict[str, bytes], list[str]]:
        """See `SessionData.pending`."""
        shape = self._shape
        if key not in shape.hints:
            return ({}, []) if self._extra is None else self._extra.pending(key)
        if self._value is None:
            return {}, []
        value = getattr(self._value, key)
        encoded = shape.encode(key, value)
        before = shape.defaults[key] if key in self._unfit else self._stored.get(key, shape.defaults[key])
        if same(before, encoded):
            return {}, []
        if len(before) == len(encoded):  # perhaps only the order of a set differs
            try:
                if shape.encode(key, shape.decode(key, before), sort=True) == shape.encode(key, value, sort=True):
                    return {}, []
            except Unfit:
                pass
        return {key: encoded}, []

    def rebase(self, stored: Mapping[str, bytes]) -> None:
        """See `SessionData.rebase`."""
        self._unfit = {name for name in self._unfit if stored.get(name) == self._stored.get(name)}
        self._stored = stored
        if self._extra is not None:
            self._extra.rebase(self._other_fields())

    def refresh(self, key: str, stored: Mapping[str, bytes]) -> None:
        """See `SessionData.refresh`."""
        self.rebase(stored)
        if self._value is not None and key in self._shape.hints:
            self._value = self._read(self._value, [key])
        elif self._extra is not None:
            self._extra.refresh(key, self._other_fields())

    def retain(self, keys: Collection[str], stored: Mapping[str, bytes]) -> None:
        """See `SessionData.retain`."""
        self.rebase(stored)
        if self._value is not None:
            default = self._shape.default()
            dropped = {name: getattr(default, name) for name in self._shape.hints if name not in keys}
            self._value = self._shape.with_values(self._value, dropped)
        if self._extra is not None:
            self._extra.retain(keys, self._other_fields())

    def reset(self, stored: Mapping[str, bytes]) -> None:
        """See `SessionData.reset`. An instance that the handler holds is filled again."""
        self._stored = stored
        self._unfit = set()
        if self._value is not None:
            default = self._shape.default()
            defaults = {name: getattr(default, name) for name in self._shape.hints}
            self._value = self._read(self._shape.with_values(self._value, defaults), self._shape.hints)
        if self._extra is not None:
            self._extra.reset(self._other_fields())

    def decode(self, key: str, raw: bytes) -> Any:
        """See `SessionData.decode`."""
        return self._shape.decode(key, raw) if key in self._shape.hints else decode(raw)

    def encode(self, key: str, value: Any) -> bytes:
        """See `SessionData.encode`."""
        return self._shape.encode(key, value) if key in self._shape.hints else encode(key, value)

    def assign(self, key: str, value: Any) -> None:
        """See `SessionData.assign`."""
        if key in self._shape.hints:
            self._value = self._shape.with_values(self.value, {key: value})
        else:
            self.extra[key] = value

    def default(self, key: str, given: Any) -> Any:
        """See `SessionData.default`."""
        return getattr(self._shape.default(), key) if key in self._shape.hints else copy.deepcopy(given)

    def seal(self, refusal: Refusal | None) -> None:
        """Separate the instance from the session, because a write to an attribute cannot be refused."""
        self._sealed = refusal
        if refusal is not None:
            self._value = None
        if self._extra is not None:
            self._extra.seal(refusal)


Contents: TypeAlias = SessionData | TypedContents
"""The contents of a session, with and without a type."""

OpenContents: TypeAlias = Callable[[Mapping[str, bytes]], Contents]
"""Creates the contents of a session from the fields in the store."""


class TypedMapping(MutableMapping[str, Any]):
    """The values of typed data by key, for code that uses sessions as mappings.

    A field cannot be removed. `del` and `pop()` reset it to its default.

    >>> class UserSession(msgspec.Struct):
    ...     user_id: int | None = None
    >>> mapping = Shape(UserSession).contents({"user_id": b"7", "_state_google": b"1"}).mapping
    >>> dict(mapping), mapping.pop("user_id"), mapping["user_id"]
    ({'user_id': 7, '_state_google': 1}, 7, None)
    """

    def __init__(self, shape: Shape, contents: TypedContents) -> None:
        self._shape = shape
        self._contents = contents

    def __getitem__(self, key: str) -> Any:
        return getattr(self._contents.value, key) if key in self._shape.hints else self._contents.extra[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self._shape.hints:
            self._contents.set_field(key, value)
        else:
            self._contents.extra[key] = value

    def __delitem__(self, key: str) -> None:
        if key in self._shape.hints:
            self._contents.set_field(key, getattr(self._shape.default(), key))
        else:
            del self._contents.extra[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._shape.hints
        yield from self._contents.extra

    def __len__(self) -> int:
        return len(self._shape.hints) + len(self._contents.extra)

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key that is not a field; return it and its value."""
        return self._contents.extra.popitem()

    def clear(self) -> None:
        """Reset every field to its default, and remove all other keys."""
        default = self._shape.default()
        for name in self._shape.hints:
            self._contents.set_field(name, getattr(default, name))
        self._contents.extra.clear()


def value_of(contents: Contents, key: str, raw: bytes | None, default: Any) -> Any:
    """Return the value of stored bytes; the default if there are none that can be read."""
    if raw is not None:
        try:
            return contents.decode(key, raw)
        except ValueError as error:
            logger.warning("a stored value of the key %r cannot be read and is ignored: %s", key, error)
    return contents.default(key, default)


def applied(function: Callable[[Any], Any], value: Any, key: str) -> Any:
    """Call a function with a value. Raises `TypeError` if the function seems to have changed the value in place."""
    changed = function(value)
    if changed is None and isinstance(value, list | dict):
        raise TypeError(f"the function that modifies {key!r} returned None; it must return the new value")
    return changed


def _field_names(data_type: Any) -> tuple[str, ...]:
    if _is_struct(data_type):
        return data_type.__struct_fields__  # type: ignore[no-any-return]
    return tuple(field.name for field in dataclasses.fields(data_type))


def _is_struct(data_type: object) -> bool:
    return isinstance(data_type, type) and issubclass(data_type, msgspec.Struct)
