"""The applications that keep sessions under one prefix, identified by fingerprints of their secrets.

They are stored in a sorted set. A member consists of the sorted fingerprints of one application. Its score is the time
of the last start.
"""

from __future__ import annotations

import asyncio
from typing import Final

from kick.session.stores.base import REMEMBERED
from kick.session.stores.redis.client.protocol import pack
from kick.session.stores.redis.principals import Call
from kick.session.stores.redis.records import milliseconds

_KEPT: Final = milliseconds(REMEMBERED)


class Applications:
    """The applications of one prefix."""

    def __init__(self, prefix: bytes, call: Call) -> None:
        self._key = prefix + b"applications"
        self._call = call

    async def recognize(self, secrets: frozenset[str], *, remember: bool) -> list[frozenset[str]]:
        """Return the applications that started recently, including this one if it is to be remembered."""
        key = self._key
        seconds, _ = await self._call(key, pack(b"TIME"))  # the clock of the store may not be set yet
        now = int(seconds)
        oldest = b"%d" % ((now - REMEMBERED) * 1000)
        if remember:
            # Write before reading: if two applications start at the same time, one of them sees the other.
            name = " ".join(sorted(secrets)).encode()
            await asyncio.gather(
                self._call(key, pack(b"ZADD", key, b"%d" % (now * 1000), name)),
                self._call(key, pack(b"ZREMRANGEBYSCORE", key, b"-inf", oldest)),
                self._call(key, pack(b"PEXPIRE", key, _KEPT)),
            )
        members = await self._call(key, pack(b"ZRANGEBYSCORE", key, b"(" + oldest, b"+inf"))
        return [frozenset(member.decode().split()) for member in members]
