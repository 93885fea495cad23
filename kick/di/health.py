"""Errors of the `health` of a provider."""

from __future__ import annotations

from typing import Any

from kick.di.naming import type_name
from kick.errors import KickError


class BadHealth(KickError):
    """The `health` of a provider is not callable.

    >>> BadHealth(int, True).cause
    'health=True of the provider of int cannot be called.'
    """

    code = "di-health"

    def __init__(self, key: Any, given: object) -> None:
        name = type_name(key)
        super().__init__(
            f"health={given!r} of the provider of {name} cannot be called.",
            f"Pass a function of the instance, which raises when it is not well: `health={name}.ping`.",
        )


class HealthOfShortLived(KickError):
    """A provider with `health` lives shorter than the application. `code` is its source.

    >>> HealthOfShortLived(int, "request", "Provider(int) at app.py:3", "Provider(int, int)").fix
    'Leave it out: `Provider(int, int)`. Ask what it is made from, if that lives as long as the app.'
    """

    code = "di-health-scope"

    def __init__(self, key: Any, lifetime: str, provider: str, without: str) -> None:
        super().__init__(
            f"{provider} has health=, but its {type_name(key)} has the scope {lifetime!r}: between requests there is "
            "none that could be asked.",
            f"Leave it out: `{without}`. Ask what it is made from, if that lives as long as the app.",
        )
