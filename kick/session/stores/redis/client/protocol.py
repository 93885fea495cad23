"""The protocol of Redis, RESP2: commands packed, answers read.

hiredis reads answers when it is installed, which is faster; `Reader` does the same in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

_MOST_HEADS: Final = 512
_HEADS: Final = [b"$%d\r\n" % size for size in range(_MOST_HEADS)]
"""What stands before words of each size, ready: formatting takes longer than all else that is done for one."""


class Unfinished:
    """What a reader gives when the next answer has not arrived in full."""


UNFINISHED: Final = Unfinished()


class Refusal(Exception):
    """An answer that is an error; a value here, and only raised as an exception of redis-py."""


class Reads(Protocol):
    """A reader of answers: bytes in, answers out."""

    def feed(self, data: bytes, /) -> None:
        """Take what has arrived."""
        ...

    def gets(self) -> Any:
        """The next answer, or `UNFINISHED`."""
        ...


def pack(*words: bytes) -> bytes:
    r"""A command as it is sent.

    >>> pack(b"GET", b"key")
    b'*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n'
    """
    return b"*%d\r\n%b" % (len(words), pack_words(words))


def pack_words(words: tuple[bytes, ...] | list[bytes]) -> bytes:
    r"""Words of a command, without the count in front.

    >>> pack_words([b"GET"])
    b'$3\r\nGET\r\n'
    """
    parts: list[bytes] = []
    for word in words:
        size = len(word)
        parts.append(_HEADS[size] if size < _MOST_HEADS else b"$%d\r\n" % size)
        parts.append(word)
        parts.append(b"\r\n")
    return b"".join(parts)


def new_reader() -> Reads:
    """A reader for one connection."""
    try:
        import hiredis
    except ImportError:
        return Reader()
    return hiredis.Reader(protocolError=ValueError, replyError=Refusal, notEnoughData=UNFINISHED)


class Reader:
    r"""Reads answers of RESP2, piece by piece.

    >>> reader = Reader()
    >>> reader.feed(b":1\r\n*2\r\n$1\r\na\r\n$-1")
    >>> reader.gets()
    1
    >>> reader.gets() is UNFINISHED
    True
    >>> reader.feed(b"\r\n")
    >>> reader.gets()
    [b'a', None]

    Raises `ValueError` for what is no answer of Redis.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0

    def feed(self, data: bytes, /) -> None:
        """Take what has arrived."""
        self._data += data

    def gets(self) -> Any:
        """The next answer, or `UNFINISHED`."""
        self._at = 0
        try:
            answer = self._read()
        except EOFError:
            return UNFINISHED
        del self._data[: self._at]
        return answer

    def _read(self) -> Any:
        line = self._line()
        read = _READ.get(line[:1])
        if read is None:
            raise ValueError(f"not an answer of Redis: {line[:80]!r}")
        return read(self, line[1:])

    def _line(self) -> bytes:
        end = self._data.find(b"\r\n", self._at)
        if end < 0:
            raise EOFError
        line = bytes(self._data[self._at : end])
        self._at = end + 2
        return line

    def _bulk(self, size: bytes) -> bytes | None:
        length = int(size)
        if length < 0:
            return None
        end = self._at + length
        if len(self._data) < end + 2:
            raise EOFError
        data = bytes(self._data[self._at : end])
        self._at = end + 2
        return data

    def _array(self, size: bytes) -> list[Any] | None:
        length = int(size)
        return None if length < 0 else [self._read() for _ in range(length)]


_READ: Final[dict[bytes, Callable[[Reader, bytes], Any]]] = {
    b"+": lambda _, rest: rest,
    b"-": lambda _, rest: Refusal(rest.decode(errors="replace")),
    b":": lambda _, rest: int(rest),
    b"$": Reader._bulk,  # pyright: ignore[reportPrivateUsage]
    b"*": Reader._array,  # pyright: ignore[reportPrivateUsage]
}
