"""The applications that keep sessions under one prefix, by fingerprints of their secrets.

They are a sorted set. A member is the fingerprints of one application in order, its score the time of its last start.
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
        """Return the applications that started lately, this one included if it is to be remembered."""
        key = self._key
        seconds, _ = await self._call(key, pack(b"TIME"), None)  # the clock of the store may not be set yet
        now = int(seconds)
        oldest = b"%d" % ((now - REMEMBERED) * 1000)
        if remember:
            # Written before it is read: of two applications that start at the same time, one sees the other.
            name = " ".join(sorted(secrets)).encode()
            await asyncio.gather(
                self._call(key, pack(b"ZADD", key, b"%d" % (now * 1000), name), None),
                self._call(key, pack(b"ZREMRANGEBYSCORE", key, b"-inf", oldest), None),
                self._call(key, pack(b"PEXPIRE", key, _KEPT), None),
            )
        members = await self._call(key, pack(b"ZRANGEBYSCORE", key, b"(" + oldest, b"+inf"), None)
        return [frozenset(member.decode().split()) for member in members]
