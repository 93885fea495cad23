"""A response leaves in one piece, and so do the pieces of a stream that are there at once.

asyncio hands what is written to the system at once, and so does uvloop since 0.23: a head, a body and every piece of a
stream is a system call of its own, which costs more than all else that is done for a small piece. With a cork on the
connection it waits until the response is complete, or the event loop turns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

MOST: Final = 65_536
"""Bytes that may wait; of more, the socket has to say how much it takes."""


logger: Final = logging.getLogger("kick.cli")


class Turn:
    """The corks with something in them. It belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._corks: list[Cork] = []

    def add(self, cork: Cork) -> None:
        """Flush a cork with the next turn."""
        if not self._corks:
            self._loop.call_soon(self._flush)
        self._corks.append(cork)

    def _flush(self) -> None:
        corks, self._corks = self._corks, []
        for cork in corks:
            try:
                cork.flush()
            except Exception:  # one connection is not to hold up the others
                logger.exception("a connection cannot be written to")
                cork.abort()


class Cork:
    """A transport that collects what is written. All else is up to the transport that it is put on."""

    __slots__ = ("_pieces", "_size", "_transport", "_turn", "is_closing")

    def __init__(self, transport: asyncio.Transport, turn: Turn) -> None:
        self._transport = transport
        self._turn = turn
        self._pieces: list[bytes] = []
        self._size = 0
        self.is_closing: Callable[[], bool] = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write when `flush()` is called, with the next turn at the latest."""
        if type(data) is not bytes:
            data = bytes(memoryview(data))
        size = len(data)
        if size > MOST:
            self.flush()
            self._transport.write(data)
            return
        if not self._pieces:
            self._turn.add(self)
        self._pieces.append(data)
        self._size += size
        if self._size > MOST:
            self.flush()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Write the pieces as one."""
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        """Write what there is, and close the side that writes."""
        self.flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that wait here and in the transport."""
        return self._size + self._transport.get_write_buffer_size()

    def flush(self) -> None:
        """Write now; where the transport is closing, nobody would hear it."""
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            if not self.is_closing():
                self._transport.write(b"".join(pieces))

    def close(self) -> None:
        """Write what there is, and close."""
        self.flush()
        self._transport.close()

    def uncorked(self) -> asyncio.Transport:
        """Write everything, and return the transport."""
        self.flush()
        return self._transport
