"""Set-up mistakes of a `RedisStore` that concern sessions; those of the connection are in `client.errors`."""

from __future__ import annotations

from typing import Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from kick.errors import KickError

_STATES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (OutOfMemoryError, "is full"),
    (ReadOnlyError, "takes no changes"),
    (BusyLoadingError, "is starting"),
    (AuthenticationError, "refuses this application"),
    (NoPermissionError, "refuses this application"),
    (ResponseError, "answers with an error"),
)


def explain(error: Exception) -> str | None:
    """Return how it stands with a server that answered an error; `None` for one that did not answer.

    >>> explain(OutOfMemoryError("OOM command not allowed")), explain(TimeoutError())
    ('is full', None)
    """
    return next((state for kind, state in _STATES if isinstance(error, kind)), None)


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
