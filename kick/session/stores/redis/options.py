"""Options of a `RedisStore` in its URL."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

OWN: Final = frozenset({"prefix", "legacy_prefix", "max_connections"})
"""Those that are the store's; all others are redis-py's."""


def split_options(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without the options of the store, and those options.

    >>> split_options("redis://localhost/0?legacy_prefix=sess:&socket_timeout=2")
    ('redis://localhost/0?socket_timeout=2', {'legacy_prefix': 'sess:'})
    """
    address, _, query = url.partition("?")
    options: dict[str, str] = {}
    others: list[str] = []
    for pair in query.split("&") if query else []:
        name, _, value = pair.partition("=")
        if name in OWN:
            options[name] = unquote(value)
        else:
            others.append(pair)
    return (f"{address}?{'&'.join(others)}" if others else address) if options else url, options
