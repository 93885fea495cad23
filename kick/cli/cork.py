"""What is written in one turn of the event loop leaves together: a response, or ten small pieces of a stream.

asyncio hands each piece to the system at once, and so does uvloop since 0.23: a head, a body and every piece of a
stream is a system call of its own, which costs more than all else that is done for a small piece.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

MOST: Final = 65_536
"""Bytes that wait for the end of a turn; of more, the socket has to say how much it takes."""


class Turn:
    """The corks with something in them. It belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._corks: list[Cork] = []

    def add(self, cork: Cork) -> None:
        """Flush a cork at the end of the turn."""
        if not self._corks:
            self._loop.call_soon(self._flush)
        self._corks.append(cork)

    def _flush(self) -> None:
        corks, self._corks = self._corks, []
        for cork in corks:
            cork.flush()


class Cork:
    """A transport that collects what is written in a turn. All else is up to the transport that it is put on."""

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
        """Write at the end of the turn."""
        pieces = self._pieces
        if not pieces:
            self._turn.add(self)
        pieces.append(data)
        self._size += len(data)
        if self._size > MOST:
            self.flush()

    def writelines(self, pieces: list[bytes]) -> None:
        """Write at the end of the turn."""
        self.write(b"".join(pieces))

    def flush(self) -> None:
        """Write now; where the transport is closing, nobody would hear it."""
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces and not self.is_closing():
            self._transport.write(b"".join(pieces))

    def write_eof(self) -> None:
        """Write what there is, and nothing after it."""
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Write what there is, and close."""
        self.flush()
        self._transport.close()


def http_protocol() -> type[asyncio.Protocol]:
    """uvicorn's protocol for HTTP, for one server: with corks, unless the event loop does the same itself."""
    if _loop_collects():
        return AutoHTTPProtocol

    class Corked(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
        turn: Turn | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            if Corked.turn is None:
                Corked.turn = Turn(asyncio.get_running_loop())
            super().connection_made(cast(Any, Cork(cast(asyncio.Transport, transport), Corked.turn)))

    return Corked


def _loop_collects() -> bool:
    try:
        import uvloop
    except ImportError:
        return False
    version: str = uvloop.__version__  # type: ignore[attr-defined]
    return tuple(map(int, version.split(".")[:2])) < (0, 23)
