"""JSON texts of values, by msgspec; what has a serializer of its own is written by it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator, Mapping, Set
from typing import Any, Final

import msgspec
from starlette.requests import HTTPConnection


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
