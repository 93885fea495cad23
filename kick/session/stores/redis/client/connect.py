"""Creation of a client from a URL, or from a client of redis.asyncio.

redis-py parses URLs and finds the primary behind Sentinel. Only the settings of a given client are used: its pool and
its connections are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from msgspec.structs import replace
from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff

from kick.session.stores.redis.client.cluster import Cluster
from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.connection import Connection
from kick.session.stores.redis.client.errors import bad_redis_client, bad_redis_url
from kick.session.stores.redis.client.handshake import open_connection
from kick.session.stores.redis.client.node import Limits, Node
from kick.session.stores.redis.client.settings import Address, Settings, settings_of
from kick.session.stores.redis.client.single import Single

PORT: Final = 6379
SENTINEL_PORT: Final = 26379


class Client(Protocol):
    """Sends commands to the nodes that have their keys. It belongs to one event loop."""

    def submit(self, command: Command) -> None:
        """Send a command; its future gets the answer."""
        ...

    async def nodes(self) -> Sequence[Node]:
        """Return the nodes that together hold all data."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


Open: TypeAlias = Callable[[], Client]


def opener_of(source: object, limits: Limits) -> Open:
    """Return a function that opens a client for a URL or like a client of redis.asyncio, once for each event loop.

    Connects to nothing. Raises `KickError`: `redis-url`, `redis-client` or `redis-connection`.
    """
    if isinstance(source, str):
        return _from_url(source, limits)
    if isinstance(source, RedisCluster):
        return _from_cluster(source, limits)
    if isinstance(source, Redis):
        return _from_client(source, limits)
    raise bad_redis_client(source)


def is_cluster(source: object) -> bool:
    """Return true if a URL or a client is for a Cluster."""
    if isinstance(source, str):
        return source.partition("://")[0].endswith("+cluster")
    return isinstance(source, RedisCluster)


# Clients


def _from_client(client: Redis, limits: Limits) -> Open:
    pool = client.connection_pool
    limits = _at_most(limits, pool.max_connections)
    options = {**pool.connection_kwargs, "retry": client.get_retry()}
    settings = settings_of(cast(type, pool.connection_class), options, timeout=limits.timeout)
    if isinstance(pool, SentinelConnectionPool):
        return lambda: _primary(pool.sentinel_manager, pool.service_name, settings, limits)
    return _single(settings, limits)


def _single(settings: Settings, limits: Limits) -> Open:
    return lambda: Single(settings.name, lambda: open_connection(settings), limits)


def _primary(sentinel: Sentinel, service: str, settings: Settings, limits: Limits) -> Single:
    async def connect() -> Connection:
        address = await sentinel.discover_master(service)
        # The sentinels may name a server that becomes a replica in the same moment.
        return await open_connection(settings.at(address), primary=True)

    return Single(f"the primary of {service!r}", connect, limits)


def _from_cluster(client: RedisCluster, limits: Limits) -> Open:
    options = dict(client.get_connection_kwargs())
    kind, limits = options.pop("connection_class"), _at_most(limits, options.pop("max_connections", None))
    for name in ("response_callbacks", "redis_connect_func"):
        options.pop(name, None)
    nodes = client.nodes_manager
    seeds = [(node.host, int(node.port)) for node in nodes.startup_nodes.values()]
    remap = getattr(nodes, "address_remap", None)
    return _cluster(seeds, settings_of(cast(type, kind), options, timeout=limits.timeout), limits, remap)


def _cluster(
    seeds: list[Address],
    settings: Settings,
    limits: Limits,
    remap: Callable[[Address], Address] | None = None,
) -> Open:
    def connect(address: Address) -> Awaitable[Connection]:
        return open_connection(settings.at(address))

    def remapped(host: str, port: int) -> Address:
        return (host, port) if remap is None else remap((host, port))

    return lambda: Cluster(seeds, connect, limits, remap=remapped)


def _at_most(limits: Limits, max_connections: int | None) -> Limits:
    """Return limits that do not exceed those of a client's pool."""
    return replace(limits, max_connections=min(limits.max_connections, max_connections or limits.max_connections))


# URLs


