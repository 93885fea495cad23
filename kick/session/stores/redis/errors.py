"""Mistakes in the set-up of a `RedisStore` that concern sessions; those of the connection are in `client.errors`."""

from __future__ import annotations

from kick.errors import KickError


class LegacyInCluster(KickError):
    """Sessions of connect-redis in a Cluster, where they and kick's lie on different nodes.

    >>> LegacyInCluster("sess:").cause
    "RedisStore(legacy_prefix='sess:') takes sessions over in one step, which a Redis Cluster cannot do: ..."
    """

    code = "redis-legacy-cluster"

    def __init__(self, legacy_prefix: str) -> None:
        super().__init__(
            cause=f"RedisStore(legacy_prefix={legacy_prefix!r}) takes sessions over in one step, which a Redis Cluster "
            "cannot do: the old and the new record are on different nodes.",
            fix="Leave `legacy_prefix` out; those who are logged in will log in once more. Or keep the sessions on one "
            "server, or behind Sentinel, until the old ones have expired: `redis://host:6379/0?legacy_prefix=sess:`.",
        )
