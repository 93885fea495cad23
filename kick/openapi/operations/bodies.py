"""Request Body Objects: JSON, text, bytes, and forms with files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kick.http.handlers.plan import CallPlan, Source
from kick.http.request.body import FORM, JSON, MULTIPART
from kick.http.request.upload_limits import file_fields, file_of
from kick.http.uploads import File
from kick.http.validation.fields import has_items
from kick.openapi.operations.inputs import Input
from kick.openapi.schemas.leaves import Schema, without_null
from kick.openapi.schemas.schemas import Members, Schemas

_NO_FIELDS = Members({}, frozenset())


def body_of(plan: CallPlan, inputs: Sequence[Input], schemas: Schemas) -> dict[str, Any] | None:
    """Return the request body of an operation; `None` if the handler reads none."""
    if plan.info.stream:
        return {"content": {"application/octet-stream": {}}}
    files = [each for each in inputs if each.source is Source.FILE]
    body = next((each for each in inputs if each.source in (Source.BODY, Source.FORM)), None)
    has_files = bool(files or (body is not None and file_fields(body.hint)))
    if has_files or (body is not None and body.source is Source.FORM):
        return _form(files, body, schemas, plan.place, MULTIPART if has_files else FORM)
    if body is None:
        return None
    if body.hint is bytes:
        return {"content": {"application/octet-stream": {}}, "required": False}
    schema = schemas.of(body.hint, "input", plan.place)
    content: dict[str, Any] = {JSON: {"schema": schema}}
    if body.hint is str:
        content["text/plain"] = {"schema": {"type": "string"}}
    return {"content": content, "required": body.required}


def limits_of(plan: CallPlan) -> Mapping[str, File]:
    """Return the limits of the files of a form, by the names of their fields."""
    return {} if plan.upload_limits is None else plan.upload_limits.files


def _form(files: Sequence[Input], body: Input | None, schemas: Schemas, place: str, media_type: str) -> dict[str, Any]:
    fields = _NO_FIELDS if body is None else schemas.members(body.hint, "input", place) or _NO_FIELDS
    limits = {} if body is None else file_fields(body.hint)
    properties = {name: without_null(schema) for name, schema in fields.properties.items()}
    required = set(fields.required) if body is not None and body.required else set[str]()
    for each in files:
        limit = file_of(each.hint)
        item: Schema = {"type": "string", "format": "binary"}
        several: Schema = {"type": "array", "items": item, **({"minItems": 1} if each.required else {})}
        properties[each.name] = several if has_items(each.hint) else item
        if limit is not None:
            limits[each.name] = limit
        if each.required:
            required.add(each.name)
    for name, limit in limits.items():
        properties[name] = {**properties[name], **_limited(limit, properties[name])}
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = [name for name in properties if name in required]
    encoding = {name: {"contentType": ", ".join(limit.types)} for name, limit in limits.items() if limit.types}
    media: dict[str, Any] = {"schema": schema, **({"encoding": encoding} if encoding else {})}
    return {"content": {media_type: media}, "required": bool(required)}


def _limited(limit: File, schema: Schema) -> Schema:
    found: Schema = {}
    said = []
    if limit.max_size is not None:
        said.append(f"at most {limit.max_size} bytes")
    if limit.max_files is not None and schema.get("type") == "array":
        found["maxItems"] = limit.max_files
    if limit.types:
        said.append(f"of the type {' or '.join(limit.types)}")
    if said and "description" not in schema:
        text = ", ".join(said)
        found["description"] = f"{text[0].upper()}{text[1:]}."
    return found
