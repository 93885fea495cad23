"""Each request has the context of the server, whoever has used its connection before: a proxy shares connections."""

import json
import os
import socket
from collections.abc import Iterator

import pytest

from tests.cli.support import Running, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

APP = """
import asyncio
import decimal
from contextvars import ContextVar

from kick import Controller, Get, Module, Post, RequestContext, Socket, Use, WebSocket, bootstrap

decimal.getcontext().prec = 5
user = ContextVar("user", default=None)
of_import = ContextVar("of_import", default="lost")
of_import.set("kept")


async def know_the_user(ctx, call_next):
    if "user" in ctx.query:
        user.set(ctx.query["user"])
    return await call_next(ctx)


@Use(know_the_user)
@Controller("")
class Site:
    @Get("/")
    async def show(self, ctx: RequestContext) -> object:
        await asyncio.sleep(0.001)
        return [user.get(), of_import.get(), decimal.getcontext().prec]

    @Post("/read")
    async def read(self, ctx: RequestContext) -> object:
        await asyncio.sleep(0.05)  # the body comes in the meantime, until the server reads no more
        return len(await ctx.read())

    @Post("/pieces", stream=True)
    async def pieces(self, ctx: RequestContext) -> object:
        await asyncio.sleep(0.05)
        return sum([len(piece) async for piece in ctx.body_stream()])

    @Post("/unread", stream=True)
    async def unread(self, ctx: RequestContext) -> object:
        return 0

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, object]) -> None:
        await socket.send([user.get(), of_import.get(), decimal.getcontext().prec])


app = bootstrap([Module("site", controllers=[Site])], max_body=10_000_000)
"""
SAID = [None, "kept", 5]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

KINDS = {
    "uvloop, httptools": "",
    "asyncio, httptools": "uvloop",
    "uvloop, h11": "httptools",
    "asyncio, h11": "uvloop httptools",
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=list(KINDS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Running]]:
    """`kick start`, over each event loop and parser: its port, and its process."""
    project, hidden = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("hidden")
    (project / "app.py").write_text(APP)
    lines = [f"sys.modules[{name!r}] = None" for name in request.param.split()]
    (hidden / "sitecustomize.py").write_text("\n".join(["import sys", *lines, ""]))
    port = free_port()
    path = os.pathsep.join([str(hidden), str(ROOT)])
    with running("start", "--port", str(port), cwd=project, PYTHONPATH=path) as process:
        process.wait_for("kick serves")
        yield port, process


def post(path: str, size: int, *, chunked: bool = False) -> bytes:
    head = f"POST {path}?user=alice HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
    if not chunked:
        return f"{head}Content-Length: {size}\r\n\r\n".encode() + b"a" * size
    chunks = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks * (size // 4096) + b"0\r\n\r\n"


def json_of(stream: "Stream") -> object:
    head = stream.until(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return json.loads(stream.take(length))


class Stream:
    """What a connection receives."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.held = b""

    def until(self, end: bytes) -> bytes:
        while end not in self.held:
            self._more()
        return self.take(self.held.index(end) + len(end))

    def take(self, size: int) -> bytes:
        while len(self.held) < size:
            self._more()
        taken, self.held = self.held[:size], self.held[size:]
        return taken

    def _more(self) -> None:
        piece = self.connection.recv(65_536)
        assert piece, self.held
        self.held += piece


BODIES = {
    "small": post("/read", 10),
    "large": post("/read", 2_000_000),
    "chunked": post("/read", 2_000_000, chunked=True),
    "streamed": post("/pieces", 2_000_000),
}


@pytest.mark.process
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_one_request_has_set_no_other_one_sees(server: tuple[int, Running], body: bytes) -> None:
    """With asyncio, all requests behind a large body had the user of that one: nginx gives them to other users."""
    with socket.create_connection((HOST, server[0]), timeout=20) as connection:
        stream = Stream(connection)
        for _ in range(2):
            connection.sendall(body)
            assert json_of(stream) in (10, 2_000_000, 2_000_000 // 4096 * 4096)
            for _ in range(3):
                connection.sendall(GET)
                assert json_of(stream) == SAID


@pytest.mark.process
@pytest.mark.parametrize("behind", [1, 3, 40])
def test_nor_do_those_that_wait_behind_it(server: tuple[int, Running], behind: int) -> None:
    with socket.create_connection((HOST, server[0]), timeout=20) as connection:
        stream = Stream(connection)
        connection.sendall(post("/read", 10) + GET * behind)
        assert json_of(stream) == 10
        assert [json_of(stream) for _ in range(behind)] == [SAID] * behind


@pytest.mark.process
def test_nor_does_one_behind_a_body_that_nobody_reads(server: tuple[int, Running]) -> None:
    with socket.create_connection((HOST, server[0]), timeout=20) as connection:
        stream = Stream(connection)
        connection.sendall(post("/unread", 200_000) + GET)
        assert json_of(stream) == 0
        assert json_of(stream) == SAID


@pytest.mark.process
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_nor_does_a_socket(server: tuple[int, Running], body: bytes) -> None:
    with socket.create_connection((HOST, server[0]), timeout=20) as connection:
        stream = Stream(connection)
        connection.sendall(body)
        json_of(stream)
        connection.sendall(HANDSHAKE)
        assert b" 101 " in stream.until(b"\r\n\r\n")
        assert stream.take(1) == b"\x81"
        assert json.loads(stream.take(stream.take(1)[0])) == SAID
