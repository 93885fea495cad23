"""A TCP proxy on a loopback port, whose connections a test cuts, delays and holds.

with Proxy(server.port) as proxy:
    redis.from_url(f"redis://127.0.0.1:{proxy.port}/0")
    proxy.cut()           # all connections are reset; new ones are accepted
    proxy.delay(0.2)      # each piece, in either direction, arrives so many seconds later
    proxy.hold()          # nothing arrives, until `release()`, which ends the delay too
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from typing import Self

from tests.support.ports import HOST

PIECE = 65_536
RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing the socket resets the connection."""


class Proxy:
    """Forwards connections to a port, in a thread of its own."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._delay = 0.0
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Reset every connection."""
        self._loop.call_soon_threadsafe(self._abort)

    def delay(self, seconds: float) -> None:
        """Let every piece wait before it is forwarded."""
        self._delay = seconds

    def hold(self) -> None:
        """Forward nothing until `release()`."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def release(self) -> None:
        """Forward everything at once again."""
        self._delay = 0.0
        self._loop.call_soon_threadsafe(self._open.set)

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, HOST, 0), self._loop)
        self._server = started.result(30)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            to_reader, to_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:  # the server is down, and so is this connection
            self._writers.discard(writer)
            writer.transport.abort()
            return
        self._writers.add(to_writer)
        try:
            await asyncio.gather(self._forward(reader, to_writer), self._forward(to_reader, writer))
        finally:
            for each in (writer, to_writer):
                self._writers.discard(each)
                each.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(PIECE):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._open.wait()
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass  # it was cut
        writer.close()

    def _abort(self) -> None:
        for writer in [each for each in self._writers if not each.transport.is_closing()]:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        self._open.set()
        self._abort()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
