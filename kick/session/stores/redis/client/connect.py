"""From a URL or a client of redis.asyncio to where commands go.

redis-py knows how to connect: addresses, TLS, credentials, Sentinel. What it connects is used in this store's own way
(`client.connection`), so of a client that was passed in only the settings are taken: its pool and its connections stay
with their owner.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError

from kick.session.stores.redis.client.cluster import Address, Cluster
from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.node import Limits
from kick.session.stores.redis.client.single import Single
from kick.session.stores.redis.errors import bad_redis_client, bad_redis_url

PORT: Final = 6379
SENTINEL_PORT: Final = 26379

Settings: TypeAlias = Mapping[str, Any]
"""Keyword arguments for a connection of redis-py."""


class Route(Protocol):
    """Where commands go. It belongs to one event loop."""

    def submit(self, command: Command) -> None:
        """Send a command; its future gets the answer."""
        ...

    async def servers(self) -> Any:
        """The servers that between them have all the data."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


Open: TypeAlias = Callable[[], Route]


def route_to(client: object, limits: Limits) -> Open:
    """What opens the route that a URL or a client stands for; once for each event loop.

    Connects to nothing. Raises `KickError`: `redis-url` or `redis-client`.
    """
    if isinstance(client, str):
        return _from_url(client, limits)
    if isinstance(client, RedisCluster):
        return _from_cluster(client, limits)
    if isinstance(client, Redis):
        return _from_client(client, limits)
    raise bad_redis_client(client)


def is_cluster(client: object) -> bool:
    """Whether a URL or a client stands for a Cluster."""
    if isinstance(client, str):
        return client.partition("://")[0].endswith("+cluster")
    return isinstance(client, RedisCluster)


# Clients


def _from_client(client: Redis, limits: Limits) -> Open:
    pool = client.connection_pool
    make, settings = pool.connection_class, _plain(pool.connection_kwargs, limits)
    if isinstance(pool, SentinelConnectionPool):
        name = f"the primary of {pool.service_name!r}"

        async def connect() -> Any:
            _ = client  # whose pool asks the sentinels, and is held by its connections only weakly
            connection = await _connected(make, settings)
            await _check_primary(connection)
            return connection

        return lambda: Single(name, connect, limits)
    return _single(make, settings, limits)


def _single(make: Any, settings: Settings, limits: Limits) -> Open:
    name = settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', PORT)}"
    return lambda: Single(name, lambda: _connected(make, settings), limits)


def _from_cluster(client: RedisCluster, limits: Limits) -> Open:
    settings = dict(client.get_connection_kwargs())
    make = settings.pop("connection_class")
    for name in ("max_connections", "response_callbacks", "redis_connect_func"):
        settings.pop(name, None)
    nodes = client.nodes_manager
    seeds = [(node.host, int(node.port)) for node in nodes.startup_nodes.values()]
    return _cluster(seeds, make, _plain(settings, limits), limits, remap=_remap(nodes))


def _remap(nodes: Any) -> Callable[[str, int], Address]:
    remap = getattr(nodes, "address_remap", None)
    return lambda host, port: remap((host, port)) if remap is not None else (host, port)


def _cluster(seeds: list[Address], make: Any, settings: Settings, limits: Limits, **options: Any) -> Open:
    async def connect(address: Address) -> Any:
        return await _connected(make, {**settings, "host": address[0], "port": address[1]})

    return lambda: Cluster(seeds, connect, limits, **options)


def _plain(settings: Mapping[str, Any], limits: Limits) -> Settings:
    """The settings of a connection that speaks RESP2, decodes nothing, and leaves repeating and waiting to us."""
    kept = {name: value for name, value in settings.items() if not name.startswith(("maint_", "oss_cluster_", "orig_"))}
    timeouts = {name: kept.get(name) or limits.timeout for name in ("socket_timeout", "socket_connect_timeout")}
    ours: dict[str, Any] = {
        "protocol": 2,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "retry_on_timeout": False,
        "health_check_interval": 0,
    }
    return {**kept, **timeouts, **ours}


async def _connected(make: Any, settings: Settings) -> Any:
    connection = make(**settings)
    try:
        await connection.connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection


async def _check_primary(connection: Any) -> None:
    """See that the sentinels did not name a server that has become a replica in the same moment."""
    await connection.send_command("ROLE")
    role = await connection.read_response(disable_decoding=True)
    if role[0] != b"master":
        await connection.disconnect()
        raise ReadOnlyError("the server that the sentinels name as the primary is a replica")


