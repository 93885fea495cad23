"""The routes of the document among those of an application."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kick.http.routing.route import Route
from kick.module import Module
from kick.openapi.documents import Documents


def with_openapi(modules: Sequence[Module], documents: Documents, middleware: Sequence[Any]) -> list[Module]:
    """Return the modules of an application, and the one that serves its documents, if there is to be one.

    >>> with_openapi([], Documents(False), [])
    []
    >>> with_openapi([], Documents(True), [])
    [Module('openapi')]
    """
    if not documents.is_served:
        return [*modules]
    from kick.openapi.routes import openapi_module  # on first use: it is not served in production

    own = openapi_module(documents, modules, middleware)
    return [*modules] if own is None else [*modules, own]


def listed_routes(routes: Iterable[Route]) -> list[Route]:
    """Return the routes without those that only the page of the API asks for: its files, and its CSRF token.

    >>> from kick import bootstrap
    >>> [route.path for route in listed_routes(bootstrap([], openapi=True).routes)]
    ['/openapi.json', '/docs']
    """
    return [each for each in routes if not _is_part_of_page(each)]


def _is_part_of_page(route: Route) -> bool:
    owner = None if route.controller is None else route.controller.__module__
    return owner == "kick.openapi.page.controller" and route.name != "PageController.page"
