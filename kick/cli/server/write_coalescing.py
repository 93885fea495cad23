"""Write coalescing: a response, or the chunks of a stream that are ready together, become one system call.

asyncio passes each write to the operating system immediately, and so does uvloop since 0.23. Headers, body and every
chunk of a stream are then separate system calls, which cost more than all other work for a small chunk. A `Cork` around
the transport collects the writes until the response is complete, or until the next iteration of the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

MOST: Final = 65_536
"""The number of bytes to collect; beyond it, the transport applies its own flow control."""


logger: Final = logging.getLogger("kick.cli")


class Turn:
    """The corks of one event loop that hold data."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call_soon = loop.call_soon
        self._corks: list[Cork] = []

    def add(self, cork: Cork) -> None:
        """Flush a cork in the next iteration of the event loop."""
        if not self._corks:
            self._call_soon(self._flush)
        self._corks.append(cork)

    def _flush(self) -> None:
        corks, self._corks = self._corks, []
        for cork in corks:
            try:
                cork.flush()
            except Exception:  # a failing connection must not affect the others
                logger.exception("writing to a connection failed")
                cork.abort()


class Cork:
    """A transport that collects writes. Everything else is forwarded to the wrapped transport."""

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
        """Write at the next `flush()`, or in the next iteration of the event loop."""
        if type(data) is not bytes:
            data = bytes(memoryview(data))
        size = self._size + len(data)
        if size > MOST:
            self._write_much(data)
            return
        if not self._pieces:
            self._turn.add(self)
        self._pieces.append(data)
        self._size = size

    def _write_much(self, data: bytes) -> None:
        """Write what is collected and `data` now; data that is too much alone is not copied."""
        if len(data) > MOST:
            self.flush()
            self._transport.write(data)
        else:
            self._pieces.append(data)
            self.flush()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Write several pieces as one."""
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        """Flush, and close the writing side."""
        self.flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes in this buffer and in that of the transport."""
        return self._size + self._transport.get_write_buffer_size()

    def flush(self) -> None:
        """Write now; discard the data if the transport is closing."""
        if self._pieces:
            pieces = self._pieces
            self._pieces = []
            self._size = 0
            if not self.is_closing():
                self._transport.write(b"".join(pieces))

    def close(self) -> None:
        """Flush, and close."""
        self.flush()
        self._transport.close()

    def uncorked(self) -> asyncio.Transport:
        """Flush, and return the wrapped transport."""
        self.flush()
        return self._transport
