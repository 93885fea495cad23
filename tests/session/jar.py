"""Cookies as a browser keeps them (RFC 6265, sections 5.3 and 5.4), as far as those of the tests need it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Kept:
    """A cookie. One without `Max-Age` ends with the browser."""

    value: str
    path: str
    persistent: bool


class Jar:
    """The cookies of one browser for one host.

    >>> jar = Jar()
    >>> jar.receive(["a=1; Path=/", "a=2; Path=/shop; Max-Age=60", "b=3; Path=/"])
    >>> jar.header("/shop/cart")
    'a=2; a=1; b=3'
    >>> jar.receive(["a=; Path=/; Max-Age=0"])
    >>> jar.close()
    >>> jar.header("/shop/cart")
    'a=2'
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Kept] = {}

    def receive(self, lines: Iterable[str]) -> None:
        """Apply the `Set-Cookie` lines of one response. A cookie that is replaced keeps its place."""
        for line in lines:
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            given = {attribute: text for attribute, _, text in (each.partition("=") for each in attributes)}
            key = (name, given.get("Path", "/"))
            if given.get("Max-Age") == "0":
                self._kept.pop(key, None)
            else:
                self._kept[key] = Kept(value, key[1], "Max-Age" in given)

    def close(self) -> None:
        """End the browser: what is not persistent is gone."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept.persistent}

    def header(self, path: str = "/") -> str | None:
        """Return the `Cookie` header of a request: longer paths first, then in the order of their creation."""
        sent = [(name, kept) for (name, _), kept in self._kept.items() if path.startswith(kept.path)]
        sent.sort(key=lambda each: -len(each[1].path))
        return "; ".join(f"{name}={kept.value}" for name, kept in sent) or None
