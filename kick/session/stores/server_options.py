"""Options that the stores on servers share: time limits, and what stands in a URL beside the options of the driver."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias, TypeVar
from urllib.parse import unquote

_Text = TypeVar("_Text", bound=str | None)
_Switch = TypeVar("_Switch", bound=bool | None)

Refuse: TypeAlias = Callable[[str, str, str], Exception]
"""Returns the error for an option: of its name, its value, and what would be allowed."""


class UrlOptions:
    """The options of a store in its URL. Those of other names belong to the driver, and stay in the `address`.

    >>> options = UrlOptions("redis://host/0?prefix=shop:&db=2", {"prefix", "migrate"}, lambda *_: ValueError())
    >>> options.address, options.text("prefix", "kick:"), options.switch("migrate", False)
    ('redis://host/0?db=2', 'shop:', False)
    """

    def __init__(self, url: str, own: frozenset[str] | set[str], refuse: Refuse) -> None:
        self._refuse = refuse
        self._given: dict[str, str] = {}
        path, _, query = url.partition("?")
        others: list[str] = []
        for pair in query.split("&") if query else []:
            name, _, value = pair.partition("=")
            if name in own:
                self._given[name] = unquote(value)
            else:
                others.append(pair)
        shortened = f"{path}?{'&'.join(others)}" if others else path
        self.address: Final = shortened if self._given else url
        """The URL without them."""

    def text(self, name: str, default: _Text) -> str | _Text:
        """Return an option as it is written."""
        return self._given.get(name, default)

    def number(self, name: str, default: int) -> int:
        """Return an option that is a number of at least 1. Raises the error of `refuse`."""
        text = self._given.get(name)
        if text is None:
            return default
        if not text.isdecimal() or int(text) < 1:
            raise self._refuse(name, text, "a whole number of at least 1")
        return int(text)

    def switch(self, name: str, default: _Switch) -> bool | _Switch:
        """Return an option that is switched on or off by `yes` or `no`. Raises the error of `refuse`."""
        text = self._given.get(name)
        if text is None:
            return default
        if text not in ("yes", "no"):
            raise self._refuse(name, text, "yes or no")
        return text == "yes"


def limits_of(timeout: timedelta | float, max_connections: int) -> float:
    """Return the time limit in seconds. Raises `ValueError` for limits with which nothing could be done.

    >>> limits_of(timedelta(milliseconds=500), 8)
    0.5
    """
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    if not seconds > 0:
        raise ValueError(f"timeout must be more than 0, not {timeout!r}")
    if max_connections < 1:
        raise ValueError(f"max_connections must be at least 1, not {max_connections}")
    return seconds
