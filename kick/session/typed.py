"""Session data with a type of its own: `session(..., data=UserSession)`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, get_type_hints
from uuid import UUID

import msgspec

from kick.session.contents import RESERVED, Refusal
from kick.session.errors import BadSessionOption
from kick.session.values import UnreadableValue, decode, encode, same

logger: Final = logging.getLogger("kick.session")

_STORED_AS_THEY_ARE: Final = (datetime, UUID, Decimal, bytes)


class Shape:
    """What there is to know of a session's data type, worked out once.

    A stored record need not fit: a field that is not stored has its default; what is stored and is no field
    is kept; a stored value that the field's type does not take is dropped, with one line in the log.

    >>> class UserSession(msgspec.Struct):
    ...     user_id: int | None = None
    ...     cart: list[str] = []
    >>> Shape(UserSession).contents({"user_id": b"7", "left_over": b"1"}).value
    UserSession(user_id=7, cart=[])

    Raises `BadSessionOption` for a type that is neither a msgspec Struct nor a dataclass, or that has a field
    without a default: a new session starts with all of them.
    """

    def __init__(self, data_type: type) -> None:
        self.type = data_type
        if not (_is_struct(data_type) or dataclasses.is_dataclass(data_type)):
            raise BadSessionOption("data", data_type, "a msgspec.Struct or a dataclass", "data=UserSession")
        try:
            default = data_type()
        except TypeError:
            raise BadSessionOption(
                "data", data_type, "a type whose fields all have defaults", "data=UserSession"
            ) from None
        hints = get_type_hints(data_type, include_extras=True)
        fields: Any = msgspec.structs.fields if _is_struct(data_type) else dataclasses.fields
        names = [field.name for field in fields(data_type)]
        self.hints: dict[str, Any] = {name: hints[name] for name in names}
        for name in names:
            if name.startswith(RESERVED):
                raise BadSessionOption("data", data_type, f"no field that begins with {RESERVED!r}", "data=UserSession")
        self.defaults: dict[str, bytes] = {name: self.encode(name, getattr(default, name)) for name in names}

    def contents(self, stored: Mapping[str, bytes]) -> TypedContents:
        """The data of one request."""
        return TypedContents(self, stored)

    def encode(self, name: str, value: Any) -> bytes:
        """The bytes of one field."""
        return encode(name, msgspec.to_builtins(value, builtin_types=_STORED_AS_THEY_ARE))

    def read(self, stored: Mapping[str, bytes]) -> Any:
        """An instance with what is stored, and defaults for the rest."""
        values: dict[str, Any] = {}
        for name, hint in self.hints.items():
            raw = stored.get(name)
            if raw is None:
                continue
            try:
                values[name] = msgspec.convert(decode(raw), hint)
            except (UnreadableValue, msgspec.ValidationError) as error:
                logger.warning(
                    "the stored field %r does not fit %s and is dropped: %s", name, self.type.__name__, error
                )
        return self.type(**values)


class TypedContents:
    """The `Contents` whose value is an instance of the session's data type."""

    __slots__ = ("_shape", "_stored", "_value")

    def __init__(self, shape: Shape, stored: Mapping[str, bytes]) -> None:
        self._shape = shape
        self._stored = stored
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The instance, made when it is first asked for."""
        if self._value is None:
            self._value = self._shape.read(self._stored)
        return self._value

    def replace(self, value: Any) -> None:
        """See `Contents.replace`."""
        if not isinstance(value, self._shape.type):
            raise TypeError(f"session.data is a {self._shape.type.__name__}, not a {type(value).__name__}")
        self._value = value

    @property
    def may_have_changed(self) -> bool:
        """See `Contents.may_have_changed`."""
        return self._value is not None

    def changes(self) -> tuple[dict[str, bytes], list[str]]:
        """See `Contents.changes`."""
        changed: dict[str, bytes] = {}
        if self._value is not None:
            for name, default in self._shape.defaults.items():
                encoded = self._shape.encode(name, getattr(self._value, name))
                if not same(self._stored.get(name, default), encoded):
                    changed[name] = encoded
        return changed, []

    def rebase(self, stored: Mapping[str, bytes], *, keep_changes: bool) -> None:
        """See `Contents.rebase`."""
        self._stored = stored
        if not keep_changes:
            self._value = None

    def refresh(self, key: str, raw: bytes) -> None:
        """See `Contents.refresh`."""
        self._stored = {**self._stored, key: raw}
        if self._value is not None and key in self._shape.hints:
            setattr(self._value, key, getattr(self._shape.read({key: raw}), key))

    def retain(self, keys: Collection[str], stored: Mapping[str, bytes]) -> None:
        """See `Contents.retain`."""
        self._stored = stored
        before, self._value = self._value, None
        if before is not None:
            for name in keys:
                if name in self._shape.hints:
                    setattr(self.value, name, getattr(before, name))

    def seal(self, refusal: Refusal) -> None:
        """Nothing can refuse a write to an attribute; from now on the instance is one of the reader's own."""
        self._value = None


def _is_struct(data_type: object) -> bool:
    return isinstance(data_type, type) and issubclass(data_type, msgspec.Struct)
