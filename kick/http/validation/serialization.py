"""The one place that knows how values become JSON and how requests become values: msgspec, and pydantic if asked.

msgspec stops at the first error. When it finds one, `kick.http.validation.errors` looks for the others behind it, so
that a client hears of all of them, up to a limit.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import sys
from abc import ABCMeta
from codecs import BOM_UTF8
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

import msgspec
from starlette.requests import HTTPConnection

from kick.exceptions import BadRequest, FieldError, UnprocessableEntity
from kick.http.uploads import is_upload
from kick.http.validation.dataclass_defaults import filler
from kick.http.validation.errors import MOST_ERRORS, ErrorFinder, pointer
from kick.http.validation.integer_keys import finder_by_integer

Decode = Callable[[bytes], Any]
Convert = Callable[[Any], Any]

_SCALARS: Final = (str, int, float, bool, bytes, UUID, datetime, date, time, timedelta, Decimal)
_HIGH_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u?[dD]?[c-fC-F]?[0-9a-fA-F]*$)")
_LISTS: Final = (list, tuple, set, frozenset)


def _encode_other(value: Any) -> Any:
    """Encode types that msgspec does not know: mappings, pydantic models, subclasses of builtins."""
    if isinstance(value, Mapping) and not isinstance(value, HTTPConnection):  # a request is a mapping: of its scope
        return dict(value)
    if isinstance(value, Set | deque):
        return list(value)
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    kind = type(value).__qualname__
    if isinstance(value, Generator | AsyncGenerator):
        raise TypeError(f"a value of type {kind} has no JSON form: send what it yields with ctx.stream() or ctx.sse()")
    if isinstance(value, Coroutine):
        value.close()
        raise TypeError("a coroutine has no JSON form: await it")
    raise TypeError(f"a value of type {kind} has no JSON form")


encode_json: Final = msgspec.json.Encoder(enc_hook=_encode_other).encode
"""The JSON of a value: builtins, Structs, dataclasses, attrs, pydantic models, datetimes, UUIDs, Decimals, enums."""


def unencodable(value: Any, error: TypeError) -> TypeError:
    """Return the exception for a value that `encode_json` refused: it names the object of kick's that is in it.

    msgspec encodes the fields of a Struct without a hook, so that its error names one of the fields.

    >>> from kick.http import Settings
    >>> unencodable({"settings": Settings()}, TypeError("a value of type Shutdown has no JSON form"))
    TypeError('a value of type Settings has no JSON form')
    """
    culprit = next((each for each in _objects_in(value, depth=8) if not _is_encodable(each)), None)
    if culprit is None:
        return error
    return TypeError(f"a value of type {type(culprit).__qualname__} has no JSON form")


def _objects_in(value: Any, *, depth: int) -> Iterator[object]:
    """Return the objects of kick's own in a value, the outermost first."""
    if type(value).__module__.partition(".")[0] == "kick":
        yield value
    elif depth and isinstance(value, Mapping):
        for each in value.values():
            yield from _objects_in(each, depth=depth - 1)
    elif depth and isinstance(value, list | tuple | Set | deque):
        for each in value:
            yield from _objects_in(each, depth=depth - 1)
    elif depth and isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _objects_in(getattr(value, name), depth=depth - 1)


