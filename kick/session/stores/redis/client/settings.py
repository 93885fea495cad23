"""Settings of a connection, read from the options of redis-py."""

from __future__ import annotations

from collections.abc import Mapping
from ssl import SSLContext
from typing import Any, TypeAlias, cast

import msgspec
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.credentials import CredentialProvider, UsernamePasswordCredentialProvider

from kick.session.stores.redis.client.errors import bad_connection_settings

Address: TypeAlias = tuple[str, int]
"""A host and a port."""


class Settings(msgspec.Struct, frozen=True):
    """The address of a server, and the settings of its connections."""

    address: Address | str
    """A host and a port, or the path of a Unix socket."""
    ssl: SSLContext | None
    credentials: CredentialProvider | None
    database: int
    client_name: str | None
    protocol: int
    """2 or 3."""
    keepalive: Mapping[int, int | bytes] | None
    """Options of the TCP socket; `None` if keep-alive is off."""
    retry: Retry
    """The retry policy for opening a connection: number of attempts, and pauses."""
    connect_timeout: float
    """Seconds for opening the transport."""
    answer_timeout: float
    """Seconds for each answer of the handshake."""

    @property
    def name(self) -> str:
        """The server's name in messages."""
        return self.address if isinstance(self.address, str) else f"{self.address[0]}:{self.address[1]}"

    def at(self, address: Address) -> Settings:
        """Return the same settings for another server."""
        return msgspec.structs.replace(self, address=address)


def settings_of(kind: type, options: Mapping[str, Any], *, timeout: float) -> Settings:
    """Return the settings that redis-py would give a connection of a class.

    redis-py interprets its own options: an object of its connection class is created, never connected, and its public
    attributes are read. Raises `KickError` (`redis-connection`), and what redis-py raises for unknown options.
    """
    if kind.__module__.partition(".")[0] != "redis":
        raise bad_connection_settings(f"its connections are of the class {kind.__module__}.{kind.__qualname__}")
    if options.get("redis_connect_func") is not None:
        raise bad_connection_settings("it has a `redis_connect_func`, which needs a connection of redis-py")
    known = {name: value for name, value in options.items() if not _is_of_the_pool(name)}
    connection: Any
    if issubclass(kind, UnixDomainSocketConnection):
        connection = UnixDomainSocketConnection(**{k: v for k, v in known.items() if k not in ("host", "port")})
    else:
        connection = (SSLConnection if issubclass(kind, SSLConnection) else Connection)(**known)
    is_unix = isinstance(connection, UnixDomainSocketConnection)
    return Settings(
        address=connection.path if is_unix else (connection.host, connection.port),
        ssl=connection.ssl_context.get() if isinstance(connection, SSLConnection) else None,
        credentials=_credentials(connection),
        database=int(connection.db or 0),
        client_name=connection.client_name,
        protocol=int(options.get("protocol") or 2),  # 2 needs no command of its own
        keepalive=cast(Any, connection.socket_keepalive_options)
        if not is_unix and connection.socket_keepalive
        else None,
        retry=connection.retry,
        connect_timeout=options.get("socket_connect_timeout") or timeout,
        answer_timeout=options.get("socket_timeout") or timeout,
    )


def _is_of_the_pool(name: str) -> bool:
    """Return whether an option belongs to the pool or the client of a connection."""
    return name.startswith(("maint_", "oss_cluster_", "orig_")) or name == "connection_pool"


def _credentials(connection: Any) -> CredentialProvider | None:
    if connection.credential_provider is not None:
        provider: CredentialProvider = connection.credential_provider
        return provider
    if connection.username or connection.password:
        return UsernamePasswordCredentialProvider(connection.username, connection.password)
    return None
