"""As much of the Redis protocol (RESP2) as it takes to steer a server without a client library."""

import socket
from typing import BinaryIO

from tests.support.ports import HOST

Reply = str | int | None | list["Reply"]


class ReplyError(Exception):
    """The server answered with an error."""


def command(port: int, *words: str | int, timeout: float = 5.0) -> Reply:
    """Send one command over a connection of its own and return the answer.

    Raises `ReplyError` when the server refuses, `OSError` when it cannot be reached.
    """
    with socket.create_connection((HOST, port), timeout=timeout) as connection:
        connection.sendall(_encode(words))
        with connection.makefile("rb") as answer:
            return _decode(answer)


def pairs(reply: Reply) -> dict[str, str]:
    """An answer of names and values in turn, as a dictionary."""
    assert isinstance(reply, list)
    words = [str(word) for word in reply]
    return dict(zip(words[::2], words[1::2], strict=True))


def fields(reply: Reply) -> dict[str, str]:
    """The `name:value` lines of an INFO or CLUSTER INFO answer, as a dictionary."""
    lines = (line.partition(":") for line in str(reply).splitlines())
    return {name: value for name, colon, value in lines if colon}


def _encode(words: tuple[str | int, ...]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _decode(answer: BinaryIO) -> Reply:
    line = answer.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server closed the connection")
    text = line[1:-2].decode()
    match line[:1]:
        case b"+":
            return text
        case b"-":
            raise ReplyError(text)
        case b":":
            return int(text)
        case b"$":
            return None if text == "-1" else answer.read(int(text) + 2)[:-2].decode(errors="replace")
        case b"*":
            return [_decode(answer) for _ in range(int(text))]
        case other:
            raise ConnectionError(f"not an answer of Redis: {other!r}")
