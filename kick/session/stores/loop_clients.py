"""The clients of a store, one for each event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

Client = TypeVar("Client")


class LoopClients(dict[asyncio.AbstractEventLoop, Client]):
    """Connections belong to an event loop and to a process: each has a client of its own, made when it is needed.

    `clients[loop]` is that of the running event loop. `abandon` is called for the clients of event loops that were
    closed, and not for those of a parent process.
    """

    def __init__(self, make: Callable[[], Client], abandon: Callable[[Client], None]) -> None:
        super().__init__()
        self._make = make
        self._abandon = abandon
        self._process = os.getpid()

    def __missing__(self, loop: asyncio.AbstractEventLoop) -> Client:
        """Make the client of the running event loop."""
        if self._process != os.getpid():  # a fork: the connections are the parent's
            self._process = os.getpid()
            _of_parents.append(dict(self))
            self.clear()
        for each in [each for each in self if each.is_closed()]:
            self._abandon(self.pop(each))
        client = self[loop] = self._make()
        return client

    def here(self) -> Client | None:
        """Return the client of the running event loop, if there is one already."""
        try:
            return self.get(asyncio.get_running_loop())
        except RuntimeError:  # no event loop runs
            return None

    def take(self) -> Client | None:
        """Remove the client of the running event loop, and return it."""
        return self.pop(asyncio.get_running_loop(), None)


_of_parents: Final[list[Any]] = []
"""Connections that a fork has copied. To let go of them would end the parent's."""
