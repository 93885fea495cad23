"""Servers that remove keys when they are short of memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kick.session.stores.redis.client.node import Node
from kick.session.stores.redis.client.protocol import pack
from kick.session.stores.redis.purge import ask_node

_POLICY: Final = re.compile(rb"^maxmemory_policy:(\S+)", re.MULTILINE)
_LIMIT: Final = re.compile(rb"^maxmemory:(\d+)", re.MULTILINE)


async def evicting_policy(nodes: Sequence[Node]) -> str | None:
    """Return the policy of a server that removes keys; `None` if there is none. Raises errors of the server."""
    for node in nodes:
        policy = policy_of(await ask_node(node, b"", pack(b"INFO", b"memory")))
        if policy is not None:
            return policy
    return None


def policy_of(info: bytes) -> str | None:
    """Return the policy by which a server removes keys, from its answer to INFO; `None` if it removes none.

    >>> policy_of(b"maxmemory:1000\\r\\nmaxmemory_policy:allkeys-lru\\r\\n")
    'allkeys-lru'
    >>> policy_of(b"maxmemory:0\\r\\nmaxmemory_policy:allkeys-lru\\r\\n")  # no limit, so it is never short of memory
    """
    limit, policy = _LIMIT.search(info), _POLICY.search(info)
    if limit is None or policy is None or int(limit[1]) == 0 or policy[1] == b"noeviction":
        return None
    return policy[1].decode()
