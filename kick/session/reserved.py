"""What kick itself keeps in a session, beside the data of the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kick.session.values import UnreadableValue, decode, encode

LOGIN: Final = "$login"
"""Who is logged in, since when and with which roles: see `kick.auth`."""

TOKEN: Final = "$csrf"
"""That a token was given out for the session, which therefore has to be stored."""


class Marks:
    """Fields of a record whose names begin with `$`. No handler sees them among its data, typed or not.

    >>> marks = Marks({"$login": b'{"user":7}'}, lambda: None)
    >>> marks.get("$login"), marks.get("$csrf")
    ({'user': 7}, None)
    >>> marks.set("$csrf", True)
    >>> marks.changes()
    ({'$csrf': b'true'}, [])
    """

    __slots__ = ("_before_write", "_changed", "_stored")

    def __init__(self, stored: Mapping[str, bytes], before_write: Callable[[], None]) -> None:
        self._stored = stored
        self._changed: dict[str, bytes] = {}
        self._before_write = before_write

    def get(self, name: str) -> Any:
        """The value, or `None` where there is none, or none that can be read."""
        return mark_in(self._stored if name not in self._changed else self._changed, name)

    def set(self, name: str, value: Any) -> None:
        """Write a value. Raises `UnstorableValue` for one that no store can hold."""
        self._before_write()
        self._changed[name] = encode(name, value)

    def changes(self) -> tuple[dict[str, bytes], list[str]]:
        """What is to be stored and what to be removed."""
        return dict(self._changed), []

    def rebase(self, stored: Mapping[str, bytes]) -> None:
        """The store now has `stored`, and the changes, if any, are part of it or dropped."""
        self._stored = stored
        self._changed.clear()


def mark_in(fields: Mapping[str, bytes], name: str) -> Any:
    """The value that a record has under a name; `None` where there is none, or none that can be read.

    >>> mark_in({"$login": b"7"}, "$login"), mark_in({"$login": b"{"}, "$login")
    (7, None)
    """
    raw = fields.get(name)
    try:
        return None if raw is None else decode(raw)
    except UnreadableValue:
        return None
