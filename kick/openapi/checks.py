"""Checks of the documents at start-up: names of models, and types without a schema."""

from __future__ import annotations

from collections.abc import Sequence

from kick.di import Container
from kick.errors import KickError
from kick.http.settings import Settings
from kick.openapi.document import make_document, of_version, versions_of
from kick.openapi.operations.inputs import Served
from kick.openapi.options import OpenAPI


def document_problems(
    options: OpenAPI, served: Sequence[Served], container: Container, settings: Settings
) -> list[KickError]:
    """Return the mistakes in the documents of all versions, each once."""
    versions: Sequence[str | None] = versions_of(each.route for each in served) or [None]
    found: dict[str, KickError] = {}
    for version in versions:
        _, problems = make_document(options, of_version(served, version), container, settings, strict=True)
        found |= {str(each): each for each in problems}
    return list(found.values())
