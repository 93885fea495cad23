"""Removal of expired entries from the index by principal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from kick.session.stores.redis.client.commands import Command, Script
from kick.session.stores.redis.client.node import Node
from kick.session.stores.redis.client.protocol import pack
from kick.session.stores.redis.scripts import TRIM

KEYS_AT_ONCE: Final = b"1000"
MOST_STEPS: Final = 1000
"""Steps of SCAN in one run; the next run continues from there."""


class Purge:
    """Scans the sets of entries, node by node. Redis itself removes sets that have not been used for long."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern
        self._cursors: dict[str, bytes] = {}

    async def run(self, nodes: Sequence[Node]) -> int:
        """Remove expired entries; return their number."""
        return sum([await self._run(node) for node in nodes])

    async def _run(self, node: Node) -> int:
        freed = 0
        for _ in range(MOST_STEPS):
            cursor, indexes = await ask_node(node, b"", pack(*self._scan(self._cursors.pop(node.name, b"0"))))
            answers = [ask_node(node, index, pack(*TRIM.words, b"1", index), TRIM) for index in indexes]
            freed += sum(await asyncio.gather(*answers))
            if cursor == b"0":
                break
            self._cursors[node.name] = cursor
        return freed

    def _scan(self, cursor: bytes) -> tuple[bytes, ...]:
        return b"SCAN", cursor, b"MATCH", self._pattern, b"COUNT", KEYS_AT_ONCE, b"TYPE", b"zset"


def ask_node(node: Node, key: bytes, payload: bytes, script: Script | None = None) -> asyncio.Future[Any]:
    """Send a command to one node, whatever its key."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    node.submit(Command(key, payload, answer, script))
    return answer