# URLs


def _from_url(url: str, limits: Limits) -> Open:
    scheme, plus, kind = url.partition("://")[0].partition("+")
    if scheme not in ("redis", "rediss", "unix") or kind not in ("", "sentinel", "cluster") or (plus and not kind):
        raise bad_redis_url(url, "the scheme is none of redis")
    if scheme == "unix" and kind:
        raise bad_redis_url(url, "sentinels and clusters are reached by host and port")
    try:
        match kind:
            case "sentinel":
                return _sentinel_url(url, scheme, limits)
            case "cluster":
                return _cluster_url(url, scheme, limits)
            case _:
                make, settings = _settings(url, limits)
    except (ValueError, TypeError) as error:
        raise bad_redis_url(url, str(error)) from error
    return _single(make, settings, limits)


def _sentinel_url(url: str, scheme: str, limits: Limits) -> Open:
    parts = _split(url)
    service, _, database = parts.path.strip("/").partition("/")
    query = dict(parse_qsl(parts.query))
    named = {name: query.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    of_sentinels = {name: value for name, value in named.items() if value is not None}
    if not service:
        raise ValueError("the path has to name the service that the sentinels watch")
    if database and not database.isdecimal():
        raise ValueError(f"{database!r} is no number of a database")
    credentials, at, _ = parts.netloc.rpartition("@")
    _, settings = _settings(f"{scheme}://{credentials}{at}/{database}?{urlencode(query)}", limits)
    tls = {name: value for name, value in settings.items() if name.startswith("ssl_")} | {"ssl": scheme == "rediss"}
    timeouts = {"socket_timeout": limits.timeout, "socket_connect_timeout": limits.timeout}
    for_sentinels = {**of_sentinels, **tls, **timeouts, "protocol": 2, "retry": Retry(NoBackoff(), 0)}

    def open_route() -> Route:
        sentinel = cast(Any, Sentinel)(_addresses(parts.netloc, SENTINEL_PORT), sentinel_kwargs=for_sentinels)
        client = cast(Redis, sentinel.master_for(service, **settings, ssl=scheme == "rediss"))
        return _Sentinels(_from_client(client, limits)(), sentinel)

    _addresses(parts.netloc, SENTINEL_PORT)
    return open_route


class _Sentinels:
    """A route, and the connections to the sentinels that show the way."""

    def __init__(self, route: Route, sentinel: Sentinel) -> None:
        self._route = route
        self._sentinel = sentinel
        self.submit = route.submit
        self.servers = route.servers

    async def aclose(self) -> None:
        """Close the connections, those to the sentinels too."""
        await self._route.aclose()
        for client in self._sentinel.sentinels:
            await client.aclose()


def _cluster_url(url: str, scheme: str, limits: Limits) -> Open:
    parts = _split(url)
    if parts.path.strip("/") not in ("", "0"):
        raise ValueError("a cluster has no database but 0")
    credentials, at, _ = parts.netloc.rpartition("@")
    make, settings = _settings(f"{scheme}://{credentials}{at}?{parts.query}", limits)
    return _cluster(_addresses(parts.netloc, PORT), make, settings, limits)


def _settings(url: str, limits: Limits) -> tuple[Any, dict[str, Any]]:
    """The class of connection for a URL of redis-py, and its settings, tried out."""
    pool = ConnectionPool.from_url(url)
    settings = dict(_plain(pool.connection_kwargs, limits))
    if "path" in settings:
        settings = {name: value for name, value in settings.items() if name not in ("host", "port")}
    pool.connection_class(**settings)
    return pool.connection_class, settings


def _split(url: str) -> SplitResult:
    """The parts of a URL with several hosts: `urlsplit` refuses those in which a later one is in brackets."""
    scheme, _, rest = url.partition("://")
    netloc = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return urlsplit(rest[len(netloc) :].lstrip("/"))._replace(scheme=scheme, netloc=netloc)


def _addresses(netloc: str, default_port: int) -> list[Address]:
    """The hosts and ports of `user:password@host:port,host:port`."""
    addresses: list[Address] = []
    for each in netloc.rpartition("@")[2].split(","):
        parts = urlsplit(f"//{each}")
        if not parts.hostname:
            raise ValueError(f"{each!r} is no host and port")
        addresses.append((parts.hostname, parts.port or default_port))
    return addresses