def _from_url(url: str, limits: Limits) -> Open:
    scheme, plus, kind = url.partition("://")[0].partition("+")
    if scheme not in ("redis", "rediss", "unix") or kind not in ("", "sentinel", "cluster") or (plus and not kind):
        raise bad_redis_url(url, "the scheme is not one of Redis")
    if scheme == "unix" and kind:
        raise bad_redis_url(url, "sentinels and clusters are reached by host and port")
    try:
        match kind:
            case "sentinel":
                return _sentinel_url(url, scheme, limits)
            case "cluster":
                return _cluster_url(url, scheme, limits)
            case _:
                return _single(_settings(url, limits), limits)
    except (ValueError, TypeError) as error:
        raise bad_redis_url(url, str(error)) from None  # the error may quote a part of the password


def _sentinel_url(url: str, scheme: str, limits: Limits) -> Open:
    parts = _split(url)
    service, _, database = parts.path.strip("/").partition("/")
    query = dict(parse_qsl(parts.query))
    named = {name: query.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    of_sentinels = {name: value for name, value in named.items() if value is not None}
    if not service:
        raise ValueError("the path has to name the service that the sentinels watch")
    if database and not database.isdecimal():
        raise ValueError(f"{database!r} is not the number of a database")
    credentials, at, _ = parts.netloc.rpartition("@")
    plain = f"{scheme}://{credentials}{at}/{database}?{urlencode(query)}"
    settings, options = _settings(plain, limits), _options(plain)[1]
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")} | {"ssl": scheme == "rediss"}
    timeouts = {"socket_timeout": limits.timeout, "socket_connect_timeout": limits.timeout}
    for_sentinels = {**of_sentinels, **tls, **timeouts, "protocol": 2, "retry": Retry(NoBackoff(), 0)}

    addresses = _addresses(parts.netloc, SENTINEL_PORT)

    def open_client() -> Client:
        sentinel: Sentinel = cast(Any, Sentinel)(addresses, sentinel_kwargs=for_sentinels)
        return _BehindSentinels(_primary(sentinel, service, settings, limits), sentinel)

    return open_client


class _BehindSentinels:
    """A client, and the connections to the sentinels that name its primary."""

    def __init__(self, client: Client, sentinel: Sentinel) -> None:
        self._client = client
        self._sentinel = sentinel
        self.submit = client.submit
        self.nodes = client.nodes

    async def aclose(self) -> None:
        """Close the connections, those to the sentinels too."""
        await self._client.aclose()
        for client in self._sentinel.sentinels:
            await client.aclose()


def _cluster_url(url: str, scheme: str, limits: Limits) -> Open:
    parts = _split(url)
    if parts.path.strip("/") not in ("", "0"):
        raise ValueError("a cluster has no database but 0")
    credentials, at, _ = parts.netloc.rpartition("@")
    settings = _settings(f"{scheme}://{credentials}{at}?{parts.query}", limits)
    return _cluster(_addresses(parts.netloc, PORT), settings, limits)


def _settings(url: str, limits: Limits) -> Settings:
    kind, options = _options(url)
    return settings_of(kind, options, timeout=limits.timeout)


def _options(url: str) -> tuple[type, Mapping[str, Any]]:
    """Return the class of connection for a URL of redis-py, and its options."""
    pool = ConnectionPool.from_url(url)
    # By default, redis-py 8 pauses for up to ten seconds between attempts.
    return pool.connection_class, {"retry": Retry(NoBackoff(), 0), **pool.connection_kwargs}


def _split(url: str) -> SplitResult:
    """Return the parts of a URL with several hosts: `urlsplit` refuses those in which a later one is in brackets."""
    scheme, _, rest = url.partition("://")
    netloc = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return urlsplit(rest[len(netloc) :].lstrip("/"))._replace(scheme=scheme, netloc=netloc)


def _addresses(netloc: str, default_port: int) -> list[Address]:
    """Return the hosts and ports of `user:password@host:port,host:port`."""
    addresses: list[Address] = []
    for each in netloc.rpartition("@")[2].split(","):
        parts = urlsplit(f"//{each}")
        if not parts.hostname:
            raise ValueError(f"{each!r} is not a host and port")
        addresses.append((parts.hostname, parts.port or default_port))
    return addresses
