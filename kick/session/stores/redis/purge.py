"""Freeing entries of the index by principal that have lapsed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from kick.session.stores.redis.client.commands import TRIM, Command, Script
from kick.session.stores.redis.client.protocol import pack

if TYPE_CHECKING:
    from kick.session.stores.redis.client.node import Server

KEYS_AT_ONCE: Final = b"1000"
MOST_STEPS: Final = 1000
"""Steps of SCAN in one run; the next run goes on from there."""


class Purge:
    """Looks through the sets of entries, server by server. Sets that nobody has used for long Redis frees by itself."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern
        self._cursors: dict[str, bytes] = {}

    async def run(self, servers: Sequence[Server]) -> int:
        """How many entries were freed."""
        return sum([await self._run(server) for server in servers])

    async def _run(self, server: Server) -> int:
        freed = 0
        for _ in range(MOST_STEPS):
            cursor, indexes = await _call(server, b"", pack(*self._scan(self._cursors.pop(server.name, b"0"))))
            answers = [_call(server, index, TRIM.call([index], []), TRIM) for index in indexes]
            freed += sum(await asyncio.gather(*answers))
            if cursor == b"0":
                break
            self._cursors[server.name] = cursor
        return freed

    def _scan(self, cursor: bytes) -> tuple[bytes, ...]:
        return b"SCAN", cursor, b"MATCH", self._pattern, b"COUNT", KEYS_AT_ONCE, b"TYPE", b"zset"


def _call(server: Server, key: bytes, payload: bytes, script: Script | None = None) -> asyncio.Future[Any]:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    server.submit(Command(key, payload, answer, script))
    return answer