def _is_encodable(value: object) -> bool:
    try:
        encode_json(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


_decode_any: Final = msgspec.json.Decoder().decode


def decode_json(body: bytes) -> Any:
    """Return the value of a JSON text (RFC 8259); raises `BadRequest` that says where it breaks off.

    >>> decode_json(b'{"a":1}')
    {'a': 1}
    """
    try:
        return _decode_any(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _has_mark(body):
            return decode_json(body[len(BOM_UTF8) :])
        raise _malformed(error, body) from None


def json_decoder(hint: Any) -> Decode:
    """Return a function from JSON to a value of the type `hint`.

    It raises `BadRequest` for what is no JSON and `UnprocessableEntity`, with all the errors, for what does not fit.
    Raises `TypeError` when nothing can be validated as `hint`.

    >>> json_decoder(list[int])(b"[1, 2]")
    [1, 2]
    """
    if needs_pydantic(hint):
        return _pydantic_decoder(hint)
    decode, finder = msgspec.json.Decoder(hint).decode, ErrorFinder(hint)
    by_integer = finder_by_integer(hint, finder)

    def decode_body(body: bytes) -> Any:
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            found = by_integer(body, str(error)) if by_integer is not None else None
            raise invalid(found or finder.errors(decode_json(body), "/body", str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if _has_mark(body):
                return decode_body(body[len(BOM_UTF8) :])
            raise _malformed(error, body) from None

    fill = filler(hint)
    return decode_body if fill is None else lambda body: fill(decode_body(body))


def converter(hint: Any, part: str) -> Convert:
    """Return a function from texts (of a form, a query string or headers) to a value of the type `hint`.

    Numbers, booleans and the like are read from their text. `part` begins the location of errors: `"query"`.
    Raises `TypeError` when nothing can be validated as `hint`.

    >>> converter(dict[str, int], "query")({"page": "2"})
    {'page': 2}
    """
    if needs_pydantic(hint):
        adapter = _adapter(hint)
        return lambda value: _validated(adapter.validate_python, value, part, value)
    finder = ErrorFinder(hint, strict=False)

    def convert(value: Any) -> Any:
        try:
            return msgspec.convert(value, hint, strict=False, str_keys=True)
        except msgspec.ValidationError as error:
            raise invalid(finder.errors(value, f"/{part}", str(error))) from None

    fill = filler(hint)
    return convert if fill is None else lambda value: fill(convert(value))


def needs_pydantic(hint: Any) -> bool:
    """Return whether pydantic has to validate a type; it is never imported for the question.

    Raises `TypeError` when nothing can be validated as `hint`.

    >>> needs_pydantic(dict[str, int])
    False
    """
    if hasattr(hint, "__pydantic_validator__"):
        return True
    custom = [each for each in _custom_types(msgspec.inspect.type_info(hint)) if not is_upload(each)]
    others = [each for each in custom if not hasattr(each, "__pydantic_validator__")]
    if others:
        raise TypeError(f"{others[0]!r} is neither a builtin nor a Struct, dataclass, TypedDict or attrs class")
    if custom:
        _adapter(hint)
    return bool(custom)


def holds_uploads(hint: Any) -> bool:
    """Return whether there are files anywhere within a type.

    >>> holds_uploads(dict[str, int])
    False
    """
    try:
        return any(map(is_upload, _custom_types(msgspec.inspect.type_info(hint))))
    except (TypeError, NameError):
        return False


class Role(enum.Enum):
    """The role of a type where it is the type of a parameter."""

    SCALAR = "scalar"
    DATA = "data"
    SERVICE = "service"


def role_of(hint: Any) -> Role:
    """Return whether a type is one of plain values, of data as a request brings it, or of something that is provided.

    >>> class Note(msgspec.Struct): ...
    >>> class Notes: ...
    >>> [role_of(each).value for each in (int | None, Note, list[Note], Notes)]
    ['scalar', 'data', 'data', 'service']
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and any(isinstance(each, msgspec.Meta) for each in hint.__metadata__):
        return role_of(hint.__origin__)
    if isinstance(hint, NewType):
        return role_of(hint.__supertype__)
    if origin in (Union, UnionType):
        return _first([role_of(each) for each in args if each is not NoneType])
    if origin is Literal or hint in _SCALARS or (isinstance(hint, type) and issubclass(hint, enum.Enum)):
        return Role.SCALAR
    if origin in _LISTS:
        return _first([role_of(each) for each in args if each is not Ellipsis])
    if hint in _LISTS:
        return Role.SCALAR
    return Role.DATA if _is_data(origin or hint) else Role.SERVICE


def is_constrained(hint: Any) -> bool:
    """Return whether a plain type has constraints of msgspec's: `Annotated[int, Meta(ge=1)]`.

    >>> is_constrained(Annotated[int, msgspec.Meta(ge=1)] | None), is_constrained(int)
    (True, False)
    """
    if isinstance(hint, NewType):
        return is_constrained(hint.__supertype__)
    if get_origin(hint) in (Union, UnionType):
        return any(map(is_constrained, get_args(hint)))
    if get_origin(hint) is not Annotated:
        return False
    return any(isinstance(each, msgspec.Meta) for each in hint.__metadata__) or is_constrained(hint.__origin__)


def _first(roles: list[Role]) -> Role:
    return next((each for each in roles if each is not Role.SERVICE), Role.SERVICE)


def _is_data(hint: Any) -> bool:
    if not isinstance(hint, type):
        return False
    if issubclass(hint, msgspec.Struct):
        return not isinstance(hint, ABCMeta)  # a session is a Struct and a mapping
    if dataclasses.is_dataclass(hint):
        try:
            return all(map(is_upload, _custom_types(msgspec.inspect.type_info(hint))))
        except (TypeError, NameError):
            return False
    return issubclass(hint, dict) or hasattr(hint, "__pydantic_validator__")


def invalid(errors: list[FieldError]) -> UnprocessableEntity:
    """Return the 422 for these errors.

    >>> invalid([{"location": "/body", "message": "A body is required", "code": "missing"}]).detail
    '1 thing is wrong with the request.'
    """
    things = "1 thing is" if len(errors) == 1 else f"{len(errors)} things are"
    more = f" Validation stopped after {MOST_ERRORS} errors." if len(errors) >= MOST_ERRORS else ""
    return UnprocessableEntity(f"{things} wrong with the request.{more}", errors=errors)


def malformed(part: str, detail: str, message: str, code: str) -> BadRequest:
    """Return the 400 for a part of a request that cannot be read at all.

    >>> malformed("query", "The query string is not UTF-8.", "Expected UTF-8", "encoding").status
    400
    """
    return BadRequest(detail, errors=[{"location": f"/{part}", "message": message, "code": code}])


def _is_utf8(body: bytes | str) -> bool:
    try:
        str(body) if isinstance(body, str) else body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_mark(body: bytes | str) -> bool:
    """Return whether JSON begins with one byte order mark, which may be ignored (RFC 8259, section 8.1)."""
    return isinstance(body, bytes) and body.startswith(BOM_UTF8) and not body.startswith(BOM_UTF8 * 2)


def _ends_in_half_a_pair(body: bytes | str) -> bool:
    r"""Return whether the last bytes have a high surrogate without a low one behind it (RFC 8259, section 7).

    >>> _ends_in_half_a_pair(rb'"\ud800"'), _ends_in_half_a_pair(rb'"\ud83d\ude')
    (True, False)
    """
    raw = body.encode("utf-8", "replace") if isinstance(body, str) else body
    for match in _HIGH_SURROGATE.finditer(raw, max(0, len(raw) - 12)):
        before = raw[: match.start()]
        is_escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
        if not is_escaped and match.end() < len(raw):
            return True
    return False


def _malformed(error: Exception, body: bytes | str) -> BadRequest:
    if isinstance(error, RecursionError):
        return malformed("body", "The body is nested too deeply.", "Nested too deeply", "nesting")
    if not _is_utf8(body):  # msgspec says so in one way or another, and in some places not at all
        return malformed("body", "The body is not UTF-8.", "Expected UTF-8", "encoding")
    reason = str(error).replace("(byte ", "(at byte ").replace("Input data was truncated", "it ends too early")
    if _ends_in_half_a_pair(body):  # msgspec calls it truncated where fewer bytes are left than the other half has
        reason = "an escape is only one half of a surrogate pair"
    return malformed("body", f"The body is not valid JSON: {reason}.", "Expected JSON", "json")


def _custom_types(info: Any, seen: set[int] | None = None) -> list[Any]:
    """Return the classes within a type that msgspec would only compare with isinstance."""
    seen = set() if seen is None else seen
    if id(info) in seen:
        return []
    seen.add(id(info))
    if isinstance(info, msgspec.inspect.CustomType):
        return [info.cls]
    children: list[Any] = [field.type for field in getattr(info, "fields", ())]
    for name in ("item_type", "key_type", "value_type", "type"):
        child = getattr(info, name, None)
        if child is not None:
            children.append(child)
    children += getattr(info, "item_types", ())
    children += getattr(info, "types", ())
    return [custom for child in children for custom in _custom_types(child, seen)]


def _adapter(hint: Any) -> Any:
    """Pydantic's validator of a type; raises `TypeError` when it knows none."""
    pydantic = sys.modules["pydantic"]
    try:
        return pydantic.TypeAdapter(hint)
    except pydantic.errors.PydanticUserError as error:
        raise TypeError(f"pydantic cannot validate it: {error.message}") from None


def _pydantic_decoder(hint: Any) -> Decode:
    validate = _adapter(hint).validate_json

    def decode_body(body: bytes) -> Any:
        value = decode_json(body)  # what is no JSON is said in the same words, whatever the type
        return _validated(validate, body.removeprefix(BOM_UTF8) if _has_mark(body) else body, "body", value)

    return decode_body


def _validated(validate: Callable[[Any], Any], given: Any, part: str, value: Any) -> Any:
    """Validate `given` with pydantic; it is `value` or its JSON."""
    from pydantic import ValidationError

    try:
        return validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise invalid([_pydantic_error(each, f"/{part}", value) for each in found[:MOST_ERRORS]]) from None


def _pydantic_error(error: Any, location: str, value: Any) -> FieldError:
    """Pydantic's own error, with the way through the value: pydantic names the members of unions on its way, too."""
    missing = error["type"] == "missing"
    for index, step in enumerate(error["loc"], 1):
        is_there = isinstance(value, Mapping) and step in value
        if is_there or (isinstance(value, list | tuple) and isinstance(step, int) and step < len(value)):
            location, value = pointer(location, step), value[step]
        elif missing and index == len(error["loc"]):
            location = pointer(location, step)
    return {"location": location, "message": error["msg"], "code": error["type"]}
