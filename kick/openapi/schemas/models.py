"""Schemas of pydantic's types, made by pydantic: as they are validated and as they are serialized."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from kick.http.uploads import is_upload
from kick.http.validation.number_range import holds_big_integers
from kick.http.validation.pydantic_types import adapter_of
from kick.http.validation.type_parts import plain, types_within
from kick.openapi.schemas.leaves import Schema

Mode: TypeAlias = Literal["input", "output"]
"""Values that are read, and values that are written."""

_PLACE: Final = "#/components/schemas/"
_MODES: Final[Mapping[Mode, Any]] = {"input": "validation", "output": "serialization"}
_SUFFIXES: Final = ("-Input", "-Output")


class Wanted(NamedTuple):
    """A schema that is wanted: the type, its mode, and the object to fill in."""

    hint: Any
    mode: Mode
    schema: Schema


class ModelSchemas:
    """The classes that pydantic describes; `owners` has the class of each, where it is known."""

    def __init__(self, definitions: Mapping[str, Schema], owners: Mapping[str, Any], wanted: Sequence[Wanted]) -> None:
        self._definitions = definitions
        self._owner_of = owners
        self._wanted = wanted

    @property
    def owners(self) -> Sequence[Any]:
        """The described classes, each once."""
        return list(dict.fromkeys(self._owner_of.values()))

    def named(self, names: Mapping[Any, str], taken: Iterable[str]) -> dict[str, Schema]:
        """Return the schemas by their names in the document, and rename the references to them.

        A class has two names only where it is read and written in different forms.
        """
        new_names = self._new_names(names, set(taken))
        renamed = _renaming(new_names)
        for each in self._wanted:
            schema = renamed(each.schema)
            each.schema.clear()
            each.schema.update(schema)
        return {new_names[key]: renamed(schema) for key, schema in self._definitions.items()}

    def _new_names(self, names: Mapping[Any, str], taken: set[str]) -> dict[str, str]:
        alike = self._alike()
        found: dict[str, str] = {}
        for key in self._definitions:
            base, suffix = _split(key)
            owner = self._owner_of.get(key)
            name = base if owner is None else names.get(owner, base)
            found[key] = name if base in alike else name + suffix
            if owner is None and found[key] in taken:
                found[key] += "-Model"
        return found

    def _alike(self) -> set[str]:
        """Return the classes whose two forms are equal; pydantic tells them apart if they refer to one another."""
        pairs = {base for base, suffix in map(_split, self._definitions) if suffix}
        alike = {base for base in pairs if all(base + suffix in self._definitions for suffix in _SUFFIXES)}
        while True:
            renamed = _renaming({base + suffix: base for base in alike for suffix in _SUFFIXES})
            different = {
                base
                for base in alike
                if renamed(self._definitions[f"{base}-Input"]) != renamed(self._definitions[f"{base}-Output"])
            }
            if not different:
                return alike
            alike -= different


def pydantic_schemas(wanted: Sequence[Wanted]) -> ModelSchemas:
    """Fill in the wanted schemas, and return the classes that they refer to."""
    if not wanted:
        return ModelSchemas({}, {}, ())
    from pydantic import TypeAdapter

    asked = [(index, _MODES[each.mode], adapter_of(each.hint)) for index, each in enumerate(wanted)]
    parts = list(dict.fromkeys(part for each in wanted for part in _classes_in(each.hint)))
    modes: list[Mode] = list({each.mode: None for each in wanted})
    owned = [(len(wanted) + index, part) for index, part in enumerate(parts)]
    asked += [(index, _MODES[mode], adapter_of(part)) for index, part in owned for mode in modes]
    found, rest = TypeAdapter.json_schemas(asked, ref_template=_PLACE + "{model}", schema_generator=_generator())
    for index, each in enumerate(wanted):
        each.schema.update(found[index, _MODES[each.mode]])
    owners: dict[str, Any] = {}
    for index, part in owned:
        for mode in modes:
            reference: str = found[index, _MODES[mode]].get("$ref", "")
            owners.setdefault(reference.removeprefix(_PLACE), part)
    used = _reachable(rest.get("$defs", {}), [each.schema for each in wanted])
    return ModelSchemas(used, {key: owner for key, owner in owners.items() if key in used}, wanted)


def inline_schema(hint: Any, mode: Mode) -> Schema:
    """Return the schema of a type with all that it refers to within it."""
    schema: Schema = adapter_of(hint).json_schema(
        mode=_MODES[mode], ref_template="{model}", schema_generator=_generator()
    )
    definitions: dict[str, Schema] = schema.pop("$defs", {})

    def resolved(value: Any, above: tuple[str, ...]) -> Any:
        if isinstance(value, list):
            return [resolved(each, above) for each in value]
        if not isinstance(value, dict):
            return value
        name = value.get("$ref")
        if name in above:
            return {}
        if isinstance(name, str) and name in definitions:
            rest = {key: each for key, each in value.items() if key != "$ref"}
            return {**resolved(definitions[name], (*above, name)), **rest}
        return {key: resolved(each, above) for key, each in value.items()}

    found: Schema = resolved(schema, ())
    return found


def _classes_in(hint: Any) -> Iterable[Any]:
    """Return the classes within a type that pydantic may describe apart."""
    for each in types_within(hint):
        inner = plain(each)
        if isinstance(inner, type) and inner.__module__ not in ("builtins", "datetime", "decimal", "uuid"):
            try:
                adapter_of(inner)
            except TypeError:
                continue
            yield inner


def _reachable(definitions: Mapping[str, Schema], roots: Iterable[Schema]) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    left = [key for root in roots for key in _references(root)]
    while left:
        key = left.pop()
        if key in definitions and key not in found:
            found[key] = definitions[key]
            left += _references(definitions[key])
    return found


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [key for each in value for key in _references(each)]
    if isinstance(value, dict):
        return [key for each in value.values() for key in _references(each)]
    return [value.removeprefix(_PLACE)] if isinstance(value, str) and value.startswith(_PLACE) else []


def _renaming(names: Mapping[str, str]) -> Callable[[Any], Any]:
    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(each) for each in value]
        if isinstance(value, dict):
            return {key: renamed(each) for key, each in value.items()}
        if isinstance(value, str) and value.startswith(_PLACE):
            key = value.removeprefix(_PLACE)
            return _PLACE + names.get(key, key)
        return value

    return renamed


def _split(key: str) -> tuple[str, str]:
    suffix = next((each for each in _SUFFIXES if key.endswith(each)), "")
    return key.removesuffix(suffix), suffix


@cache
def _generator() -> Any:
    """Return pydantic's generator of schemas, for documents: no titles of fields, no warnings, files as texts."""
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012
        holds_big_integers = False

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

        def int_schema(self, schema: Any) -> dict[str, Any]:
            found: dict[str, Any] = super().int_schema(schema)
            has_bounds = bool({"ge", "gt"} & schema.keys()) and bool({"le", "lt"} & schema.keys())
            return found if has_bounds or self.holds_big_integers else {**found, "format": "int64"}

        def model_schema(self, schema: Any) -> dict[str, Any]:
            outside, self.holds_big_integers = self.holds_big_integers, holds_big_integers(schema["cls"])
            found: dict[str, Any] = super().model_schema(schema)
            self.holds_big_integers = outside
            return found

        def is_instance_schema(self, schema: Any) -> dict[str, Any]:
            return {"type": "string", "format": "binary"} if is_upload(schema["cls"]) else {}

        def default_schema(self, schema: Any) -> dict[str, Any]:
            found: dict[str, Any] = super().default_schema(schema)
            return {key: value for key, value in found.items() if key != "default" or value is not None}

        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
            return {}

    return Generator
