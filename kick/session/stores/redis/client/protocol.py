"""The protocol of Redis: commands are packed and answers are read by hiredis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import hiredis

PushNotification: Final = hiredis.PushNotification
"""A message of RESP3 that is not an answer to a command."""


class Unfinished:
    """Returned by a reader when the next answer has not arrived in full."""


UNFINISHED: Final = Unfinished()


class Refusal(Exception):
    """An error answer. It is a value here; the caller gets an exception of redis-py."""


class Reader(Protocol):
    """A parser that receives bytes and returns answers."""

    def feed(self, data: bytes, /) -> None:
        """Receive bytes."""
        ...

    def gets(self) -> Any:
        """Return the next answer, or `UNFINISHED`. Raises `ValueError` for bytes that are not an answer of Redis."""
        ...


pack_command: Final = cast(Callable[[tuple[bytes, ...]], bytes], hiredis.pack_command)
"""Return the words of a command as they are sent. For long commands it is quicker than `pack`."""


def pack(*words: bytes) -> bytes:
    r"""Return a command as it is sent.

    >>> pack(b"GET", b"key")
    b'*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n'
    """
    return pack_command(words)


def new_reader() -> Reader:
    r"""Return a reader for one connection. It reads RESP2 and RESP3.

    >>> reader = new_reader()
    >>> reader.feed(b":1\r\n*2\r\n$1\r\na\r\n$-1")
    >>> reader.gets()
    1
    >>> reader.gets() is UNFINISHED
    True
    >>> reader.feed(b"\r\n")
    >>> reader.gets()
    [b'a', None]
    """
    return hiredis.Reader(protocolError=ValueError, replyError=Refusal, notEnoughData=UNFINISHED)
