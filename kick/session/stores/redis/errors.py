"""Set-up mistakes of a `RedisStore` that concern sessions; those of the connection are in `client.errors`."""

from __future__ import annotations

from kick.errors import KickError


def legacy_in_cluster(legacy_prefix: str) -> KickError:
    """Return the error for sessions of connect-redis in a Cluster, where they and kick's lie on different nodes.

    >>> legacy_in_cluster("sess:").cause
    "RedisStore(legacy_prefix='sess:') takes sessions over in one step, which a Redis Cluster cannot do: ..."
    """
    return KickError(
        "redis-legacy-cluster",
        cause=f"RedisStore(legacy_prefix={legacy_prefix!r}) takes sessions over in one step, which a Redis Cluster "
        "cannot do: the old and the new record are on different nodes.",
        fix="Leave `legacy_prefix` out; those who are logged in will log in once more. Or keep the sessions on one "
        "server, or behind Sentinel, until the old ones have expired: `redis://host:6379/0?legacy_prefix=sess:`.",
    )
