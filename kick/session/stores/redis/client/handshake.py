"""Opening a connection: the transport, credentials, and the database."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.connection import Connection
from kick.session.stores.redis.client.errors import error_of
from kick.session.stores.redis.client.protocol import pack
from kick.session.stores.redis.client.settings import Settings
from kick.session.stores.redis.client.time_limit import time_limit

INTRODUCTION: Final = (b"CLIENT", b"SETINFO", b"LIB-NAME", b"kick")
"""Always sent first: a server that accepts connections but never answers then receives no other command."""

ROLE: Final = (b"ROLE",)


async def open_connection(settings: Settings, *, primary: bool = False) -> Connection:
    """Open a connection that is ready for commands, with the retry policy of the settings.

    With `primary=True`, a server that is a replica is refused. Raises the exceptions of redis-py. A refused password
    is not tried again.
    """
    failed: list[Exception] = []

    async def attempt() -> Connection | AuthenticationError:
        try:
            return await _attempt(settings, primary)
        except AuthenticationError as error:
            return error

    async def note(error: Exception) -> None:
        failed.append(error)

    limit = settings.connect_timeout + settings.answer_timeout
    try:
        # A policy may pause for longer than the callers wait, although the server is back.
        async with time_limit(limit):
            opened = await settings.retry.call_with_retry(attempt, note)
    except TimeoutError:
        raise failed[-1] if failed else RedisTimeoutError(f"no connection to {settings.name} in {limit:g} s") from None
    if isinstance(opened, AuthenticationError):
        raise opened
    return opened


async def _attempt(settings: Settings, primary: bool) -> Connection:
    connection = await _connect(settings)
    try:
        async with time_limit(settings.answer_timeout):
            await _greet(connection, settings, primary)
    except TimeoutError:
        connection.abort()
        raise RedisTimeoutError(f"{settings.name} did not answer within {settings.answer_timeout:g} s") from None
    except BaseException:
        connection.abort()
        raise
    return connection


async def _connect(settings: Settings) -> Connection:
    loop, address = asyncio.get_running_loop(), settings.address
    try:
        async with time_limit(settings.connect_timeout):
            if isinstance(address, str):
                _, connection = await loop.create_unix_connection(_new_connection, address)
            else:
                transport, connection = await loop.create_connection(_new_connection, *address, ssl=settings.ssl)
                _keep_alive(transport, settings)
    except TimeoutError:
        raise RedisTimeoutError(f"no connection to {settings.name} in {settings.connect_timeout:g} s") from None
    except OSError as error:
        raise RedisConnectionError(f"no connection to {settings.name}: {error}") from error
    return connection


def _keep_alive(transport: asyncio.Transport, settings: Settings) -> None:
    if settings.keepalive is None:
        return
    try:
        client = transport.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in settings.keepalive.items():
            client.setsockopt(socket.IPPROTO_TCP, option, value)
    except BaseException:
        transport.abort()
        raise


async def _greet(connection: Connection, settings: Settings, primary: bool) -> None:
    """Send all commands of the handshake at once, and read their answers."""
    steps = [*await _introduction(settings), INTRODUCTION, *([ROLE] if primary else [])]
    loop = asyncio.get_running_loop()
    commands = [Command(b"", pack(*words), loop.create_future()) for words in steps]
    now = loop.time()
    connection.send(deque(commands), now, since=now)
    answers = await asyncio.gather(*(command.answer for command in commands), return_exceptions=True)
    for words, answer in zip(steps, answers, strict=True):
        _check(words, answer)


async def _introduction(settings: Settings) -> list[tuple[bytes, ...]]:
    credentials = [word.encode() for word in await _credentials(settings.credentials)]
    name = [] if settings.client_name is None else [settings.client_name.encode()]
    steps: list[tuple[bytes, ...]] = []
    if settings.protocol == 3:
        user = [b"default", *credentials][-2:] if credentials else []
        steps.append((b"HELLO", b"3", *([b"AUTH", *user] if user else [])))
    elif credentials:
        steps.append((b"AUTH", *credentials))
    if name:
        steps.append((b"CLIENT", b"SETNAME", *name))
    if settings.database:
        steps.append((b"SELECT", b"%d" % settings.database))
    return steps


async def _credentials(provider: CredentialProvider | None) -> Sequence[str]:
    """Return a password, or a user and a password, or nothing."""
    if provider is None:
        return ()
    if not hasattr(provider, "get_credentials_async"):  # redis-py before 5.3
        return provider.get_credentials()
    return await provider.get_credentials_async()


def _check(words: Sequence[bytes], answer: Any) -> None:
    if words is ROLE and not isinstance(answer, BaseException) and answer[0] != b"master":
        raise ReadOnlyError("the server that the sentinels name as the primary is a replica")
    if not isinstance(answer, BaseException):
        return
    if isinstance(answer, ResponseError):
        if words is INTRODUCTION:
            return  # Redis 7.2 and later knows it, and an ACL may forbid it
        if words[0] == b"AUTH":
            raise AuthenticationError(str(answer))
    raise answer


class _Handshake:
    """The owner of a connection until the handshake is done."""

    def refused(self, command: Command, text: str) -> None:
        """See `connection.Owner.refused`."""
        command.fail(error_of(text))

    def progressed(self) -> None:
        """See `connection.Owner.progressed`."""

    def lost(self, connection: Connection, error: Exception, unanswered: Sequence[Command]) -> None:
        """See `connection.Owner.lost`."""
        for command in unanswered:
            command.fail(error)


def _new_connection() -> Connection:
    return Connection(_Handshake())
