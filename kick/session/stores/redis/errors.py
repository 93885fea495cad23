"""Set-up errors of a `RedisStore` about sessions; those of connections are in `client.errors`."""

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
    """Describe the state of a server that answered with an error; `None` if it did not answer.

    >>> explain(OutOfMemoryError("OOM command not allowed")), explain(TimeoutError())
    ('is full', None)
    """
    return next((state for kind, state in _STATES if isinstance(error, kind)), None)


def evicting_redis(policy: str) -> KickError:
    """Return the warning for a server that removes keys when it is short of memory.

    >>> evicting_redis("allkeys-lru").code
    'redis-evicts'
    """
    return KickError(
        "redis-evicts",
        cause=f"Redis has the maxmemory-policy {policy}: short of memory, it removes sessions, and the index that "
        "finds those of a user. Users are logged out early, and `sessions.revoke()` is not guaranteed to end all.",
        fix="Run `redis-cli CONFIG SET maxmemory-policy noeviction`, and write the same into redis.conf. A cache that "
        "needs another policy needs a separate Redis.",
    )


def unknown_eviction(error: Exception) -> KickError:
    """Return the error for a server that must not remove keys, but does not report its policy."""
    return KickError(
        "redis-eviction-unknown",
        cause=f"RedisStore(require_noeviction=True), but Redis does not report its maxmemory-policy: {error}.",
        fix="Check that Redis runs and that the user may use INFO: `ACL SETUSER kick +info`. Or leave out "
        "`require_noeviction`.",
    )


def legacy_in_cluster(legacy_prefix: str) -> KickError:
    """Return the error for sessions of connect-redis in a Cluster, which has them and kick's on different nodes.

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
