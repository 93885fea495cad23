"""Version and clock of a Redis server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_VERSION: Final = re.compile(rb"^(?:valkey|redis)_version:(\d+)\.(\d+)\.(\d+)", re.MULTILINE)


class ServerInfo(NamedTuple):
    """The version of the commands that the server knows, and its clock, in seconds since 1970."""

    version: tuple[int, int, int] | None
    now: float


def server_info_of(info: bytes, time: Sequence[bytes]) -> ServerInfo:
    """Read the answers to INFO and TIME.

    Valkey reports the version of Redis whose commands it supports (7.2.4), and its own version. The first one is used.

    >>> server_info_of(b"# Server\\r\\nredis_version:7.2.4\\r\\nvalkey_version:8.0.1\\r\\n", [b"1800000000", b"500000"])
    ServerInfo(version=(7, 2, 4), now=1800000000.5)
    """
    found = _VERSION.search(info)
    version = (int(found[1]), int(found[2]), int(found[3])) if found else None
    return ServerInfo(version, int(time[0]) + int(time[1]) / 1e6)
