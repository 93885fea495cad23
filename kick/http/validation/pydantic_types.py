"""Types that pydantic validates: its models and dataclasses, and types that are annotated with its `Field`.

pydantic is imported only for a type of its own. An application with such a type has imported it already.
"""

from __future__ import annotations

import re
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum, auto
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from kick.exceptions import FieldError
from kick.http.uploads import is_upload
from kick.http.validation.error_paths import check_text, check_value
from kick.http.validation.errors import FoundErrors, pointer
from kick.http.validation.hash_collisions import collision_check
from kick.http.validation.json_text import decode_json, has_mark, invalid
from kick.http.validation.number_errors import SMALL, checked, may_be_large
from kick.http.validation.number_range import range_check
from kick.http.validation.type_parts import metadata_of, plain, types_within

_FOREIGN: Final = ("pydantic", "annotated_types")
_MOST_WAYS: Final = 16
_MANY: Final = 5000
"""Errors of which objects are made: about 10 milliseconds."""
_UNEXPECTED: Final = re.compile(r"Expected `([^`]*)`")


class Shape(Enum):
    """The form of a field in the input: the value itself, or an item or member by an `AliasPath`."""

    WHOLE = auto()
    ITEM = auto()
    MEMBER = auto()


class WireName(NamedTuple):
    """A name of a field of a model in the input."""

    field: str
    name: str
    shape: Shape


def is_model(hint: Any) -> bool:
    """Return whether a type is a model or a dataclass of pydantic's.

    >>> is_model(dict)
    False
    """
    return isinstance(hint, type) and hasattr(hint, "__pydantic_validator__")


def has_own_schema(hint: Any) -> bool:
    """Return whether a class has a schema of pydantic's: models, `SecretStr`, `AnyUrl`.

    >>> has_own_schema(str)
    False
    """
    return is_model(hint) or (hasattr(hint, "__get_pydantic_core_schema__") and not is_upload(hint))


def is_of_pydantic(hint: Any) -> bool:
    """Return whether a type or its metadata is of pydantic; its parts are not examined.

    >>> is_of_pydantic(str)
    False
    """
    return has_own_schema(plain(hint)) or any(map(is_foreign, metadata_of(hint)))


def is_foreign(metadata: Any) -> bool:
    """Return whether metadata of a type is for pydantic: `Field(ge=1)`, `Discriminator("kind")`.

    >>> is_foreign(msgspec.Meta(ge=1))
    False
    """
    return type(metadata).__module__.partition(".")[0] in _FOREIGN or has_own_schema(metadata)


def holds_pydantic(hint: Any) -> bool:
    """Return whether a type or any part of it is of pydantic.

    >>> holds_pydantic(dict[str, int])
    False
    """
    return any(map(is_of_pydantic, types_within(hint)))


def adapter_of(hint: Any) -> Any:
    """Return pydantic's `TypeAdapter` of a type. Raises `TypeError` if pydantic cannot validate the type."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        raise TypeError("constraints of annotated-types need pydantic: import it, or write msgspec.Meta(ge=1)")
    try:
        return pydantic.TypeAdapter(hint)
    except pydantic.errors.PydanticUserError as error:
        structs = [each for each in types_within(hint) if _is_struct(plain(each))]
        if structs:
            raise TypeError(
                f"{structs[0]!r} is a Struct, which pydantic does not know, and something in it is pydantic's: "
                "make a model of it, or keep to msgspec within it"
            ) from None
        raise TypeError(f"pydantic cannot validate it: {error.message}") from None


def model_decoder(hint: Any) -> Callable[[bytes], Any]:
    """Return a function from JSON to a value of a type of pydantic's; it raises as `json_decoder()` says."""
    validate, paths, check = adapter_of(hint).validate_json, _alias_paths(hint), collision_check(hint, stops=False)
    is_within = range_check(hint, finite=False)

    def validate_part(value: Any) -> Any:
        return validate(msgspec.json.encode(value))

    def decode_body(body: bytes) -> Any:
        value = decode_json(body)  # so that malformed JSON has the same error for all types
        if check is not None:
            check(value)
        check_text(body, "body")
        given = body.removeprefix(BOM_UTF8) if has_mark(body) else body
        validated = _validated(partial(validate, given), "body", value, paths, validate_part)
        if is_within is None or (len(body) > SMALL and not may_be_large(body)) or is_within(validated):
            return validated
        return checked(hint, value, "/body", validated, finite=False)

    return decode_body


