"""JSON Schemas (2020-12) of the types that handlers declare, and the components in which classes are described once."""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec
import typing_extensions

from kick.di.graph import is_hashable
from kick.di.hints import Unresolved, hints_of
from kick.di.naming import core
from kick.errors import KickError
from kick.http.uploads import is_upload
from kick.http.validation.conversion import needs_pydantic
from kick.http.validation.encoding import JSONEncoder
from kick.http.validation.number_range import limits_of
from kick.http.validation.pydantic_types import has_own_schema
from kick.http.validation.type_parts import Field, fields_of, members_of, metadata_of, plain
from kick.openapi.errors import no_json_value, no_schema
from kick.openapi.json_values import json_problem
from kick.openapi.schemas.leaves import (
    Schema,
    choice_schema,
    description_of,
    enum_schema,
    leaf_schema,
    nullable,
    said_about,
    without_null,
)
from kick.openapi.schemas.models import Mode, Wanted, inline_schema, pydantic_schemas
from kick.openapi.schemas.names import unique_names

PLACE: Final = "#/components/schemas/"

_UNSAID: Final = (Any, object, msgspec.Raw)
_ARRAYS: Final = (list, tuple, set, frozenset, deque, Set, Collection, Iterator, Iterable)
_FACTORIES: Final = (list, dict, set, frozenset, tuple)
"""Factories of defaults that make the same value each time."""


class Members(NamedTuple):
    """The members of an object: their schemas by name, and the names of those that must be there."""

    properties: dict[str, Schema]
    required: frozenset[str]


