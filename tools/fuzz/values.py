"""Parsers that are no part of a request: what stores, sockets and tracing headers hold."""

from __future__ import annotations

from typing import Final

import msgspec

from kick.http.request.trace_context import parse_trace
from kick.http.websocket.messages import InvalidMessage, frames_of
from kick.session.data.values import UnreadableValue, decode
from kick.session.stores.redis.client.protocol import UNFINISHED, new_reader
from kick.session.stores.redis.records import FACTS, record_of


class _Say(msgspec.Struct, tag="say"):
    text: str
    to: list[str] = []


class _Move(msgspec.Struct, tag="move"):
    x: float
    y: float


_FRAMES: Final = frames_of(_Say | _Move, str)
_NO_ANSWER: Final = (TypeError, ValueError, IndexError)
"""Exceptions of the reader that `Connection` handles."""

_NO_RECORD: Final = (ValueError, IndexError, OverflowError)
"""Exceptions that `RedisStore.load()` handles: the record counts as missing."""


async def read_message(data: bytes) -> None:
    """Decode a message of a WebSocket."""
    for frame in (data, data.decode("utf-8", "replace")):
        try:
            _FRAMES.decode(frame)
        except InvalidMessage as error:
            error.reply()


async def read_answers(data: bytes) -> None:
    """Read answers of Redis that come in two pieces."""
    reader = new_reader()
    for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
        reader.feed(piece)
        try:
            while reader.gets() is not UNFINISHED:
                pass
        except _NO_ANSWER:
            return


async def read_record(data: bytes) -> None:
    """Read the record of a session in Redis."""
    try:
        record_of([b"name", b'"ann"', FACTS, data])
    except _NO_RECORD:
        return


async def read_value(data: bytes) -> None:
    """Decode a value of a session."""
    try:
        decode(data)
    except UnreadableValue:
        return


async def read_trace(data: bytes) -> None:
    """Parse the headers of a trace."""
    text = data.decode("latin-1")
    parse_trace(text, text)
    parse_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", text)
