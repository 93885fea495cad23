"""The one place that knows how values become JSON and how requests become values: msgspec, and pydantic if asked.

msgspec stops at the first error. When it finds one, `kick.http.validation` walks the value once more, so that a
client hears of all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Set
from typing import Any, Final

import msgspec

from kick.http.problem import BadRequest, FieldError, UnprocessableEntity
from kick.http.validation import errors_in, pointer

Decode = Callable[[bytes], Any]
Convert = Callable[[Any], Any]


def _encode_other(value: Any) -> Any:
    """What msgspec does not know: session data and other mappings, pydantic models."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return list(value)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    raise TypeError(f"a value of type {type(value).__qualname__} has no JSON form")


encode_json: Final = msgspec.json.Encoder(enc_hook=_encode_other).encode
"""The JSON of a value: builtins, Structs, dataclasses, attrs, pydantic models, datetimes, UUIDs, Decimals, enums."""

_decode_any: Final = msgspec.json.Decoder().decode


def decode_json(body: bytes) -> Any:
    """The value of a JSON text; raises `BadRequest` that says where it breaks off.

    >>> decode_json(b'{"a":1}')
    {'a': 1}
    """
    try:
        return _decode_any(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from None


def json_decoder(hint: Any) -> Decode:
    """A function from JSON to a value of the type `hint`.

    It raises `BadRequest` for what is no JSON and `UnprocessableEntity`, with all the errors, for what does not fit.
    Raises `TypeError` when nothing can be validated as `hint`.
    """
    if is_pydantic(hint):
        return _pydantic_decoder(hint)
    check_type(hint)
    decode = msgspec.json.Decoder(hint).decode

    def decode_body(body: bytes) -> Any:
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            raise invalid(errors_in(decode_json(body), hint, "/body", str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from None

    return decode_body


def converter(hint: Any, part: str) -> Convert:
    """A function from texts (of a form, a query string or headers) to a value of the type `hint`.

    Numbers, booleans and the like are read from their text. `part` begins the location of errors: `"query"`.
    """
    if is_pydantic(hint):
        return _pydantic_converter(hint, part)
    check_type(hint)

    def convert(value: Any) -> Any:
        try:
            return msgspec.convert(value, hint, strict=False)
        except msgspec.ValidationError as error:
            raise invalid(errors_in(value, hint, f"/{part}", str(error), strict=False)) from None

    return convert


def check_type(hint: Any) -> None:
    """Raise `TypeError` when nothing can be validated as `hint`."""
    custom = _custom_types(msgspec.inspect.type_info(hint))
    if custom:
        raise TypeError(f"{custom[0]!r} is neither a builtin nor a Struct, dataclass, TypedDict or attrs class")


def list_fields(hint: Any) -> frozenset[str]:
    """The names that a query string or form may repeat: the fields of `hint` that hold several values."""
    try:
        info: Any = msgspec.inspect.type_info(hint)
    except (TypeError, NameError):
        return frozenset()
    several = (
        msgspec.inspect.ListType,
        msgspec.inspect.SetType,
        msgspec.inspect.FrozenSetType,
        msgspec.inspect.VarTupleType,
    )
    return frozenset(
        field.encode_name
        for field in getattr(info, "fields", ())
        if isinstance(field.type, several)
        or (isinstance(field.type, msgspec.inspect.UnionType) and any(isinstance(t, several) for t in field.type.types))
    )


def is_pydantic(hint: Any) -> bool:
    """Whether `hint` is a pydantic model; never imports pydantic."""
    return "pydantic" in sys.modules and hasattr(hint, "__pydantic_validator__")


def invalid(errors: list[FieldError]) -> UnprocessableEntity:
    """The 422 for these errors."""
    things = "1 thing is" if len(errors) == 1 else f"{len(errors)} things are"
    return UnprocessableEntity(f"{things} wrong with the request.", errors=errors)


def _malformed(error: Exception) -> BadRequest:
    if isinstance(error, RecursionError):
        return BadRequest("The body is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return BadRequest("The body is not UTF-8.")
    return BadRequest(f"The body is not valid JSON: {error}.")


def _custom_types(info: Any, seen: set[int] | None = None) -> list[type]:
    """The classes within a type that msgspec would only compare with isinstance."""
    seen = set() if seen is None else seen
    if id(info) in seen:
        return []
    seen.add(id(info))
    if isinstance(info, msgspec.inspect.CustomType):
        return [info.cls]
    children: list[Any] = [field.type for field in getattr(info, "fields", ())]
    for name in ("item_type", "key_type", "value_type"):
        child = getattr(info, name, None)
        if child is not None:
            children.append(child)
    children += getattr(info, "item_types", ())
    children += getattr(info, "types", ())
    return [custom for child in children for custom in _custom_types(child, seen)]


def _pydantic_decoder(model: Any) -> Decode:
    def decode_body(body: bytes) -> Any:
        value = decode_json(body)
        return _validate(model, value, "body")

    return decode_body


def _pydantic_converter(model: Any, part: str) -> Convert:
    return lambda value: _validate(model, value, part)


def _validate(model: Any, value: Any, part: str) -> Any:
    from pydantic import ValidationError

    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(
            [
                {"location": pointer(f"/{part}", *each["loc"]), "message": each["msg"], "code": each["type"]}
                for each in error.errors(include_url=False, include_context=False)
            ]
        ) from None
