"""The memory that the messages of WebSockets may take is decided by the routes, not by the server's default."""

import asyncio
import os
import re
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette

from kick import Controller, Module, Socket, WebSocket, bootstrap
from kick.cli.server.websocket_limits import MOST_IN_A_PASS, PIECE, UNKNOWN, Turns, largest_message
from kick.http import StaticFiles
from tests.cli.support import running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT
from tests.support.waiting import wait_until

MiB = 1 << 20
SOCKETS = 40

APP = """
from kick import Controller, Get, Module, RequestContext, Socket, WebSocket, bootstrap

@Controller()
class Waiting:
    @WebSocket("/wait", max_message=65_536)
    async def wait(self, socket: Socket[bytes, bytes], ctx: RequestContext) -> None:
        await socket.accept()
        await ctx.stopping.wait()

    @WebSocket("/size", max_message=1000)
    async def size(self, socket: Socket[bytes, bytes]) -> None:
        async for message in socket:
            await socket.send(str(len(message)).encode())

app = bootstrap([Module("waiting", controllers=[Waiting])])
"""

COUNTING = """
import asyncio
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from kick import Controller, Module, Socket, WebSocket, bootstrap

asked: list[int] = []
taken = 0

async def look():
    asked.clear()
    while True:
        asked.append(taken)
        await asyncio.sleep(0)

def most_in_a_turn(other):
    other.cancel()
    return max(after - before for before, after in zip(asked, [*asked[1:], taken]))

@Controller()
class Counting:
    @WebSocket("/count")
    async def count(self, socket: Socket[bytes, int]) -> None:
        global taken
        taken = 0
        other = asyncio.create_task(look())
        async for message in socket:
            taken += 1
            if message == b"x":
                await socket.send(most_in_a_turn(other))

async def count(socket):
    global taken
    await socket.accept()
    taken = 0
    other = asyncio.create_task(look())
    while True:
        message = await socket.receive_bytes()
        taken += 1
        if message == b"x":
            await socket.send_text(str(most_in_a_turn(other)))

mounted = Starlette(routes=[WebSocketRoute("/count", count)])
app = bootstrap([Module("counting", controllers=[Counting], mounts={"/mounted": mounted})])
"""


WITHOUT_WEBSOCKETS = """
import sys
sys.modules["websockets"] = None
"""


def frame(payload: bytes, *, compressed: bool) -> bytes:
    """A binary message as a client sends it (RFC 6455, section 5.2), with a mask of zeros."""
    size = bytes([0x80 | 126]) + struct.pack("!H", len(payload)) if len(payload) < 65_536 else b""
    size = size or bytes([0x80 | 127]) + struct.pack("!Q", len(payload))
    return bytes([0x82 | (0x40 if compressed else 0)]) + size + bytes(4) + payload


