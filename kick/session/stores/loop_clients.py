"""The clients of a store, one for each event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

Client = TypeVar("Client")


class LoopClients(Generic[Client]):
    """Connections belong to an event loop and to a process: each has a client of its own, made when it is needed.

    `abandon` is called for the clients of event loops that were closed, and not for those of a parent process.
    """

    def __init__(self, make: Callable[[], Client], abandon: Callable[[Client], None]) -> None:
        self._make = make
        self._abandon = abandon
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None

    def here(self) -> Client:
        """Return the client of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop is self._loop and self._client is not None:
            return self._client
        if self._process != os.getpid():  # a fork: the connections are the parent's
            self._process = os.getpid()
            _of_parents.append(self._clients)
            self._clients = {}
        client = self._clients.get(loop)
        if client is None:
            for each in [each for each in self._clients if each.is_closed()]:
                self._abandon(self._clients.pop(each))
            client = self._clients[loop] = self._make()
        self._loop, self._client = loop, client
        return client

    def last(self) -> Client | None:
        """Return the client that was used last, if it is that of the running event loop."""
        try:
            return self._client if asyncio.get_running_loop() is self._loop else None
        except RuntimeError:  # no event loop runs
            return None

    def take(self) -> Client | None:
        """Remove the client of the running event loop, and return it."""
        self._loop = self._client = None
        return self._clients.pop(asyncio.get_running_loop(), None)


_of_parents: Final[list[Any]] = []
"""Connections that a fork has copied. To let go of them would end the parent's."""
