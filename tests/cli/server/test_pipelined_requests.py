"""Requests behind a running one: each handler learns that the client has gone, and what waits does not start."""

import os
import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.cli.support import APP, Running, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT
from tests.support.waiting import wait_until

WAITING = """
import asyncio
import sys
from kick import Post


held = {}


def say(text):
    print(f"<{text}>", file=sys.stderr, flush=True)


@Controller("/wait")
class Waiting:
    @Get("/stream/{name}")
    async def stream(self, ctx: RequestContext, name: str) -> object:
        return ctx.stream(self.pieces(name))

    async def pieces(self, name):
        say(f"begin {name}")
        try:
            yield b"first"
            await asyncio.sleep(600)
        finally:
            say(f"end {name}")

    @Get("/handler/{name}", cancel_on_disconnect=True)
    async def handler(self, name: str) -> None:
        say(f"begin {name}")
        try:
            await asyncio.sleep(600)
        finally:
            say(f"end {name}")

    @Get("/short/{name}")
    async def short(self, name: str) -> None:
        say(f"begin {name}")
        await asyncio.sleep(0.2)

    @Get("/held/{name}")
    async def held(self, name: str) -> None:
        held[name] = asyncio.Event()
        say(f"begin {name}")
        await held[name].wait()

    @Get("/release/{name}")
    async def release(self, name: str) -> None:
        held[name].set()

    @Post("/posted/{name}")
    async def posted(self, ctx: RequestContext, name: str) -> None:
        say(f"begin {name}")
        await ctx.read()


app = bootstrap([Module("waiting", controllers=[Waiting])])
"""


@pytest.fixture(scope="module", params=["httptools", "h11"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Running]]:
    """`kick start`, with each of uvicorn's parsers: its port, and its process."""
    project, hidden = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("hidden")
    (project / "app.py").write_text(APP + WAITING)
    if request.param == "h11":
        (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['httptools'] = None\n")
    port = free_port()
    path = os.pathsep.join([str(hidden), str(ROOT)])
    with running("start", "--port", str(port), cwd=project, PYTHONPATH=path) as process:
        process.wait_for("kick serves")
        yield port, process


def get(path: str, name: str) -> bytes:
    return f"GET /wait/{path}/{name} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


BEHIND = {
    "nothing": b"",
    "a request": get("short", "late"),
    "many requests": get("short", "late") * 40,
    "half a request": get("short", "late")[:-4],
    "a body": b"POST /wait/posted/late HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"a" * 40_000,
    "a socket": (
        b"GET /wait HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
}
"""Sent by a client that waits for the response to an earlier request."""


def began(process: Running, name: str) -> int:
    return process.output.count(f"<begin {name}>")


@pytest.mark.process
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "later"])
@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("kind", ["stream", "handler"])
def test_a_handler_ends_when_its_client_goes(
    server: tuple[int, Running], request: pytest.FixtureRequest, kind: str, behind: bytes, at_once: bool
) -> None:
    """uvicorn tells only the last request that it has parsed: one behind it kept a stream for ever."""
    port, process = server
    name = re.sub(r"\W", "-", request.node.name)
    late = began(process, "late")
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(get(kind, name) + (behind if at_once else b""))
        process.wait_for(f"<begin {name}>")
        if not at_once:
            time.sleep(0.1)  # the handler listens for its client
            connection.settimeout(1)
            try:
                connection.sendall(behind)
            except TimeoutError:  # the server does not read
                pass
    wait_until(lambda: f"<end {name}>" in process.output, "the end", timeout=15)
    time.sleep(0.1)
    assert began(process, "late") == late


@pytest.mark.process
def test_a_socket_does_not_begin_within_a_response(server: tuple[int, Running]) -> None:
    """With httptools, its handshake was answered in the middle of an earlier response, which went on as well."""
    port, _ = server
    received = b""
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(get("short", "one") + get("short", "two") + BEHIND["a socket"])
        while data := connection.recv(65_536):
            received += data
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", received)
    assert statuses[:2] == [b"204", b"204"]
    assert b"101" not in statuses


@pytest.mark.process
def test_no_request_starts_when_the_client_has_gone(server: tuple[int, Running]) -> None:
    port, process = server
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(get("held", "before") + get("short", "after") * 5)
        process.wait_for("<begin before>")
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(get("release", "before"))
        connection.recv(65_536)
    time.sleep(1.5)
    # The first response that cannot be sent shows that the client has gone. Before version 0.23, uvloop writes it when
    # the next request has started.
    assert began(process, "after") <= 2


@pytest.mark.process
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "later"])
@pytest.mark.parametrize(
    "behind", [b"X", b"\r\n", *list(BEHIND.values())[1:]], ids=["a byte", "a line", *list(BEHIND)[1:]]
)
@pytest.mark.parametrize("body", [b"", b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_the_last_request_has_its_response_whatever_comes_behind_it(
    server: tuple[int, Running], behind: bytes, body: bytes, at_once: bool
) -> None:
    """A request with `Connection: close` is the last of its connection: what follows is dropped."""
    port, process = server
    late, received = began(process, "late"), b""
    content = {b"": b"", b"C": b"ab", b"T": b"2\r\nab\r\n0\r\n\r\n"}[body[:1]]
    head = b"GET /wait/short/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + body + b"\r\n" + content
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(head + (behind if at_once else b""))
        if not at_once:
            time.sleep(0.05)
            connection.sendall(behind)
        try:
            while data := connection.recv(65_536):
                received += data
        except ConnectionResetError:  # with bytes that nobody has read
            pass
    assert re.findall(rb"HTTP/1.1 (\d+) ", received) == [b"204"]
    assert began(process, "late") == late
