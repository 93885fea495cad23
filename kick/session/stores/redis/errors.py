"""Mistakes in how a `RedisStore` is set up.

    KickError
    ├── bad_redis_url       a URL that leads to no Redis
    ├── bad_redis_client    an object that is no client of redis.asyncio
    └── legacy_in_cluster   sessions to be taken over from connect-redis in a Cluster

While requests run, what goes wrong with Redis is an exception of redis-py: `redis.exceptions.ConnectionError`,
`TimeoutError`, or a `ResponseError` with what the server said.
"""

from __future__ import annotations

import re
from typing import Final

from kick.errors import KickError

URL_FORMS: Final = (
    "redis://host:6379/0",
    "rediss://host:6379/0",
    "unix:///run/redis.sock",
    "redis+sentinel://host:26379,host2:26379/service/0",
    "redis+cluster://host:6379,host2:6379",
)


def bad_redis_url(url: str, problem: str) -> KickError:
    """A URL that leads to no Redis. The password in it is not shown."""
    return KickError(
        "redis-url",
        cause=f"{_without_credentials(url)!r} leads to no Redis: {problem}.",
        fix=f"The forms are: {', '.join(f'`{form}`' for form in URL_FORMS)}. With TLS: `rediss`; "
        "credentials: `redis://user:password@host`.",
    )


def bad_redis_client(client: object) -> KickError:
    """An object that is no client of redis.asyncio."""
    kind = type(client)
    return KickError(
        "redis-client",
        cause=f"RedisStore got an object of type {kind.__module__}.{kind.__qualname__}.",
        fix="Pass a URL, or a client made by `redis.asyncio.Redis(...)`, `redis.asyncio.RedisCluster(...)` or "
        "`redis.asyncio.Sentinel(...).master_for(...)`.",
    )


def legacy_in_cluster(legacy_prefix: str) -> KickError:
    """Sessions of connect-redis in a Cluster, where they and kick's lie on different nodes.

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


def _without_credentials(url: str) -> str:
    """A URL, however broken, without the user and the password in it."""
    scheme, slashes, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _, at, hosts = authority.rpartition("@")
    return f"{scheme}{slashes}...@{hosts}{rest[len(authority) :]}" if at else url
