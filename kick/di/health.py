"""Errors of the `health` of a provider."""

from __future__ import annotations

from typing import Any

from kick.di.naming import type_name
from kick.errors import KickError


def bad_health(key: Any, given: object) -> KickError:
    """Return the error for a `health` that is not callable.

    >>> bad_health(int, True).cause
    'health=True of the provider of int cannot be called.'
    """
    name = type_name(key)
    return KickError(
        "di-health",
        f"health={given!r} of the provider of {name} cannot be called.",
        f"Pass a function of the instance, which raises when it is not well: `health={name}.ping`.",
    )


def health_check_of_scoped(key: Any, lifetime: str, provider: str, without: str) -> KickError:
    """Return the error for a `health` of a type that lives shorter than the application; `code` is its provider.

    >>> health_check_of_scoped(int, "request", "Provider(int) at app.py:3", "Provider(int, int)").fix
    'Leave it out: `Provider(int, int)`. Ask what it is made from, if that lives as long as the app.'
    """
    return KickError(
        "di-health-scope",
        f"{provider} has health=, but its {type_name(key)} has the scope {lifetime!r}: between requests there is "
        "none that could be asked.",
        f"Leave it out: `{without}`. Ask what it is made from, if that lives as long as the app.",
    )
