"""The clock of the Redis server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.connect import Client
from kick.session.stores.redis.client.protocol import pack
from kick.session.stores.server_clock import ServerClock

_TIME: Final = pack(b"TIME")


class RedisClock(ServerClock):
    """Asks together with the first command of a new client, and then together with other commands.

    In a Cluster, the clock is that of one of the nodes, so the clocks of several machines should be synchronized (NTP).
    """

    def ask(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """Ask for the time, without waiting for the answer."""
        asked_at = self.asked()

        def take(answer: asyncio.Future[Sequence[bytes]]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                self.failed()
                return
            try:
                seconds, microseconds = answer.result()
                self.answered(int(seconds) + int(microseconds) / 1_000_000, asked_at)
            except (ValueError, TypeError):
                self.failed()

        command = Command(b"", _TIME, loop.create_future(), repeatable=True)
        command.answer.add_done_callback(take)
        client.submit(command)
