"""A command on its way to Redis, and the scripts that commands run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

import msgspec

from kick.session.stores.redis.client.protocol import pack, pack_words

ASKING: Final = pack(b"ASKING")


class Command(msgspec.Struct, eq=False):
    """A packed command, and the future that gets its answer.

    `key` is what the cluster chooses the node by. A `repeatable` command changes nothing, so that it may be sent once
    more when the connection broke before the answer came.
    """

    key: bytes
    payload: bytes
    answer: asyncio.Future[Any]
    script: Script | None = None
    repeatable: bool = False
    preludes: int = 0
    """Answers that are to come before its own: to ASKING, if the payload begins with that."""
    tries: int = 0
    since: float | None = None
    """When it was first left waiting for a connection."""

    def ask(self) -> None:
        """Make it a command that a node carries out for a slot which is still on its way there."""
        self.payload = ASKING + self.payload.removeprefix(ASKING)
        self.preludes = 1

    def ask_no_more(self) -> None:
        """Make it a plain command again, for the node that has the slot."""
        self.payload = self.payload.removeprefix(ASKING)
        self.preludes = 0

    def bring_script(self) -> bool:
        """Send the text of the script along, the next time; `False` when that has been done."""
        if self.script is None:
            return False
        self.payload = self.script.in_full(self.payload)
        self.preludes = int(self.payload.startswith(ASKING))
        self.script = None
        return True

    def fail(self, error: Exception) -> None:
        """Raise `error` for whoever waits; nobody does after a cancellation."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Script:
    """A Lua script, called by its SHA-1 and sent in full only to a server that does not know it."""

    def __init__(self, *names: str) -> None:
        self.name = names[-1]
        self.source = "\n".join(_lua(name) for name in names).encode()
        self._by_hash = pack_words([b"EVALSHA", sha1(self.source, usedforsecurity=False).hexdigest().encode()])
        self._in_full = pack_words([b"EVAL", self.source])

    def call(self, keys: Sequence[bytes], arguments: list[bytes]) -> bytes:
        """The packed command that runs the script."""
        words = [b"%d" % len(keys), *keys, *arguments]
        return b"*%d\r\n%b%b" % (len(words) + 2, self._by_hash, pack_words(words))

    def in_full(self, payload: bytes) -> bytes:
        """The same call with the text of the script in it, which the server runs and remembers."""
        return payload.replace(self._by_hash, self._in_full, 1)


def _lua(name: str) -> str:
    return files("kick.session.stores.redis").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")


CREATE: Final = Script("session", "create")
COMMIT: Final = Script("session", "commit")
TOUCH: Final = Script("session", "touch")
MOVE: Final = Script("session", "move")
DESTROY: Final = Script("session", "destroy")
ADOPT: Final = Script("session", "adopt")
REVOKE: Final = Script("session", "revoke")
ENTER: Final = Script("enter")
CONDEMN: Final = Script("condemn")
TRIM: Final = Script("trim")
