"""Messages for the next page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kick.session.data.reserved import ReservedFields

PREFIX: Final = "$flash:"


class Flash(ReservedFields):
    """`session.flash`: values that are read once, by the first request that pops them.

    >>> flash = Flash({}, lambda: None)
    >>> flash["status"] = "Saved"
    >>> "status" in flash, flash.pop("status"), flash.pop("status")
    (True, 'Saved', None)

    A request that pops nothing, such as one for an image, removes nothing.
    """

    __slots__ = ()

    def __init__(self, stored: Mapping[str, bytes], before_write: Callable[[], None]) -> None:
        super().__init__(PREFIX, stored, before_write)

    def pop(self, key: str, default: Any = None) -> Any:
        """Return the value and remove it for the next request. Return `default` if there is none."""
        value = self.peek(key, default)
        self.remove(key)
        return value

    def pop_all(self) -> dict[str, Any]:
        """Return all values by key and remove them for the next request."""
        return {key: self.pop(key) for key in list(self)}

    def keep(self, *keys: str) -> None:
        """Keep these values for the next request too, although this one has popped them; without a key, all of them."""
        for name in [PREFIX + key for key in keys] or list(self._changed):
            if self._changed.get(name, b"") is None and name in self._stored:
                del self._changed[name]