def deflated(size: int) -> bytes:
    """A message of zeros, compressed with the window that a server may ask for (RFC 7692, section 7.2.1)."""
    compressor = zlib.compressobj(9, wbits=-12)
    return (compressor.compress(bytes(size)) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


EMPTY = b"\x82\x80" + bytes(4)
"""A message without content, with its mask: the smallest one."""

BOMB = frame(deflated(15 * MiB), compressed=True)


@contextmanager
def opened(port: int, path: str) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection after its handshake, which offers compression; and the head of the response."""
    with socket.create_connection((HOST, port), timeout=30) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield connection, head


def close_code(connection: socket.socket) -> int | None:
    """The code of the close frame that comes next; `None` where the connection is closed without one."""
    received = b""
    while len(received) < 4:
        piece = connection.recv(4096)
        if not piece:
            return None
        received += piece
    assert received[0] == 0x88
    return int.from_bytes(received[2:4])


def peak_memory(pid: int) -> int:
    """The most bytes that a process has held so far."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


@contextmanager
def started(tmp_path: Path, *options: str, library: str, app: str = APP) -> Iterator[tuple[int, int]]:
    """`kick start` with one of the libraries for WebSockets: its port, and its process."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (tmp_path / "app.py").write_text(app)
    if library == "wsproto":
        (hidden / "sitecustomize.py").write_text(WITHOUT_WEBSOCKETS)
    port = free_port()
    paths = os.pathsep.join([str(hidden), str(ROOT)])
    with running("start", "--port", str(port), *options, cwd=tmp_path, PYTHONPATH=paths) as process:
        process.wait_for("kick serves")
        yield port, process.process.pid


@pytest.mark.long
@pytest.mark.process
@pytest.mark.parametrize(("library", "compression"), [("websockets", False), ("websockets", True), ("wsproto", False)])
def test_small_frames_that_inflate_take_little_memory(tmp_path: Path, library: str, compression: bool) -> None:
    options = ["--websocket-compression"] if compression else []
    assert len(BOMB) < 17_000
    with started(tmp_path, *options, library=library) as (port, pid), ExitStack() as connections:
        before = peak_memory(pid)
        for _ in range(SOCKETS):
            connection, head = connections.enter_context(opened(port, "/wait"))
            assert (b"permessage-deflate" in head) is compression
            connection.sendall(BOMB)
            assert close_code(connection) in ((1009,) if compression else (1002, None))
        grown = peak_memory(pid) - before
    assert grown < 100 * MiB, f"{grown / MiB:.0f} MiB"


@pytest.mark.long
@pytest.mark.process
def test_many_messages_that_nobody_receives_take_little_memory(tmp_path: Path) -> None:
    """Each socket held 40,000 messages of 300 bytes, for 250 KB of frames."""
    sent = EMPTY * 40_000
    with started(tmp_path, library="websockets") as (port, pid), ExitStack() as connections:
        before = peak_memory(pid)
        for _ in range(SOCKETS):
            connection, _ = connections.enter_context(opened(port, "/wait"))
            connection.settimeout(2)
            with suppress(TimeoutError):
                connection.sendall(sent)
        with opened(port, "/size") as (connection, _):  # what came before has been read
            connection.sendall(frame(b"x", compressed=False))
            assert connection.recv(4096) == b"\x82\x011"
        grown = peak_memory(pid) - before
    assert grown < 4 * SOCKETS * len(sent), f"{grown / MiB:.0f} MiB"


@pytest.mark.long
@pytest.mark.process
def test_pongs_that_nobody_reads_take_little_memory(tmp_path: Path) -> None:
    """The server kept them all: as many bytes as a client sends."""
    ping = b"\x89\xfd" + bytes(4) + b"p" * 125
    with started(tmp_path, library="websockets") as (port, pid), opened(port, "/size") as (connection, _):
        before = peak_memory(pid)
        sent = 0
        connection.settimeout(3)
        with suppress(TimeoutError):
            while sent < 100 * MiB:
                sent += connection.send(ping * 500)
        assert peak_memory(pid) - before < 20 * MiB
        rest = -sent % len(ping)
        last = (ping[-rest:] if rest else b"") + frame(b"x", compressed=False)
        connection.settimeout(30)
        sender = threading.Thread(target=connection.sendall, args=(last,))
        sender.start()
        received = b""
        while not received.endswith(b"\x82\x011"):  # it goes on as soon as the pongs are read
            received = received[-8:] + connection.recv(1 << 20)
        sender.join()


@pytest.mark.process
@pytest.mark.parametrize("path", ["/count", "/mounted/count"])
def test_messages_that_are_received_take_turns_with_other_connections(tmp_path: Path, path: str) -> None:
    """All that a client had sent was received in one turn of the event loop: 262 KB of it took 0.6 seconds."""
    with (
        started(tmp_path, library="websockets", app=COUNTING) as (port, _),
        opened(port, path) as (connection, _),
    ):
        sender = threading.Thread(target=connection.sendall, args=(EMPTY * 40_000 + frame(b"x", compressed=False),))
        sender.start()
        answer = connection.recv(4096)
        sender.join()
    most = int(answer[2:])
    assert 0 < most <= (64 if path == "/count" else 2 * PIECE // len(EMPTY)), most


@pytest.mark.process
def test_a_message_of_endless_empty_fragments_is_not_received(tmp_path: Path) -> None:
    """They count nothing in the limit of its size, were all kept, and 1 MiB of them took two seconds."""
    sent = b"\x01\x80" + bytes(4) + (b"\x00\x80" + bytes(4)) * 20_000
    with started(tmp_path, library="websockets") as (port, _), opened(port, "/size") as (connection, _):
        connection.settimeout(20)
        with suppress(ConnectionError):
            connection.sendall(sent)
            assert connection.recv(1) == b""


@pytest.mark.process
def test_a_message_may_have_a_thousand_fragments(tmp_path: Path) -> None:
    sent = b"\x02\x80" + bytes(4) + (b"\x00\x80" + bytes(4)) * 1000 + b"\x80\x81" + bytes(4) + b"x"
    with started(tmp_path, library="websockets") as (port, _), opened(port, "/size") as (connection, _):
        connection.sendall(sent)
        assert connection.recv(4096) == b"\x82\x011"


@pytest.mark.process
def test_many_messages_at_once_come_in_their_order(tmp_path: Path) -> None:
    sizes = [number % 900 for number in range(5000)] + [1000, 0, 0, 7]
    frames = b"".join(frame(bytes(size), compressed=False) for size in sizes)
    texts = [str(size).encode() for size in sizes]
    expected = b"".join(b"\x82%c" % len(text) + text for text in texts)
    with started(tmp_path, library="websockets") as (port, _), opened(port, "/size") as (connection, _):
        sender = threading.Thread(target=connection.sendall, args=(frames,))
        sender.start()
        received = b""
        while len(received) < len(expected) and (piece := connection.recv(65_536)):
            received += piece
        sender.join()
    assert received == expected


@pytest.mark.process
@pytest.mark.parametrize("library", ["websockets", "wsproto"])
def test_a_plain_message_is_refused_by_its_head(tmp_path: Path, library: str) -> None:
    with started(tmp_path, library=library) as (port, pid):
        before = peak_memory(pid)
        with opened(port, "/wait") as (connection, _):
            connection.sendall(frame(bytes(65_537), compressed=False))
            assert close_code(connection) == 1009
        with opened(port, "/size") as (connection, _):
            connection.sendall(frame(bytes(1000), compressed=False))
            wait_until(lambda: connection.recv(4096) == b"\x82\x041000", "the response")
            connection.sendall(frame(bytes(1001), compressed=False))  # below the largest limit, above this one's
            assert close_code(connection) == 1009
        assert peak_memory(pid) - before < 20 * MiB


@pytest.mark.process
def test_compression_works_where_it_is_asked_for(tmp_path: Path) -> None:
    with (
        started(tmp_path, "--websocket-compression", library="websockets") as (port, _),
        opened(port, "/size") as (connection, head),
    ):
        assert b"permessage-deflate" in head
        connection.sendall(frame(deflated(900), compressed=True))
        answer = connection.recv(4096)
        assert answer[0] == 0xC2  # compressed, too
        assert zlib.decompressobj(-15).decompress(answer[2:] + b"\x00\x00\xff\xff") == b"900"


@Controller()
class Chat:
    @WebSocket("/small", max_message=100_000)
    async def small(self, socket: Socket) -> None: ...

    @WebSocket("/large", max_message=2 * MiB)
    async def large(self, socket: Socket) -> None: ...


@pytest.mark.process
def test_compression_needs_a_library_that_keeps_to_the_limit(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="websockets"),
        started(tmp_path, "--websocket-compression", library="wsproto"),
    ):
        pass


class TestLargestMessage:
    def test_is_the_largest_of_all_routes(self) -> None:
        assert largest_message(bootstrap([Module("chat", controllers=[Chat])])) == 2 * MiB

    def test_is_small_without_websockets(self, tmp_path: Path) -> None:
        assert largest_message(bootstrap([])) == 65_536
        assert largest_message(bootstrap([Module("web", mounts={"/": StaticFiles(tmp_path)})])) == 65_536

    @pytest.mark.parametrize(
        ("mounted", "expected"),
        [(bootstrap([Module("chat", controllers=[Chat])]), 2 * MiB), (Starlette(), UNKNOWN)],
        ids=["kick", "starlette"],
    )
    def test_counts_what_is_mounted(self, mounted: Any, expected: int) -> None:
        assert largest_message(bootstrap([Module("web", mounts={"/m": mounted})])) == expected

    def test_is_that_of_the_server_for_another_application(self) -> None:
        assert largest_message(SimpleNamespace()) == UNKNOWN


async def test_however_many_connections_hold_bytes_a_pass_of_the_loop_is_short() -> None:
    """With 100 connections that sent small frames, a request waited four seconds: each parsed a piece in each pass."""
    turns, parsed, in_a_pass = Turns(), Counter[int](), []

    class Flooded:
        has_turn = False

        def __init__(self, number: int) -> None:
            self.number = number

        def parse_more(self) -> None:
            parsed[self.number] += 1
            ends = perf_counter() + MOST_IN_A_PASS * 0.6
            while perf_counter() < ends:
                pass
            if parsed[self.number] < 5:
                turns.add(self)

    connections = [Flooded(number) for number in range(40)]
    for connection in connections:
        turns.add(connection)
        turns.add(connection)  # once is enough
    while sum(parsed.values()) < 5 * len(connections):
        before = parsed.copy()
        await asyncio.sleep(0)
        in_a_pass.append(sum((parsed - before).values()))
        assert max(parsed.values()) - min(parsed[number] for number in range(40)) <= 1  # in turn
    assert max(in_a_pass) <= 2


async def test_a_connection_that_fails_keeps_no_other_from_its_turn() -> None:
    turns, parsed = Turns(), []

    class Connection:
        has_turn = False

        def __init__(self, name: str) -> None:
            self.name = name

        def parse_more(self) -> None:
            parsed.append(self.name)
            if self.name == "broken":
                raise ZeroDivisionError

    asyncio.get_running_loop().set_exception_handler(lambda *_: parsed.append("reported"))
    for name in ("broken", "sound"):
        turns.add(Connection(name))
    for _ in range(3):
        await asyncio.sleep(0)
    assert parsed == ["broken", "reported", "sound"]
    turns.add(Connection("later"))
    await asyncio.sleep(0)
    assert parsed[-1] == "later"
