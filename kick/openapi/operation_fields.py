"""Checks of `openapi=` of a route or controller, which is merged into its Operation Object."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from kick.di.naming import place_of
from kick.errors import KickError
from kick.http.routing.decorators import controller_info
from kick.http.routing.route import Route
from kick.openapi.errors import bad_operation
from kick.openapi.json_values import json_problem

_status: Final = re.compile(r"[1-5]([0-9]{2}|XX)|default")


def _is_response(status: Any, response: Any) -> bool:
    return _status.fullmatch(str(status)) is not None and isinstance(response, Mapping)


_TEXT: Final = ("a text", lambda value: isinstance(value, str))
_LIST: Final = ("a list", lambda value: isinstance(value, Sequence) and not isinstance(value, str))
_MAPPING: Final = ("a mapping", lambda value: isinstance(value, Mapping))
_FIELDS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "tags": ("a list of texts", lambda value: _LIST[1](value) and all(isinstance(each, str) for each in value)),
    "summary": _TEXT,
    "description": _TEXT,
    "externalDocs": _MAPPING,
    "operationId": _TEXT,
    "parameters": _LIST,
    "requestBody": _MAPPING,
    "responses": (
        "a mapping of Response Objects",
        lambda value: _MAPPING[1](value) and all(map(_is_response, value, value.values())),
    ),
    "callbacks": _MAPPING,
    "deprecated": ("True or False", lambda value: isinstance(value, bool)),
    "security": _LIST,
    "servers": _LIST,
}
"""The fields of an Operation Object (OpenAPI 3.1, section 4.8.10), and their kinds."""


def operation_problems(routes: Iterable[Route]) -> list[KickError]:
    """Return the mistakes in `openapi=` of routes and their controllers, each once."""
    found: dict[str, KickError] = {}
    for route in routes:
        info = controller_info(route.controller) if route.controller is not None else None
        given = [(route.info.openapi, route.place)]
        if info is not None and not isinstance(info.openapi, bool) and route.controller is not None:
            given.append((info.openapi, f"{route.controller.__name__} at {place_of(route.controller)}"))
        for fields, place in given:
            reason = None if isinstance(fields, bool) else _reason(fields)
            if reason is not None:
                found[place] = bad_operation(fields, reason, place)
    return list(found.values())


def _reason(given: Any) -> str | None:
    if not isinstance(given, Mapping):
        return "it is neither False nor a mapping"
    for name, value in given.items():
        if not isinstance(name, str) or (name not in _FIELDS and not name.startswith("x-")):
            return f"an Operation Object has no field {name!r}, and names of your own begin with `x-`"
        kind, fits = _FIELDS.get(name, ("", None))
        if fits is not None and not fits(value):
            return f"{name!r} is {kind}"
    problem = json_problem(given)
    return None if problem is None else f"it has no JSON form: {problem}"
