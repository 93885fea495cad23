"""The type that a handler promises for its response: only its fields leave, at any depth."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Final, NamedTuple, Never, NoReturn, TypeAlias, Union, get_args, get_origin

import msgspec
from starlette.responses import Response

from kick.di.generics import filled, has_variables
from kick.di.hints import Unresolved
from kick.http.projections.base import Misfit, Projection
from kick.http.projections.compiler import Compiler
from kick.http.response.sse import ServerSentEvent
from kick.http.validation.encoding import Encode, JSONEncoder
from kick.http.validation.type_parts import info_of, members_of, plain

_SAYS_NOTHING: Final = (Any, object, NoReturn, Never)
_NO_KINDS: Final[frozenset[type]] = frozenset()


Check: TypeAlias = Callable[[Any], bool]


class InvalidResponse(TypeError):
    """A response or message that does not fit its declared type; the text names the place."""


class ResponseType(msgspec.Struct, frozen=True):
    """The declaration of a handler's response.

    `hint` is the type of the data, `items` that of the events of a stream: `Any` where nothing is said. `for_context`
    says that both hold for `ctx.json()` and `ctx.sse()` too.
    """

    hint: Any = Any
    items: Any = Any
    for_context: bool = False

    @property
    def says_nothing(self) -> bool:
        """True if nothing is promised."""
        return self.hint is Any and self.items is Any


class Writer(NamedTuple):
    """Writes what a handler returns.

    Values whose type is in `kinds` are written by `write`, if `check` returns true for them; all others by `encode`.
    `encode` and `encode_item` raise `InvalidResponse`.
    """

    kinds: frozenset[Any]
    check: Check | None
    write: Encode
    encode: Encode
    encode_item: Encode
    takes_none: bool = True


def declared_response(returned: Any, response: Any, types: Mapping[Any, Any]) -> ResponseType | Unresolved:
    """Return what a handler declares: by `response=` of its decorator, else by its return annotation.

    >>> declared_response(list[int], None, {}).hint
    list[int]
    """
    hint = returned if response is None else response
    if isinstance(hint, Unresolved):
        return hint
    hint = filled(hint, types)
    members = members_of(hint)
    data = [each for each in members if not _is_response(each)]
    only_none = len(data) < len(members) and data == [NoneType]
    if not data or only_none or any(_says_nothing(each) for each in data):
        return ResponseType()
    hint = hint if len(data) == len(members) else Union[tuple(data)]  # noqa: UP007  # made of what is known at run time
    for_context = response is not None or (len(data) == len(members) and data != [NoneType])
    if len(data) == 1 and _is_stream(data[0], AsyncIterable):
        return ResponseType(Any, _items_of(data), for_context)
    return ResponseType(hint, _items_of(data), for_context)


def _items_of(data: Sequence[Any]) -> Any:
    """Return the type of the events that `ctx.sse()` may send, for the members of a declared type.

    If none is a stream, an event is what is declared, or an item of it.
    """
    parts = [plain(each) for each in data if plain(each) is not NoneType]
    streams = [each for each in parts if _is_stream(each, AsyncIterable | Iterator)]
    items = [get_args(each)[0] if get_args(each) else Any for each in streams]
    if not streams:
        arrays = [each for each in parts if _is_stream(each, Iterable) and not _is_stream(each, Mapping)]
        items = [*parts, *(get_args(each)[0] for each in arrays if get_args(each))]
    if any(each is ServerSentEvent or _says_nothing(each) for each in items):
        return Any
    return Union[tuple(items)] if items else Any  # noqa: UP007  # made of what is known at run time


def _is_stream(hint: Any, kinds: Any) -> bool:
    cls = get_origin(plain(hint)) or plain(hint)
    return isinstance(cls, type) and issubclass(cls, kinds)


def writer_of(declared: ResponseType, encoder: JSONEncoder, whose: str) -> Writer:
    """Return the writer of a handler's responses or messages; `whose` names them: "the response of ...".

    Raises `NameError` for a field whose type does not exist at run time.
    """
    if declared.says_nothing:
        return Writer(_NO_KINDS, None, encoder.encode, encoder.encode, encoder.encode)
    kinds, check, write, encode = _encoding(declared.hint, encoder, whose)
    *_, encode_item = _encoding(declared.items, encoder, whose)
    takes_none = any(plain(each) in (None, NoneType, Any) for each in members_of(declared.hint))
    return Writer(kinds, check, write, encode, encode_item, takes_none)


def _encoding(hint: Any, encoder: JSONEncoder, whose: str) -> tuple[frozenset[Any], Check | None, Encode, Encode]:
    if hint is Any:
        return _NO_KINDS, None, encoder.encode, encoder.encode
    compiler = Compiler(encoder)
    projection = compiler.compile(hint)
    write = encoder.encode if compiler.is_open or encoder.looks_within else encoder.write
    is_exact, project = projection.is_exact, projection.project
    check = projection.quick_check or (None if compiler.is_open else _check_of(hint, projection))

    def encode(value: Any) -> bytes:
        if is_exact(value):
            return write(value)
        try:
            projected = project(value)
        except Misfit as error:
            raise InvalidResponse(f"{whose} does not fit its declared type {error}") from None
        return write(projected)

    return projection.kinds if check is None else projection.outer_kinds, check, write, encode


def _check_of(hint: Any, projection: Projection) -> Check | None:
    """Return a check in C for containers of containers; `None` for types of which `kinds` says all, or too little."""
    if not projection.is_shallow or projection.outer_kinds == projection.kinds:
        return None
    try:
        info_of(hint)
    except (TypeError, NameError):
        return None

    def check(value: Any) -> bool:
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError:
            return False
        return True

    return check


def _is_response(hint: Any) -> bool:
    cls = get_origin(plain(hint)) or plain(hint)
    return isinstance(cls, type) and issubclass(cls, Response)


def _says_nothing(hint: Any) -> bool:
    inner = plain(hint)
    cls = get_origin(inner) or inner
    return inner in _SAYS_NOTHING or has_variables(inner) or (isinstance(cls, type) and issubclass(cls, Awaitable))
