"""Checks of the documents at start-up: names of models, types without a schema, and security schemes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from kick.di import Container
from kick.di.naming import core, place_of
from kick.errors import KickError
from kick.http.handlers.parameters import unmarked
from kick.http.handlers.plan import Source
from kick.http.middleware import Middleware
from kick.http.routing.raises import secured_by
from kick.http.settings import Settings
from kick.openapi.document import is_described, of_version, versions_of
from kick.openapi.errors import no_scheme
from kick.openapi.operations.inputs import Served, inputs_of, targets_of
from kick.openapi.options import OpenAPI
from kick.openapi.schemas.schemas import Schemas


def document_problems(
    options: OpenAPI, served: Sequence[Served], container: Container, settings: Settings
) -> list[KickError]:
    """Return the mistakes in the documents of all versions, each once. Only the types are looked at."""
    described = [each for each in served if is_described(each.route)]
    versions: Sequence[str | None] = versions_of(each.route for each in described) or [None]
    found = {str(problem): problem for problem in _security_problems(options, described, container)}
    for version in versions:
        schemas = Schemas(given=options.schemas, names=options.names, encoder=settings.encoder, strict=True)
        for each in of_version(described, version):
            _look(each, container, schemas)
        schemas.complete(None)
        found |= {str(problem): problem for problem in schemas.problems}
    return list(found.values())


def _security_problems(options: OpenAPI, described: Sequence[Served], container: Container) -> Iterator[KickError]:
    """Yield an error for each security scheme that is named and not defined."""
    for each in described:
        for target in targets_of(each, container):
            for name in chain(*secured_by(target)):
                if name not in options.security_schemes and name not in _schemes_around(each):
                    yield no_scheme(name, f"@Raises at {place_of(core(target))}")
    named = {name for each in options.security for name in each} - options.security_schemes.keys()
    if named:
        named -= {name for each in described for name in _schemes_around(each)}
    for name in sorted(named):
        yield no_scheme(name, "OpenAPI(security=...)")


def _schemes_around(served: Served) -> set[str]:
    layers = [each for each in (*served.outer, *served.inner) if isinstance(each, Middleware)]
    return {name for layer in layers for name in layer.describe(served.route).schemes}


def _look(served: Served, container: Container, schemas: Schemas) -> None:
    place = served.plan.place
    for each in inputs_of(served, container):
        hint: Any = unmarked(each.hint)
        # The fields of a query or a form are described apart, so that its class needs no name.
        if each.source not in (Source.QUERY, Source.FORM) or schemas.members(hint, "input", place) is None:
            schemas.of(hint, "input", place)
    for hint in (served.plan.response.hint, served.plan.response.items):
        schemas.of(hint, "output", place)
