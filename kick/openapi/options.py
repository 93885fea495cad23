"""`OpenAPI`: the options of the OpenAPI document of an application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kick.errors import KickError, raise_all
from kick.openapi.errors import bad_option
from kick.openapi.option_rules import RULES


class OpenAPI(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the OpenAPI document (3.1): `bootstrap(openapi=OpenAPI(title="Shop", version="1.4"))`.

    Arguments:
        title: the name of the API.
        version: the version of the API that the document describes.
        summary: a short summary of the API.
        description: a description, in Markdown.
        terms_of_service: the URL of the terms of service.
        contact: the contact, such as `{"name": "Support", "email": "support@example.com"}`.
        license: the licence, such as `{"name": "MIT", "identifier": "MIT"}`.
        servers: the URLs of the API, or Server Objects. The default is where the document was asked for.
        tags: descriptions of tags by their names, in the order in which they are shown, or Tag Objects such as
            `{"notes": {"externalDocs": {"url": "https://example.com"}}}`. The tag of a route is the name of its module.
        external_docs: the URL of other documentation.
        security_schemes: Security Scheme Objects by name: `{"bearer": {"type": "http", "scheme": "bearer"}}`.
        security: the schemes that every operation needs, unless middleware or the route says otherwise:
            `[{"bearer": []}]`.
        schemas: JSON Schemas of types that have none of their own: `{Money: {"type": "string"}}`.
        names: names of types in the document, in place of their class names: `{billing.Note: "BillingNote"}`.
        path: the path of the document.
        page: the path of the interactive page; `None` for none.
        in_production: false serves document and page in development only (`KICK_ENV=development`).
        extensions: further members of the document, whose names begin with `x-`.

    >>> OpenAPI(title="Shop", version="1.4").path
    '/openapi.json'

    Raises `KickError`: `openapi-option` for an invalid option.
    """

    title: str = "API"
    version: str = "0.1.0"
    summary: str | None = None
    description: str | None = None
    terms_of_service: str | None = None
    contact: Mapping[str, str] | None = None
    license: Mapping[str, str] | None = None
    servers: Sequence[str | Mapping[str, Any]] = ()
    tags: Mapping[str, str | Mapping[str, Any]] = {}
    external_docs: str | None = None
    security_schemes: Mapping[str, Mapping[str, Any]] = {}
    security: Sequence[Mapping[str, Sequence[str]]] = ()
    schemas: Mapping[type, Mapping[str, Any]] = {}
    names: Mapping[type, str] = {}
    path: str = "/openapi.json"
    page: str | None = "/docs"
    in_production: bool = True
    extensions: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        raise_all(_problems(self))


def _problems(given: OpenAPI) -> list[KickError]:
    problems: list[KickError] = []
    for name, (expected, example, fits) in RULES.items():
        value = getattr(given, name)
        if not fits(value):
            problems.append(bad_option(name, value, expected, f"{name}={example}"))
    return problems
