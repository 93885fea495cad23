"""Options of a `RedisStore` in its URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from kick.session.stores.redis.client.errors import bad_redis_url

OWN: Final = frozenset({"prefix", "legacy_prefix", "max_connections", "require_noeviction"})
"""The options of the store; all others belong to redis-py."""


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


def number_of(url: str, options: Mapping[str, str], name: str) -> int:
    """Return an option that is a number of at least 1. Raises the `KickError` `redis-url`."""
    text = options[name]
    if not text.isdecimal() or int(text) < 1:
        raise bad_redis_url(url, f"{name} must be a whole number of at least 1, not {text!r}")
    return int(text)


def switch_of(url: str, options: Mapping[str, str], name: str) -> bool:
    """Return an option that is switched on or off. Raises the `KickError` `redis-url`.

    >>> switch_of("redis://localhost?require_noeviction=yes", {"require_noeviction": "yes"}, "require_noeviction")
    True
    """
    text = options[name]
    if text not in ("yes", "no"):
        raise bad_redis_url(url, f"{name} must be yes or no, not {text!r}")
    return text == "yes"
