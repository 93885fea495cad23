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
        fix=f"For example `{example}`.",
    )


def bad_openapi(given: object) -> KickError:
    """Return the error for an `openapi=` that is no `OpenAPI(...)`."""
    return KickError(
        "openapi",
        cause=f"openapi={given!r} of bootstrap() is neither OpenAPI(...) nor True, False or None.",
        fix='For example `openapi=OpenAPI(title="Shop")`, with the class of kick.openapi.',
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
        fix=f'Say it: `OpenAPI(schemas={{{name}: {{"type": "string"}}}})`. Or let its encoder declare what it returns.',
    )


def bad_operation(given: object, reason: str, place: str) -> KickError:
    """Return the error for an `openapi=` that cannot be merged into an Operation Object."""
    return KickError(
        "openapi-operation",
        cause=f"{place} has openapi={given!r}: {reason}.",
        fix='Give fields of an Operation Object, as in `openapi={"externalDocs": {"url": "https://example.com"}}`.',
    )


def no_json_value(hint: Any, problem: str, place: str) -> KickError:
    """Return the error for a `msgspec.Meta` whose examples or schema have no JSON form."""
    return KickError(
        "openapi-value",
        cause=f"{type_name(hint)}, which {place} declares, has a Meta() with a value that is no JSON: {problem}.",
        fix='Write values as JSON has them: `examples=["5.00 EUR"]`.',
    )


def no_scheme(name: str, place: str) -> KickError:
    """Return the error for a security scheme that is named and not defined."""
    scheme = '{"type": "http", "scheme": "bearer"}'
    return KickError(
        "openapi-security",
        cause=f"{place} names the security scheme {name!r}, and nothing defines it.",
        fix=f"Define it: `OpenAPI(security_schemes={{{name!r}: {scheme}}})`.",
    )


def no_version(version: str, known: Sequence[str]) -> KickError:
    """Return the error for a version that the API does not have."""
    return KickError(
        "openapi-version",
        cause=f"The API has no version {version!r}.",
        fix=f"It has {', '.join(f'`{each}`' for each in known)}." if known else "Leave it out: no route has a version.",
    )
