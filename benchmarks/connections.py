"""`python -m benchmarks.connections`: thousands of open event streams and WebSockets in one process of `kick start`.

It prints the memory for each connection, and the time in which a shutdown ends all of them. It needs twice as many
descriptors as connections (`ulimit -n`), half of them in each process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.footprint import allow_files
from benchmarks.servers import COMPILED, ROOT, Process

HOST: Final = "127.0.0.1"
SETTLE: Final = 100
"""Connections before the count, for what is allocated once."""
AT_ONCE: Final = 50
"""Connections that are opened side by side: fewer than the server's backlog."""
CLOSE: Final = 0x88
"""The first byte of a WebSocket's close frame."""
GOODBYE: Final = bytes([CLOSE, 0x82, 0, 0, 0, 0]) + (1001).to_bytes(2, "big")
"""The same from a client, with a mask of zeros."""

HEADS: Final = {
    "events": "GET /events HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n",
    "socket": (
        "GET /socket HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ),
}
FIRST: Final = {"events": b"data: 1", "socket": b"\x81\x011"}
"""What each of them receives at first."""


@dataclass(frozen=True)
class Figures:
    """Memory in KiB, times in seconds."""

    kind: str
    count: int
    each: float
    opening: float
    ending: float
    cpu: float
    """Processor time of the server from the signal to its end."""

    def __str__(self) -> str:
        return (
            f"{self.count:,} {self.kind}: {self.each:.1f} KiB each, opened in {self.opening:.1f} s, "
            f"all ended {self.ending:.2f} s after SIGTERM ({self.cpu:.2f} s of processor time of the server)"
        )


class Client(asyncio.Protocol):
    """An open connection."""

    def __init__(self, head: bytes, first: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._head = head
        self._first = first
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        """Wait for the first message, and later for a close frame, which is answered."""
        if self.opened.done():
            if data[0] == CLOSE:
                self._transport.write(GOODBYE)
            return
        self._received += data
        if self._first in self._received:
            self.opened.set_result(None)
            self._received = b""

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"a connection ended early: {self._received[:200]!r}"))
        self.ended.set_result(None)


def measure(kind: str, count: int) -> Figures:
    """Open connections of a kind, and stop the server."""
    return asyncio.run(_measure(kind, count))


async def _measure(kind: str, count: int) -> Figures:
    port = _free_port()
    command = [sys.executable, "-m", "kick.cli", "start", "benchmarks.apps.connected:app", "--port", str(port)]
    server = subprocess.Popen(  # noqa: ASYNC220  # once
        [*command, "--force", "--access-log", "off"], cwd=ROOT, env={**COMPILED, "KICK_ENV": "test"}
    )
    try:
        cookie = await _cookie(port)
        head = HEADS[kind].format(host=f"{HOST}:{port}", cookie=cookie).encode()
        clients = await _open(port, head, FIRST[kind], SETTLE)
        before = await _resident(server.pid)
        began = time.perf_counter()
        clients += await _open(port, head, FIRST[kind], count)
        opening = time.perf_counter() - began
        each = (await _resident(server.pid) - before) / count
        began, before_end = time.perf_counter(), _ended_children() + Process(server.pid, Path()).cpu_seconds()
        os.kill(server.pid, signal.SIGTERM)
        await asyncio.gather(*(client.ended for client in clients))
        await asyncio.to_thread(server.wait)
        ending = time.perf_counter() - began
        return Figures(kind, count, each, opening, ending, _ended_children() - before_end)
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def _ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _open(port: int, head: bytes, first: bytes, count: int) -> list[Client]:
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    while len(clients) < count:
        number = min(AT_ONCE, count - len(clients))
        made = [loop.create_connection(lambda: Client(head, first), HOST, port) for _ in range(number)]
        opened = [client for _, client in await asyncio.gather(*made)]
        await asyncio.gather(*(client.opened for client in opened))
        clients += opened
    return clients


async def _cookie(port: int) -> str:
    """Wait for the server; begin a session."""
    for _ in range(3_000):
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.write(f"GET /begin HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.read()).decode()
        writer.close()
        lines = (line.partition(": ") for line in head.splitlines())
        return next(value for name, _, value in lines if name.lower() == "set-cookie").partition(";")[0]
    raise ConnectionError("the server does not start")


async def _resident(pid: int) -> int:
    """KiB of memory that a process holds."""
    await asyncio.sleep(1.0)
    status = Path(f"/proc/{pid}/status").read_text()  # noqa: ASYNC240
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def main() -> None:
    """See `python -m benchmarks.connections --help`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.connections", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="connections of each kind")
    given = parser.parse_args()
    allow_files(given.count + SETTLE)
    for kind in HEADS:
        print(measure(kind, given.count), flush=True)


if __name__ == "__main__":
    main()