def model_converter(hint: Any, part: str) -> Callable[[Any], Any]:
    """Return a function from texts to a value of a type of pydantic's; it raises as `converter()` says."""
    validate, paths, check = (
        adapter_of(hint).validate_python,
        _alias_paths(hint),
        collision_check(hint, part, stops=False),
    )
    is_within = range_check(hint, finite=False)

    def convert(value: Any) -> Any:
        if check is not None:
            check(value)
        check_value(value, part)
        validated = _validated(partial(validate, value), part, value, paths, validate)
        if is_within is None or is_within(validated):
            return validated
        return checked(hint, value, f"/{part}", validated, finite=False)

    return convert


class Problem(NamedTuple):
    """The reason why a value does not fit: the path to it, and the expected type."""

    steps: tuple[object, ...]
    expected: str
    value: Any


Write = Callable[[Any], tuple[bytes, Problem | None]]


def model_writer(hint: Any, fallback: Callable[[Any], Any]) -> Write:
    """Return a function that writes values as a type of pydantic's, by its aliases.

    An instance of a subclass is written with the declared fields. Other objects and mappings are validated first.
    """
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError

    adapter = adapter_of(hint)
    model = hint if isinstance(hint, type) else None

    def write(value: Any) -> tuple[bytes, Problem | None]:
        if value is None or (model is not None and not isinstance(value, model)):
            try:
                value = adapter.validate_python(value, from_attributes=True)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                return b"", Problem(tuple(first["loc"]), first["msg"], first["input"])
        try:
            return adapter.dump_json(value, by_alias=True, warnings="error", fallback=fallback), None
        except PydanticSerializationError as error:
            if _UNEXPECTED.search(str(error)) is None:
                raise
            return b"", _misfit(adapter, value, error, fallback)

    return write


def _misfit(adapter: Any, value: Any, error: Exception, fallback: Callable[[Any], Any]) -> Problem:
    """Return the problem behind an error of `dump_json`: pydantic names the innermost field at most, and no path."""
    fields = getattr(type(value), "__pydantic_fields__", ())
    adapter = adapter or (adapter_of(type(value)) if fields else None)
    for name in fields:
        try:
            adapter.dump_json(value, include={name}, warnings="error", fallback=fallback)
        except type(error) as cause:
            found = _misfit(None, getattr(value, name, None), cause, fallback)
            return found._replace(steps=(name, *found.steps))
    expected = _UNEXPECTED.search(str(error))
    return Problem((), f"`{expected[1]}`" if expected else "another type", value)


def wire_names(cls: Any) -> list[WireName]:
    """Return the names in the input of the fields of a model or dataclass of pydantic."""
    config = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    found: list[WireName] = []
    for name, field in cls.__pydantic_fields__.items():
        alias = field.validation_alias or field.alias
        if alias is None or by_name:
            found.append(WireName(name, name, Shape.WHOLE))
        if alias is not None and config.get("validate_by_alias") is not False:
            found += [_wire_name(name, each) for each in getattr(alias, "choices", (alias,))]
    return found


def root_of(cls: Any) -> Any:
    """Return the type in a `RootModel`; any other class itself."""
    return cls.__pydantic_fields__["root"].annotation if getattr(cls, "__pydantic_root_model__", False) else cls


def _wire_name(field: str, alias: Any) -> WireName:
    path = getattr(alias, "path", None)
    if path is None:
        return WireName(field, alias, Shape.WHOLE)
    if len(path) == 1:
        return WireName(field, path[0], Shape.WHOLE)
    return WireName(field, path[0], Shape.ITEM if isinstance(path[1], int) else Shape.MEMBER)


def _alias_paths(hint: Any) -> frozenset[tuple[object, ...]]:
    """Return the alias paths with several steps, of all models within a type."""
    models = {id(plain(each)): plain(each) for each in types_within(hint) if is_model(plain(each))}
    fields = [field for model in models.values() for field in model.__pydantic_fields__.values()]
    aliases = [
        each for field in fields for each in getattr(field.validation_alias, "choices", (field.validation_alias,))
    ]
    paths = [tuple(each.path) for each in aliases if hasattr(each, "path")]
    return frozenset(path for path in paths if len(path) > 1)


