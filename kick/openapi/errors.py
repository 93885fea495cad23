"""Set-up errors of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kick.di.naming import full_name, place_of, type_name
from kick.errors import KickError


def bad_option(name: str, given: object, expected: str, example: str) -> KickError:
    """Return the error for an invalid option of `OpenAPI(...)`."""
    return KickError(
        "openapi-option",
        cause=f"OpenAPI({name}={given!r}): expected {expected}.",
        fix=f"For example `OpenAPI({example})`.",
    )


def bad_openapi(given: object) -> KickError:
    """Return the error for an `openapi=` that is no `OpenAPI(...)`."""
    return KickError(
        "openapi-option",
        cause=f"openapi={given!r} of bootstrap() is neither OpenAPI(...) nor True, False or None.",
        fix='Write `from kick.openapi import OpenAPI`, and `bootstrap(openapi=OpenAPI(title="Shop"))`.',
    )


def same_name(name: str, types: Sequence[Any]) -> KickError:
    """Return the error for several models with the same name in one document."""
    shown = " and ".join(f"{full_name(each)} ({place_of(each)})" for each in types)
    last = type_name(types[-1])
    return KickError(
        "openapi-names",
        cause=f"Several models have the name {name!r} in the OpenAPI document: {shown}.",
        fix=f'Rename one of the classes, or name one for the document: `OpenAPI(names={{{last}: "Other{last}"}})`.',
    )


def no_schema(hint: Any, place: str) -> KickError:
    """Return the error for a type of which nobody says a schema."""
    name = type_name(hint)
    return KickError(
        "openapi-schema",
        cause=f"{full_name(hint)}, which {place} declares, has no JSON Schema.",
        fix=f'Say it: `OpenAPI(schemas={{{name}: {{"type": "string"}}}})`; or let its encoder declare what it returns.',
    )


def no_version(version: str, known: Sequence[str]) -> KickError:
    """Return the error for a version that the API does not have."""
    return KickError(
        "openapi-version",
        cause=f"The API has no version {version!r}.",
        fix=f"Name one of these: {', '.join(known)}." if known else "Leave the version out: its routes have none.",
    )
