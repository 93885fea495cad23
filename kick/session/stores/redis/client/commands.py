"""A command on its way to Redis, and the Lua scripts that commands run."""

from __future__ import annotations

import asyncio
from hashlib import sha1
from typing import Any, Final

import msgspec

from kick.session.stores.redis.client.protocol import pack

ASKING: Final = pack(b"ASKING")


class Command(msgspec.Struct, eq=False):
    """A packed command, and the future that gets its answer.

    A cluster chooses the node by `key`. A `repeatable` command changes nothing, so it may be sent once more if the
    connection broke before the answer came.
    """

    key: bytes
    payload: bytes
    answer: asyncio.Future[Any]
    script: Script | None = None
    repeatable: bool = False
    preludes: int = 0
    """The number of answers before its own: one if the payload begins with ASKING."""
    tries: int = 0
    since: float | None = None
    """The time since which it waits for a connection."""

    def ask(self) -> None:
        """Let a node run the command for a slot that is still being moved there."""
        self.payload = ASKING + self.payload.removeprefix(ASKING)
        self.preludes = 1

    def ask_no_more(self) -> None:
        """Make it a plain command again, for the node that owns the slot."""
        self.payload = self.payload.removeprefix(ASKING)
        self.preludes = 0

    def bring_script(self) -> bool:
        """Include the text of the script in the next attempt; return false if that was already done."""
        if self.script is None:
            return False
        self.payload = self.script.in_full(self.payload)
        self.preludes = int(self.payload.startswith(ASKING))
        self.script = None
        return True

    def fail(self, error: Exception) -> None:
        """Raise `error` for the caller, unless it was cancelled."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Script:
    r"""A Lua script. It is called by its SHA-1, and sent in full only to a server that does not know it.

    >>> script = Script("return 1")
    >>> call = pack(*script.words, b"1", b"key")
    >>> call.startswith(b"*4\r\n$7\r\nEVALSHA\r\n$40\r\n")
    True
    >>> script.in_full(call)
    b'*4\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n1\r\n$3\r\nkey\r\n'
    """

    def __init__(self, source: str) -> None:
        self.source = source.encode()
        self.words: Final = (b"EVALSHA", sha1(self.source, usedforsecurity=False).hexdigest().encode())
        """The first words of a call; the number of keys, the keys and the arguments follow."""
        self._by_hash = _without_count(pack(*self.words))
        self._in_full = _without_count(pack(b"EVAL", self.source))

    def in_full(self, payload: bytes) -> bytes:
        """Return a call with the text of the script, which the server runs and remembers."""
        return payload.replace(self._by_hash, self._in_full, 1)


def _without_count(command: bytes) -> bytes:
    """Return the words of a packed command without the line with their number."""
    return command.partition(b"\r\n")[2]
