"""Messages for the next page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kick.session.values import UnreadableValue, decode, encode

PREFIX: Final = "$flash:"


class Flash:
    """`session.flash`: values that are read once, by whichever request asks for them first.

    >>> flash = Flash({}, lambda: None)
    >>> flash["status"] = "Saved"
    >>> "status" in flash, flash.pop("status"), flash.pop("status")
    (True, 'Saved', None)

    A request that does not ask, such as one for an image, takes nothing away.
    """

    __slots__ = ("_before_write", "_changed", "_stored")

    def __init__(self, stored: Mapping[str, bytes], before_write: Callable[[], None]) -> None:
        self._stored = stored
        self._changed: dict[str, bytes | None] = {}
        self._before_write = before_write

    def __setitem__(self, key: str, value: Any) -> None:
        self._before_write()
        self._changed[PREFIX + key] = encode(key, value)

    def __contains__(self, key: object) -> bool:
        return self._raw(f"{PREFIX}{key}") is not None

    def __iter__(self) -> Iterator[str]:
        for name in {**self._stored, **self._changed}:
            if name.startswith(PREFIX) and self._raw(name) is not None:
                yield name.removeprefix(PREFIX)

    def peek(self, key: str, default: Any = None) -> Any:
        """The value, which stays for the next request."""
        raw = self._raw(PREFIX + key)
        try:
            return default if raw is None else decode(raw)
        except UnreadableValue:
            return default

    def pop(self, key: str, default: Any = None) -> Any:
        """The value, which is gone for the next request; `default` when there is none."""
        value = self.peek(key, default)
        if key in self:
            self._before_write()
            self._changed[PREFIX + key] = None
        return value

    def pop_all(self) -> dict[str, Any]:
        """All values by key, which are gone for the next request."""
        return {key: self.pop(key) for key in list(self)}

    def keep(self, *keys: str) -> None:
        """Let the next request have these too, though this one has popped them; without a key, all of them."""
        for key in keys or [name.removeprefix(PREFIX) for name in self._changed]:
            if self._changed.get(PREFIX + key, b"") is None and PREFIX + key in self._stored:
                del self._changed[PREFIX + key]

    def _raw(self, name: str) -> bytes | None:
        return self._changed[name] if name in self._changed else self._stored.get(name)

    def changes(self) -> tuple[dict[str, bytes], list[str]]:
        """What is to be stored and what to be removed."""
        changed = {name: raw for name, raw in self._changed.items() if raw is not None}
        return changed, [name for name, raw in self._changed.items() if raw is None and name in self._stored]

    def rebase(self, stored: Mapping[str, bytes]) -> None:
        """The store now has `stored`, and the changes, if any, are part of it or dropped."""
        self._stored = stored
        self._changed.clear()
