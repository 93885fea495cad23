"""Visitors: some behave, some leave in the middle, some are slow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

ORIGIN = {"Sec-Fetch-Site": "same-origin"}
BOUNDARY = "frontier"
ORDER = '{"product":"tea","count":2,"notes":["warm","sweet"]}'
PATIENCE = 60.0
"""Seconds for one act: a server that never answers is a fault, not a wait without end."""


@dataclass
class Tally:
    """What all visitors did, and what they did not expect."""

    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Visitor:
    """One client, which does one thing after the other."""

    def __init__(self, address: str, tally: Tally, seed: int) -> None:
        self._address = address
        self._tally = tally
        self._random = Random(seed)  # repeatable
        self._http = httpx2.AsyncClient(base_url=address, timeout=30.0, headers=ORIGIN)
        self._acts = {
            "page": (12, self._page),
            "api": (12, self._api),
            "invalid": (2, self._invalid),
            "login": (2, self._log_in),
            "logout": (2, self._log_out),
            "upload": (2, self._upload),
            "download": (1, self._download),
            "events": (1, self._events),
            "socket": (2, self._socket),
            "left before the answer": (2, self._leave_before_the_answer),
            "left in the head": (1, self._leave_in_the_head),
            "left in the body": (2, self._leave_in_the_body),
            "left in a download": (1, self._leave_in_the_download),
            "left events": (1, self._leave_the_events),
            "left a socket": (1, self._leave_the_socket),
            "slow to send": (1, self._send_slowly),
            "slow to read": (1, self._read_slowly),
            "another browser": (1, self._forget),
        }

    async def run(self, stopped: asyncio.Event) -> None:
        """Act until the end, then close every connection."""
        weights = [weight for weight, _ in self._acts.values()]
        while not stopped.is_set():
            name = self._random.choices(list(self._acts), weights)[0]
            try:
                await asyncio.wait_for(self._acts[name][1](), PATIENCE)
            except (httpx2.HTTPError, OSError, TimeoutError, AssertionError, ConnectionClosed, EOFError) as error:
                self._tally.faults.append(f"{name}: {error!r}")
            self._tally.done[name] += 1
            await asyncio.sleep(self._random.random() * 0.02)
        await self._http.aclose()

    async def _page(self) -> None:
        _expect(await self._http.get("/"), 200)

    async def _api(self) -> None:
        _expect(await self._http.post("/orders", content=ORDER, headers={"Content-Type": "application/json"}), 201)
        number = self._random.randrange(1000)
        _expect(await self._http.get(f"/orders/{number}"), 404 if number % 10 == 0 else 200)

    async def _invalid(self) -> None:
        _expect(await self._http.post("/orders", json={"product": "", "count": 0}), 422)
        _expect(await self._http.get("/orders/none"), 404)
        _expect(await self._http.get("/", headers={"Cookie": "kick.sid=s:forged.forged"}), 200)

    async def _log_in(self) -> None:
        _expect(await self._http.post(f"/login/{self._random.randrange(10_000)}"), 204)

    async def _log_out(self) -> None:
        _expect(await self._http.post("/logout"), 204)

    async def _upload(self) -> None:
        size = self._random.choice([1_000, 100_000, 2_000_000])  # the last one goes to the disk
        response = await self._http.post("/upload", files={"file": ("f", b"x" * size)})
        _expect(response, 200)
        assert response.json() == size, "a file of another size"

    async def _download(self) -> None:
        response = await self._http.get("/download")
        _expect(response, 200)
        assert len(response.content) == 2 << 20, "a download of another size"

    async def _events(self) -> None:
        response = await self._http.get("/events")
        _expect(response, 200)
        assert response.text.count("data:") == 20, "not all events"

    async def _socket(self) -> None:
        async with connect(f"ws{self._address.removeprefix('http')}/socket") as socket:
            for _ in range(5):
                await socket.send(ORDER)
                await socket.recv()

    async def _forget(self) -> None:
        self._http.cookies.clear()

    async def _leave_before_the_answer(self) -> None:
        async with self._connection() as (_, writer):
            writer.write(self._head("GET", "/orders/slow") + b"\r\n")
            await writer.drain()
            await asyncio.sleep(self._random.random() * 0.1)

    async def _leave_in_the_head(self) -> None:
        async with self._connection() as (_, writer):
            writer.write(self._head("GET", "/"))
            await writer.drain()

    async def _leave_in_the_body(self) -> None:
        async with self._connection() as (_, writer):
            writer.write(self._upload_head(1_900_000) + b"x" * self._random.randrange(1_800_000))
            await writer.drain()

    async def _leave_in_the_download(self) -> None:
        async with self._connection() as (reader, writer):
            writer.write(self._head("GET", "/download") + b"\r\n")
            await reader.readexactly(100_000)

    async def _leave_the_events(self) -> None:
        async with self._connection() as (reader, writer):
            writer.write(self._head("GET", "/events") + b"\r\n")
            await reader.readuntil(b"data:")

    async def _leave_the_socket(self) -> None:
        socket = await connect(f"ws{self._address.removeprefix('http')}/socket")
        await socket.send(ORDER)
        socket.transport.abort()
        await socket.wait_closed()

    async def _send_slowly(self) -> None:
        body = b"x" * 3_000
        async with self._connection() as (reader, writer):
            for byte in self._upload_head(len(body)).splitlines(keepends=True):
                writer.write(byte)
                await asyncio.sleep(0.02)
            for piece in (body[:1_000], body[1_000:], f"\r\n--{BOUNDARY}--\r\n".encode()):
                writer.write(piece)
                await asyncio.sleep(0.1)
            assert b" 200 " in await reader.readline(), "a slow upload was refused"

    async def _read_slowly(self) -> None:
        async with self._connection(limit=4_096) as (reader, writer):
            writer.write(self._head("GET", "/download") + b"Connection: close\r\n\r\n")
            received = 0
            while piece := await reader.read(65_536):
                received += len(piece)
                await asyncio.sleep(0.005)
            assert received > 2 << 20, "a slow download was cut"

    def _head(self, method: str, path: str) -> bytes:
        cookie = self._http.cookies.get("kick.sid")
        cookies = f"Cookie: kick.sid={cookie}\r\n" if cookie else ""
        return f"{method} {path} HTTP/1.1\r\nHost: soak\r\nSec-Fetch-Site: same-origin\r\n{cookies}".encode()

    def _upload_head(self, size: int) -> bytes:
        part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        length = len(part) + size + len(f"\r\n--{BOUNDARY}--\r\n")
        headers = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n"
        return self._head("POST", "/upload") + headers.encode() + part.encode()

    @asynccontextmanager
    async def _connection(
        self, *, limit: int = 65_536
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that is closed at the end, whatever is still under way."""
        where = urlsplit(self._address)
        reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=limit)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


def _expect(response: httpx2.Response, status: int) -> None:
    assert response.status_code == status, f"{response.status_code}: {response.text[:200]}"
