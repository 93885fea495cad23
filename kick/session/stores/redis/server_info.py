"""What a Redis server says of itself: its version, and what time it is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from kick.session.stores.redis.client.protocol import pack

if TYPE_CHECKING:
    from kick.session.stores.redis.store import RedisStore

_VERSION: Final = re.compile(rb"^(?:valkey|redis)_version:(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_KEY: Final = b"kick"
"""In a Cluster the node of any key may answer."""


class ServerFacts(NamedTuple):
    """The version of the commands that the server knows, and its clock, in seconds since 1970."""

    version: tuple[int, int, int] | None
    now: float


async def facts_of(store: RedisStore) -> ServerFacts:
    """Ask the server of a store, in a Cluster one of them. Raises the exceptions of redis-py.

    Valkey says that it is Redis 7.2.4, whose commands it knows, and its own version beside it; the first counts.
    """
    info: bytes = await store._submit(_KEY, pack(b"INFO", b"server"), None, True)
    seconds, micros = await store._submit(_KEY, pack(b"TIME"), None, True)
    found = _VERSION.search(bytes(info))
    version = (int(found[1]), int(found[2]), int(found[3])) if found else None
    return ServerFacts(version, int(seconds) + int(micros) / 1e6)
