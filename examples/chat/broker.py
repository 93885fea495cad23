"""The broker: what one process publishes, every process receives, itself included."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Protocol

import anyio

from kick import Service

CHANNEL = "chat"
MOST_WAITING = 1000
RETRY_AFTER = 1.0
"""Seconds until the next attempt after Redis was lost."""


class Broker(Protocol):
    async def publish(self, message: bytes) -> None: ...

    def messages(self) -> AsyncIterator[bytes]:
        """Yield every message that is published from now on. Does not end."""
        ...

    async def aclose(self) -> None: ...


class LocalBroker:
    """A broker for one process."""

    def __init__(self) -> None:
        self._publish, self._published = anyio.create_memory_object_stream[bytes](MOST_WAITING)

    async def publish(self, message: bytes) -> None:
        await self._publish.send(message)

    async def messages(self) -> AsyncIterator[bytes]:
        async for message in self._published:
            yield message

    async def aclose(self) -> None:
        self._publish.close()
        self._published.close()


class RedisBroker:
    """A broker for all processes that use one Redis (`PUBLISH` and `SUBSCRIBE`)."""

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis

        self._redis: Redis = Redis.from_url(url)

    async def publish(self, message: bytes) -> None:
        from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004  # Redis has its own

        with suppress(ConnectionError, TimeoutError):  # Redis is down: the message is lost
            await self._redis.publish(CHANNEL, message)

    async def messages(self) -> AsyncIterator[bytes]:
        from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004  # Redis has its own

        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            yield message["data"]
            except (ConnectionError, TimeoutError):  # messages of this time are lost: pub/sub keeps none
                await anyio.sleep(RETRY_AFTER)

    async def aclose(self) -> None:
        await self._redis.aclose()


@Service(scope="singleton")
async def open_broker() -> AsyncIterator[Broker]:
    """Provide the broker: Redis if `REDIS_URL` is set."""
    url = os.environ.get("REDIS_URL")
    broker: Broker = LocalBroker() if url is None else RedisBroker(url)
    yield broker
    await broker.aclose()
