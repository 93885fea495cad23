"""Messages of a WebSocket: frames decoded to the type of the handler, and values encoded."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin

from msgspec import Meta

from kick.errors import PicklableError
from kick.exceptions import FieldError, HTTPError
from kick.http.validation.conversion import json_decoder
from kick.http.validation.encoding import Encode, encode_json

MOST_REASON: Final = 123
"""The most bytes of the reason in a close frame (RFC 6455, section 5.5)."""

UNSUPPORTED_DATA: Final = 1003
INVALID_DATA: Final = 1007
TOO_BIG: Final = 1009

Frame = str | bytes
WriterFor: TypeAlias = Callable[[Any], Encode]


class InvalidMessage(PicklableError):
    """An invalid message of the client, raised by `Socket.receive()`.

    If the handler does not catch it, the connection is closed with `code` and `reason`.

    | `code` | (RFC 6455, section 7.4.1) |
    |---|---|
    | 1003 | bytes instead of text, or text instead of bytes, if the type allows only one of them |
    | 1007 | invalid JSON, or JSON that does not fit the type |
    | 1009 | longer than `max_message` |

    `errors` lists the errors and their locations: `[{"location": "/message/text", "message": "...", "code":
    "missing"}]`.

    >>> print(InvalidMessage(1003, "Expected text"))
    1003: Expected text
    """

    def __init__(self, code: int, reason: str, *, errors: list[FieldError] | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.errors: list[FieldError] = errors or [{"location": "/message", "message": reason, "code": "message"}]

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"

    def reply(self) -> str:
        """Return the text that `on_invalid="reply"` sends to the client."""
        return encode_json({"type": "error", "detail": self.reason, "errors": self.errors}).decode()


class Frames(NamedTuple):
    """The codec for the messages of one handler."""

    decode: Callable[[Frame], Any]
    """Raises `InvalidMessage`."""
    encode: Callable[[Any], Frame]


def _write_all(_: Any) -> Encode:
    return encode_json


def frames_of(incoming: Any, outgoing: Any, *, writer_for: WriterFor = _write_all) -> Frames:
    """Return the codec for messages of these types: `str` and `bytes` as they are, all others as JSON.

    In a union with `bytes`, bytes are not changed, and texts have the type of the rest of the union. `writer_for`
    returns what writes the JSON of a type.

    >>> frames_of(list[int], str).decode("[1, 2]"), frames_of(str, list[int]).encode([1, 2])
    ([1, 2], '[1,2]')
    >>> both = frames_of(str | bytes, list[int] | bytes)
    >>> both.decode("text"), both.decode(b"bytes"), both.encode([1]), both.encode(b"bytes")
    ('text', b'bytes', '[1]', b'bytes')

    Raises `TypeError` if messages cannot be converted to `incoming`.
    """
    return Frames(_decoder(incoming), _encoder(outgoing, writer_for))


def json_type(kind: Any) -> Any:
    """Return the type of the messages that are JSON; `None` if all are texts or bytes as they are.

    >>> json_type(int | bytes), json_type(list[int]), json_type(str | bytes)
    (<class 'int'>, list[int], None)
    """
    others = _without_bytes(kind)
    kind = kind if others is None else others
    return None if _plain(kind) in (str, bytes) else kind


def short_reason(text: str) -> str:
    """Return a text as a close reason: at most 123 bytes of UTF-8 (RFC 6455, section 5.5), with whole characters.

    >>> len(short_reason("ä" * 200).encode())
    123
    """
    raw = text.encode("utf-8", "replace")
    if len(raw) <= MOST_REASON:
        return raw.decode()
    return raw[: MOST_REASON - 3].decode("utf-8", "ignore") + "…"


def is_longer(frame: Frame, limit: int) -> bool:
    """Return true if a message has more than this number of bytes; text counts as UTF-8.

    >>> is_longer("ä", 1), is_longer("ä", 2)
    (True, False)
    """
    if len(frame) > limit:
        return True
    return isinstance(frame, str) and not frame.isascii() and len(frame.encode("utf-8", "replace")) > limit


def _without_bytes(kind: Any) -> Any:
    """Return a union without its member `bytes`; `None` for any other type.

    >>> _without_bytes(str | bytes), _without_bytes(str | None), _without_bytes(bytes)
    (<class 'str'>, None, None)
    """
    kind = _plain(kind)
    members = [_plain(each) for each in get_args(kind)] if get_origin(kind) in (Union, UnionType) else []
    others = [each for each in members if each is not bytes]
    return Union[tuple(others)] if others and len(others) < len(members) else None  # noqa: UP007  # of a list


def _plain(kind: Any) -> Any:
    """Return the type that an alias (`type Both = str | bytes`) or an annotation without constraints stands for."""
    while True:
        if hasattr(kind, "__value__"):  # each of the two classes of aliases: of typing and of typing_extensions
            kind = kind.__value__
        elif get_origin(kind) is Annotated and not any(isinstance(each, Meta) for each in kind.__metadata__):
            kind = kind.__origin__
        else:
            return kind


def _encoder(outgoing: Any, writer_for: WriterFor) -> Callable[[Any], Frame]:
    kind = json_type(outgoing)
    if kind is None:
        return _unchanged
    write = writer_for(kind)
    if kind is outgoing:
        return lambda value: write(value).decode()
    return lambda value: value if isinstance(value, bytes) else write(value).decode()


def _decoder(incoming: Any) -> Callable[[Frame], Any]:
    others = _without_bytes(incoming)
    if others is not None:
        decode_text = _decoder(others)
        return lambda frame: frame if isinstance(frame, bytes) else decode_text(frame)
    if _plain(incoming) in (str, bytes):
        return _expecting(_plain(incoming))
    decode_json: Callable[[Any], Any] = json_decoder(incoming)

    def decode(frame: Frame) -> Any:
        if not isinstance(frame, str):
            raise InvalidMessage(UNSUPPORTED_DATA, "Expected text")
        try:
            return decode_json(frame)
        except HTTPError as error:
            raise _invalid(error) from None

    return decode


def _expecting(kind: type) -> Callable[[Frame], Frame]:
    def decode(frame: Frame) -> Frame:
        if not isinstance(frame, kind):
            raise InvalidMessage(UNSUPPORTED_DATA, "Expected text" if kind is str else "Expected bytes")
        return frame

    return decode


def _invalid(error: HTTPError) -> InvalidMessage:
    """Return the exception for an invalid message, made from that for an invalid body."""
    told: list[FieldError] = error.extensions["errors"]
    found = [
        FieldError(
            location="/message" + each["location"].removeprefix("/body"), message=each["message"], code=each["code"]
        )
        for each in told
    ]
    first = found[0]
    return InvalidMessage(INVALID_DATA, f"{first['location']}: {first['message']}", errors=found)


def _unchanged(value: Any) -> Frame:
    if not isinstance(value, str | bytes):
        raise TypeError(f"this socket sends text or bytes as they are, not a value of type {type(value).__qualname__}")
    return value
