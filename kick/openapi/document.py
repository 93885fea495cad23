"""The OpenAPI document (version 3.1.1) of an application."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from typing import Any, Final

from kick.di import Container
from kick.errors import KickError
from kick.http.routing.decorators import controller_info
from kick.http.routing.route import Route
from kick.http.settings import Settings
from kick.openapi.operations.ids import operation_ids
from kick.openapi.operations.inputs import Served
from kick.openapi.operations.operation import Operations
from kick.openapi.operations.paths import Paths
from kick.openapi.options import OpenAPI
from kick.openapi.schemas.leaves import description_of
from kick.openapi.schemas.schemas import Schemas

VERSION: Final = "3.1.1"

Document = dict[str, Any]
"""An OpenAPI Object."""


def make_document(
    options: OpenAPI,
    served: Iterable[Served],
    container: Container,
    settings: Settings,
    *,
    strict: bool = False,
) -> tuple[Document, list[KickError]]:
    """Return the document of some routes, and its mistakes if they are looked for (`strict`)."""
    listed = [each for each in served if is_described(each.route)]
    schemas = Schemas(given=options.schemas, names=options.names, encoder=settings.encoder, strict=strict)
    operations = Operations(container, settings, schemas, options.security_schemes)
    found = Paths()
    for each, name in zip(listed, operation_ids([each.route for each in listed]), strict=True):
        found.add(each.route.path, each.route.method.lower(), operations.of(each, name))
    paths, components = schemas.complete(found.items)
    document: Document = {"openapi": VERSION, "info": _info(options)}
    if options.servers:
        document["servers"] = [{"url": each} if isinstance(each, str) else dict(each) for each in options.servers]
    document["paths"] = paths
    parts = {"schemas": components, "securitySchemes": {**operations.schemes, **options.security_schemes}}
    if any(parts.values()):
        document["components"] = {name: part for name, part in parts.items() if part}
    if options.security:
        document["security"] = [dict(each) for each in options.security]
    tags = _tags(options, [each.route for each in listed])
    if tags:
        document["tags"] = tags
    if options.external_docs is not None:
        document["externalDocs"] = {"url": options.external_docs}
    return {**document, **options.extensions}, schemas.problems


def is_described(route: Route) -> bool:
    """Return true if a route is in the document."""
    return not (is_hidden(route) or route.is_mount or route.is_websocket)


def is_hidden(route: Route) -> bool:
    """Return true if a route or its controller is hidden by `openapi=False`."""
    info = controller_info(route.controller) if route.controller is not None else None
    return route.info.openapi is False or (info is not None and info.openapi is False)


def versions_of(routes: Iterable[Route]) -> list[str]:
    """Return the versions of the API, the oldest first: `v2` is before `v10`."""
    found = {route.version for route in routes if route.version is not None and is_described(route)}
    return sorted(found, key=lambda version: [int(part) if part.isdigit() else part for part in _numbers(version)])


def described_paths(served: Iterable[Served]) -> dict[tuple[str, str], str]:
    """Return the path in the document of each described route, by its method and its path in the application."""
    found = Paths()
    routes = [each.route for each in served if is_described(each.route)]
    return {(route.method, route.path): found.add(route.path, route.method.lower(), {}) for route in routes}


def of_version(served: Iterable[Served], version: str | None) -> list[Served]:
    """Return the routes of a version, and those that have none."""
    return [each for each in served if each.route.version in (None, version)]


def _numbers(version: str) -> Sequence[str]:
    return re.split(r"([0-9]+)", version)


def _info(options: OpenAPI) -> dict[str, Any]:
    said: Mapping[str, Any] = {
        "title": options.title,
        "version": options.version,
        "summary": options.summary,
        "description": None if options.description is None else cleandoc(options.description),
        "termsOfService": options.terms_of_service,
        "contact": options.contact,
        "license": options.license,
    }
    return {name: value for name, value in said.items() if value is not None}


def _tags(options: OpenAPI, routes: Sequence[Route]) -> list[dict[str, Any]]:
    """Return the tags: those of the options first, then those of routes, with the docstrings of controllers."""
    said: dict[str, Mapping[str, Any]] = {
        name: ({"description": tag} if tag else {}) if isinstance(tag, str) else tag
        for name, tag in options.tags.items()
    }
    texts: dict[str, list[str]] = {name: [] for name in said}
    for route in routes:
        info = controller_info(route.controller) if route.controller is not None else None
        of_controller = _given_tags(info.openapi if info is not None else True) or [route.module]
        text = description_of(route.controller)
        for name in _given_tags(route.info.openapi) or of_controller:
            found = texts.setdefault(name, [])
            if text and text not in found and name == of_controller[0]:
                found.append(text)
    return [
        {"name": name, **({"description": "\n\n".join(text)} if text else {}), **said.get(name, {})}
        for name, text in texts.items()
    ]


def _given_tags(fields: bool | Mapping[str, Any]) -> Sequence[str]:
    """Return the tags in the `openapi=` of a route or controller."""
    return fields.get("tags", ()) if isinstance(fields, Mapping) else ()