def _is_struct(hint: Any) -> bool:
    hint = getattr(hint, "__origin__", hint)
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _validated(
    validate: Callable[[], Any],
    part: str,
    value: Any,
    paths: Collection[tuple[object, ...]],
    validate_part: Callable[[Any], Any],
) -> Any:
    """Validate `value` with pydantic, or its JSON; `validate_part` validates a part of it."""
    from pydantic import ValidationError

    try:
        return validate()
    except ValidationError as error:
        count = error.error_count()
        found = error.errors(include_url=False) if count <= _MANY else _first_errors(value, validate_part)
        told = FoundErrors(f"/{part}")
        for each in found:
            if told.is_full:
                break
            told.take(_as_error(each, f"/{part}", value, paths))
        if not told.listed:
            told.add(None, f"{count} values in it are invalid", "invalid")
        raise invalid(told.listed) from None


def _first_errors(value: Any, validate: Callable[[Any], Any]) -> list[Any]:
    """Return errors of the first members of lists and objects; none if those are valid.

    pydantic collects every error, and makes objects of all of them: of a body of 1 MiB for seconds.
    """
    from pydantic import ValidationError

    for most in (100, 10, 1000, 10_000):
        try:
            validate(_shortened(value, most))
        except ValidationError as error:
            if error.error_count() <= _MANY:
                return [each for each in error.errors(include_url=False) if each["type"] != "too_short"]
    return []


def _shortened(value: Any, most: int, depth: int = 50) -> Any:
    """Return a value of JSON with at most so many members in each list and object, down to a depth."""
    if depth == 0:
        return value
    if isinstance(value, Mapping):
        return {name: _shortened(each, most, depth - 1) for name, each in islice(value.items(), most)}
    return [_shortened(each, most, depth - 1) for each in value[:most]] if isinstance(value, list) else value


def _as_error(error: Any, location: str, value: Any, paths: Collection[tuple[object, ...]]) -> FieldError:
    """Return an error of pydantic in kick's form. Its path also names members of unions, which are left out."""
    steps, given = error["loc"], error.get("input")
    hidden = 0
    if error["type"] == "missing":  # its input is the object that lacks the last step
        hidden = next((len(path) for path in paths if steps[-len(path) :] == path), 1)
    seen, rest = steps[: len(steps) - hidden], steps[len(steps) - hidden :]
    location = pointer(location, *_best_way(seen, value, given), *rest)
    if error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        field = error.get("ctx", {}).get("discriminator", "").split("'")
        if len(field) > 1:  # the name is in quotes, unless a function is the discriminator
            location = pointer(location, field[1])
    return {"location": location, "message": error["msg"], "code": error["type"]}


class _Way(NamedTuple):
    """A path into a value, by some of the steps of an error."""

    steps: tuple[object, ...]
    value: Any
    took_last: bool = True


def _best_way(steps: tuple[object, ...], value: Any, given: Any) -> tuple[object, ...]:
    """Return the steps that lead into the value; `given` is the invalid part.

    A tag of a union may have the same name as a field, so all possible paths are tried.
    """
    ways = [_Way((), value)]
    for step in steps:
        ways = [next_way for way in ways for next_way in _next_ways(way, step)][:_MOST_WAYS]
    return max(ways, key=lambda way: (_is_like(way.value, given), way.took_last, len(way.steps))).steps


def _next_ways(way: _Way, step: object) -> Iterator[_Way]:
    value: Any = way.value
    is_there = isinstance(value, Mapping) and step in value
    if is_there or (isinstance(value, list | tuple) and isinstance(step, int) and step < len(value)):
        key: Any = step
        yield _Way((*way.steps, key), value[key])
    if not is_there or isinstance(step, str):
        yield way._replace(took_last=False)


def _is_like(found: Any, given: Any) -> bool:
    """Return whether two values may be the same; objects are compared by their keys, arrays by their length."""
    if found is given:
        return True
    if isinstance(found, Mapping) and isinstance(given, Mapping):
        return found.keys() == given.keys()
    if isinstance(found, list) and isinstance(given, list):
        return len(found) == len(given)
    return isinstance(given, str | int | float | None) and type(found) is type(given) and found == given
