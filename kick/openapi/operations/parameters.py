"""Parameter Objects: path, query, headers and cookies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kick.http.handlers.parameters import FromCookie, FromHeader, FromQuery, marker_of, unmarked
from kick.http.handlers.plan import Source
from kick.http.routing.paths import path_names
from kick.http.validation.fields import object_fields
from kick.openapi.operations.inputs import Input
from kick.openapi.schemas.leaves import Schema, without_null
from kick.openapi.schemas.schemas import Schemas

_NOT_DESCRIBED: Final = ("accept", "content-type", "authorization")
"""Headers whose parameters are ignored (OpenAPI 3.1, section 4.8.12)."""

_kind_of: Final = re.compile(r"\{([A-Za-z_]\w*)(?::([a-z]+))?\}")
_KINDS: Final[Mapping[str, Schema]] = {
    "int": {"type": "integer", "format": "int64"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}


def parameters_of(path: str, inputs: Iterable[Input], schemas: Schemas, place: str) -> list[dict[str, Any]]:
    """Return the parameters of an operation: those of its path in their order, then query, headers, cookies."""
    listed = list(inputs)
    found = _of_path(path, {each.name: each for each in listed if each.source is Source.PATH}, schemas, place)
    for each in listed:
        if each.source is Source.QUERY:
            found += _of_query(each, schemas, place)
        elif each.source is Source.PARAMETER:
            found.append(_of_text(each, schemas, place))
    found += [_of_text(each, schemas, place) for each in listed if each.source in (Source.HEADER, Source.COOKIE)]
    unique = {
        (each["in"], each["name"].lower() if each["in"] == "header" else each["name"]): each for each in found[::-1]
    }
    return [each for (where, name), each in reversed(unique.items()) if where != "header" or name not in _NOT_DESCRIBED]


def _of_path(path: str, known: Mapping[str, Input], schemas: Schemas, place: str) -> list[dict[str, Any]]:
    kinds = dict(_kind_of.findall(path))
    found: list[dict[str, Any]] = []
    for name in path_names(path):
        schema: Schema = dict(_KINDS.get(kinds[name], {"type": "string"}))
        if name in known:
            schema = schemas.of_text(unmarked(known[name].hint), place) or schema
        if schema.get("type") == "string" and not set(schema) & {"enum", "const", "format", "pattern"}:
            schema = {"minLength": 1, **schema}
        found.append(_parameter("path", name, schema, required=True))
    return found


def _of_query(given: Input, schemas: Schemas, place: str) -> list[dict[str, Any]]:
    """Return a parameter for each field; a type without fields is one that takes any name."""
    hint = unmarked(given.hint)
    members = schemas.members(hint, "input", place)
    if members is None:
        schema = schemas.of_text(hint, place)
        return [{"name": given.name, "in": "query", "style": "form", "explode": True, "schema": schema}]
    objects = object_fields(hint)
    found: list[dict[str, Any]] = []
    for name, schema in members.properties.items():
        required = name in members.required and given.required
        if name in objects:  # it is sent as JSON
            content = {"application/json": {"schema": schema}}
            found.append({**_parameter("query", name, {}, required=required), "content": content})
            del found[-1]["schema"]
        else:
            found.append(_parameter("query", name, without_null(schema), required=required))
    return found


def _of_text(given: Input, schemas: Schemas, place: str) -> dict[str, Any]:
    marker = marker_of(given.hint)
    schema = schemas.of_text(unmarked(given.hint), place)
    default = schemas.default(given.default) if given.has_default else msgspec.UNSET
    if default is not msgspec.UNSET and default is not None:
        schema = {**schema, "default": default}
    if isinstance(marker, FromQuery):
        return _parameter("query", marker.wire_name(given.name), without_null(schema), required=given.required)
    if isinstance(marker, FromCookie):
        return _parameter("cookie", marker.wire_name(given.name), schema, required=given.required)
    named = marker.name if isinstance(marker, FromHeader) else None
    return _parameter("header", named or _header_name(given.name), schema, required=given.required)


def _header_name(parameter: str) -> str:
    return "-".join(part.capitalize() for part in parameter.split("_"))


def _parameter(where: str, name: str, schema: Schema, *, required: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "in": where}
    if "description" in schema:
        found["description"] = schema["description"]
        schema = {key: value for key, value in schema.items() if key != "description"}
    if required:
        found["required"] = True
        if schema.get("examples"):
            found["example"] = schema["examples"][0]  # with which the page fills the field in
    if schema.get("deprecated") is True:
        found["deprecated"] = True
    return {**found, "schema": schema}
