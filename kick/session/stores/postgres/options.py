"""Options of a `PostgresStore` in its URL, and the URL that is left for libpq."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from kick.session.stores.postgres.errors import bad_postgres_option

OWN: Final = frozenset({"table", "max_connections", "migrate", "unlogged"})
"""Those that are the store's; all others are libpq's."""


def split_options(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without the options of the store, and those options.

    >>> split_options("postgresql://host/db?table=shop_sessions&sslmode=require")
    ('postgresql://host/db?sslmode=require', {'table': 'shop_sessions'})
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
    return (f"{address}?{'&'.join(others)}" if others else address), options


def number_of(options: Mapping[str, str], name: str) -> int:
    """Return an option that is a number of at least 1. Raises the `KickError` `postgres-option`."""
    text = options[name]
    if not text.isdecimal() or int(text) < 1:
        raise bad_postgres_option(name, text, "a whole number from 1")
    return int(text)


def switch_of(options: Mapping[str, str], name: str) -> bool:
    """Return an option that is switched on or off. Raises the `KickError` `postgres-option`.

    >>> switch_of({"migrate": "yes"}, "migrate")
    True
    """
    text = options[name]
    if text not in ("yes", "no"):
        raise bad_postgres_option(name, text, "yes or no")
    return text == "yes"
