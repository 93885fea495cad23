"""Values of kick and other libraries in a session, separate from the data of the application."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kick.errors import OfRequest
from kick.session.data.values import UnreadableValue, decode, encode

LOGIN: Final = "login"
"""The user who is logged in, since when and with which roles: see `kick.auth`."""

LIFE: Final = "life"
"""The own lifetime of a session in seconds, and of its cookie: `session.max_age`, `session.persistent`."""

LIFE_FIELD: Final = "$life"

CLIENT_FIELD: Final = "$client"
"""The field with the address and user agent from which a principal's session was started."""

OWED_FIELD: Final = "$cookie"
"""The field in which a WebSocket notes that it has extended the session, so the next response sends the cookie."""


class ReservedFields(OfRequest):
    """Fields of a record whose names begin with a prefix; the application does not see them among its data."""

    __slots__ = ("_before_write", "_changed", "_prefix", "_stored")

    def __init__(self, prefix: str, stored: Mapping[str, bytes], before_write: Callable[[], None]) -> None:
        self._prefix = prefix
        self._stored = stored
        self._changed: dict[str, bytes | None] = {}
        self._before_write = before_write

    def __contains__(self, key: object) -> bool:
        return self._raw(f"{self._prefix}{key}") is not None

    def __iter__(self) -> Iterator[str]:
        for name in {**self._stored, **self._changed}:
            if name.startswith(self._prefix) and self._raw(name) is not None:
                yield name.removeprefix(self._prefix)

    def __setitem__(self, key: str, value: Any) -> None:
        self._before_write()
        self._changed[self._prefix + key] = encode(key, value)

    def peek(self, key: str, default: Any = None) -> Any:
        """Return the value without removing it; `default` if there is none that can be read."""
        raw = self._raw(self._prefix + key)
        try:
            return default if raw is None else decode(raw)
        except UnreadableValue:
            return default

    def remove(self, key: str) -> None:
        """Remove the value, if there is one."""
        if key in self:
            self._before_write()
            self._changed[self._prefix + key] = None

    def changes(self) -> tuple[dict[str, bytes], list[str]]:
        """Return the fields to store and the names of those to delete."""
        changed = {name: raw for name, raw in self._changed.items() if raw is not None}
        return changed, [name for name, raw in self._changed.items() if raw is None and name in self._stored]

    def rebase(self, stored: Mapping[str, bytes]) -> None:
        """Note that the store has `stored`. Changes that were made meanwhile are still pending."""
        self._stored = stored
        self._changed = {name: raw for name, raw in self._changed.items() if stored.get(name) != raw}

    def reset(self, stored: Mapping[str, bytes]) -> None:
        """Note that the store has `stored`, and drop every pending change."""
        self._stored = stored
        self._changed.clear()

    def _raw(self, name: str) -> bytes | None:
        return self._changed[name] if name in self._changed else self._stored.get(name)


class Reserved(ReservedFields):
    """`session.reserved`: values by name that are not a part of `session.data`.

    `kick.auth` keeps the login here. A library uses names that begin with its own name, such as `"billing.customer"`.

    >>> reserved = Reserved({"$login": b'{"user":7}'}, lambda: None)
    >>> reserved.get("login"), reserved.get("csrf")
    ({'user': 7}, None)
    >>> reserved["csrf"] = True
    >>> reserved.changes()
    ({'$csrf': b'true'}, [])
    >>> reserved.remove("login")
    >>> "login" in reserved
    False

    `reserved[name] = value` raises `UnstorableValue` for a value that cannot be stored.
    """

    __slots__ = ()

    def __init__(self, stored: Mapping[str, bytes], before_write: Callable[[], None]) -> None:
        super().__init__("$", stored, before_write)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value; `default` if there is none that can be read."""
        return self.peek(key, default)