class Schemas:
    """Makes the schemas of types, in one document.

    Classes are referred to, and described apart, as components. The name of a class is known only when all of them are
    (two may have the same one), so schemas have marks for references until `complete()` replaces them.

    Arguments:
        given: schemas of types, in place of their own.
        names: names of types, in place of their own.
        encoder: the encoder of the application, whose functions may declare what they return.
        strict: record types of the same name, and types without a schema, as `problems`.
    """

    def __init__(
        self,
        *,
        given: Mapping[Any, Mapping[str, Any]] | None = None,
        names: Mapping[Any, str] | None = None,
        encoder: JSONEncoder | None = None,
        strict: bool = False,
    ) -> None:
        self.problems: list[KickError] = []
        self._given = dict(given or {})
        self._given_names = dict(names or {})
        self._encoder = encoder
        self._strict = strict
        self._components: dict[Any, Schema] = {}
        self._known: dict[tuple[Any, Mode], Schema] = {}
        self._marks: dict[str, Any] = {}
        self._mark_of: dict[Any, str] = {}
        self._wanted: dict[str, Wanted] = {}

    def of(self, hint: Any, mode: Mode, place: str) -> Schema:
        """Return the schema of a type, as it is read (`"input"`) or written (`"output"`) at a place in the code."""
        key = (hint, mode) if is_hashable(hint) else None
        if key is not None and key in self._known:
            return self._known[key]
        by_pydantic = mode == "input" and _is_read_by_pydantic(hint)
        schema = self._by_pydantic(hint, mode) if by_pydantic else self._of(hint, mode, place)
        if key is not None:
            self._known[key] = schema
        return schema

    def of_text(self, hint: Any, place: str) -> Schema:
        """Return the schema of a type that is read from a text, which is never null.

        Its keywords are there at once, without a mark: parameters have the description beside their schemas.
        """
        schema = inline_schema(hint, "input") if _is_read_by_pydantic(hint) else self._of(hint, "input", place)
        return without_null(schema)

    def members(self, hint: Any, mode: Mode, place: str) -> Members | None:
        """Return the members of objects of a type; `None` for a type without fields, or of several classes."""
        inner = [each for each in members_of(hint) if each is not type(None)]
        if len(inner) != 1:
            return None
        cls = get_origin(plain(inner[0])) or plain(inner[0])
        fields = fields_of(inner[0])
        if fields is None or (isinstance(cls, type) and issubclass(cls, tuple)) or cls in self._given:
            return None
        if mode == "input" and _is_read_by_pydantic(inner[0]):
            schema = inline_schema(inner[0], mode)
            return Members(schema.get("properties", {}), frozenset(schema.get("required", ())))
        return self._members(fields, mode, place)

    def complete(self, document: Any) -> tuple[Any, dict[str, Schema]]:
        """Return a document with its references, and the components by their names."""
        models = pydantic_schemas([*self._wanted.values()])
        owned = [each for each in models.owners if each not in self._components]
        names, problems = unique_names([*self._components, *owned], self._given_names, strict=self._strict)
        self.problems += problems
        own = {names[key]: schema for key, schema in self._components.items()}
        of_models = models.named(names, taken=own)
        references = {mark: PLACE + names[key] for mark, key in self._marks.items()}
        slots = {mark: wanted.schema for mark, wanted in self._wanted.items()}

        def completed(value: Any) -> Any:
            if isinstance(value, dict):
                mark = value.get("$ref")
                if mark in slots:
                    rest = {key: completed(each) for key, each in value.items() if key != "$ref"}
                    return {**slots[mark], **rest}
                return {key: completed(each) for key, each in value.items()}
            if isinstance(value, list):
                return [completed(each) for each in value]
            return references.get(value, value) if isinstance(value, str) else value

        return completed(document), dict(sorted({**of_models, **completed(own)}.items()))

    def _of(self, hint: Any, mode: Mode, place: str) -> Schema:
        metadata = metadata_of(hint)
        if any(map(has_own_schema, metadata)):
            return self._by_pydantic(hint, mode)
        inner = plain(hint)
        schema = self._plain(inner, mode, place)
        if inner is int and limits_of(metadata) != (None, None):
            schema = {**schema, "format": "int64"}  # an integer beyond is invalid
        if self._strict:
            self._check_values(hint, metadata, place)
        return said_about(metadata, schema)

    def _check_values(self, hint: Any, metadata: Iterable[Any], place: str) -> None:
        for meta in metadata:
            problem = json_problem([meta.examples, meta.extra_json_schema]) if isinstance(meta, msgspec.Meta) else None
            if problem is not None:
                self.problems.append(no_json_value(plain(hint), problem, place))

    def _plain(self, hint: Any, mode: Mode, place: str) -> Schema:
        if len(members_of(hint)) > 1:
            return self._union(members_of(hint), mode, place)
        cls: Any = get_origin(hint) or hint
        if cls is Literal:
            return choice_schema(get_args(hint))
        if cls in _UNSAID or isinstance(cls, TypeVar | typing_extensions.TypeVar):
            return {}
        if not isinstance(cls, type):
            return {"type": "null"} if hint is None else self._unknown(hint, place)
        if cls in self._given:
            return self._component(cls, lambda schema: schema.update(self._given[cls]))
        encode = None if mode == "input" or self._encoder is None else self._encoder.encoder_of(cls)
        if encode is not None:
            return self._encoded(cls, encode, place)
        if has_own_schema(cls):
            return self._by_pydantic(hint, mode)
        if is_upload(cls):
            return {"type": "string", "format": "binary"}
        if issubclass(cls, enum.Enum):
            if json_problem([each.value for each in cls]) is not None:
                return self._unknown(cls, place)
            return self._component(cls, lambda schema: schema.update(enum_schema(cls)))
        if hint in self._components:
            return self._reference(hint)
        fields = fields_of(hint)
        if fields is not None:
            return self._component(hint, lambda schema: schema.update(self._record(hint, cls, fields, mode, place)))
        return leaf_schema(cls) or self._container(hint, cls, mode, place)

    def _container(self, hint: Any, cls: Any, mode: Mode, place: str) -> Schema:
        args = get_args(hint)
        if issubclass(cls, Mapping):
            return self._mapping(args, mode, place)
        if cls is tuple and args and args[-1] is not Ellipsis:
            items = [self._of(each, mode, place) for each in args if each != ()]
            return _tuple(items, len(items))
        if issubclass(cls, _ARRAYS):
            item = self._of(args[0], mode, place) if args else {}
            return {"type": "array", "items": item} if item else {"type": "array"}
        return self._unknown(hint, place)

    def _mapping(self, args: tuple[Any, ...], mode: Mode, place: str) -> Schema:
        schema: Schema = {"type": "object"}
        if len(args) != 2:
            return schema
        key, value = self._of(args[0], mode, place), self._of(args[1], mode, place)
        if key.get("type") in ("integer", "number"):
            schema["propertyNames"] = {"pattern": r"^-?[0-9]+$" if key["type"] == "integer" else r"^-?[0-9]"}
        elif key not in ({}, {"type": "string"}) and "anyOf" not in key:
            schema["propertyNames"] = key
        return schema | ({"additionalProperties": value} if value else {})

    def _union(self, members: Iterable[Any], mode: Mode, place: str) -> Schema:
        kinds = [each for each in members if plain(each) is not msgspec.UnsetType]
        others = [each for each in kinds if plain(each) not in (None, type(None))]
        schema = self._alternatives(others, mode, place)
        return schema if len(others) == len(kinds) else nullable(schema)

    def _alternatives(self, members: list[Any], mode: Mode, place: str) -> Schema:
        schemas = [self._of(each, mode, place) for each in members]
        if len(schemas) == 1:
            return schemas[0]
        tagged = [_tag_of(each) for each in members]
        if schemas and all(tagged):
            mapping: dict[str, str] = {}
            for schema, said in zip(schemas, tagged, strict=True):
                if said is not None:
                    mapping[said[1]] = schema["$ref"]
            field = tagged[0][0] if tagged[0] is not None else ""
            return {"oneOf": schemas, "discriminator": {"propertyName": field, "mapping": mapping}}
        if {} in schemas:
            return {}
        return {"anyOf": [each for index, each in enumerate(schemas) if each not in schemas[:index]]}

    def _component(self, key: Any, fill: Callable[[Schema], None]) -> Schema:
        if key not in self._components:
            self._components[key] = {}
            fill(self._components[key])  # after it is there: a class may refer to itself
        return self._reference(key)

    def _reference(self, key: Any) -> Schema:
        if key not in self._mark_of:
            self._mark_of[key] = self._mark(self._marks, key)
        return {"$ref": self._mark_of[key]}

    def _record(self, hint: Any, cls: Any, fields: tuple[Field, ...], mode: Mode, place: str) -> Schema:
        config = getattr(cls, "__struct_config__", None)
        described: Schema = {"description": text} if (text := description_of(cls)) else {}
        if issubclass(cls, tuple) or (config is not None and config.array_like):
            return self._array_record(fields, config, mode, place) | described
        properties, required = self._members(fields, mode, place)
        schema: Schema = {"type": "object", **described}
        if config is not None and config.tag is not None:
            properties = {config.tag_field: choice_schema([config.tag]), **properties}
            required |= {config.tag_field}
        schema["properties"] = properties
        if required:
            schema["required"] = [name for name in properties if name in required]
        if config is not None and config.forbid_unknown_fields:
            schema["additionalProperties"] = False
        return schema

    def _array_record(self, fields: tuple[Field, ...], config: Any, mode: Mode, place: str) -> Schema:
        items = [self._of(each.hint, mode, place) for each in fields]
        needed = 1 + max((index for index, each in enumerate(fields) if each.required), default=-1)
        if config is None:
            return _tuple(items, needed)
        if config.tag is not None:
            items, needed = [choice_schema([config.tag]), *items], needed + 1
        schema: Schema = {"type": "array", "prefixItems": items, "minItems": needed}
        return schema | ({"maxItems": len(items)} if config.forbid_unknown_fields else {})

    def _members(self, fields: tuple[Field, ...], mode: Mode, place: str) -> Members:
        properties = {each.wire_name: self._field(each, mode, place) for each in fields}
        return Members(properties, frozenset(each.wire_name for each in fields if each.required))

    def _field(self, field: Field, mode: Mode, place: str) -> Schema:
        schema = self._of(field.hint, mode, place)
        make = field.make_default
        if make is None or (field.has_factory and make not in _FACTORIES):
            return schema
        found = self.default(make())
        return schema if found is msgspec.UNSET else {**schema, "default": found}

    def default(self, value: Any) -> Any:
        """Return a default as JSON has it; `UNSET` for a value that has no JSON form of its own.

        `None` is left out: examples that are made of the schema would show it in place of a value.
        """
        if value is None or value is msgspec.UNSET or (isinstance(value, float) and not math.isfinite(value)):
            return msgspec.UNSET
        try:
            return msgspec.to_builtins(value)
        except (TypeError, ValueError):
            return msgspec.UNSET

    def _encoded(self, cls: Any, encode: Callable[[Any], Any], place: str) -> Schema:
        """Return the schema of what an encoder of the application declares that it returns."""
        returned = hints_of(core(encode)).get("return") if not isinstance(encode, type) else encode
        if returned is None or isinstance(returned, Unresolved) or returned is cls:
            return self._unknown(cls, place)
        return self._of(returned, "output", place)

    def _unknown(self, hint: Any, place: str) -> Schema:
        if self._strict:
            self.problems.append(no_schema(hint, place))
        return {}

    def _by_pydantic(self, hint: Any, mode: Mode) -> Schema:
        return {"$ref": self._mark(self._wanted, Wanted(hint, mode, {}))}

    def _mark(self, marks: dict[str, Any], value: Any) -> str:
        mark = f"kick:{len(self._marks) + len(self._wanted)}"
        marks[mark] = value
        return mark


def _tuple(items: list[Schema], needed: int) -> Schema:
    if not items:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "prefixItems": items, "minItems": needed, "maxItems": len(items)}


def _tag_of(hint: Any) -> tuple[str, str] | None:
    """Return the field and the value of the tag of a Struct."""
    cls = get_origin(plain(hint)) or plain(hint)
    config = getattr(cls, "__struct_config__", None)
    if config is None or config.tag is None or config.array_like:
        return None
    return config.tag_field, str(config.tag)


def _is_read_by_pydantic(hint: Any) -> bool:
    try:
        return needs_pydantic(hint)
    except TypeError:  # of a custom type, which has no schema of its own
        return False
