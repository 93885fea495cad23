"""Heads of requests, and whatever else is no body: how much the server takes of it, and what becomes of trailers."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kick.cli.server.http_protocol import MOST_HEAD, MOST_HEADERS, TOO_LARGE
from tests.cli.support import APP, Running, running
from tests.support.costs import assert_costs_at_most
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

SEEING = """
@Controller("/seen")
class SeenController:
    @Post("/")
    async def seen(self, ctx: RequestContext) -> dict[str, object]:
        body = (await ctx.read()).decode()
        return {"body": body, "ip": ctx.client_ip, "names": [name.decode() for name, _ in ctx.scope["headers"]]}

app = bootstrap([Module("seen", controllers=[SeenController])], trusted_proxies=1)
"""

CHUNKED = (
    b"POST /seen HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.9\r\ncontent-type: text/plain\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


MiB = 1 << 20


class Server(NamedTuple):
    process: Running
    address: tuple[str, int]

    @property
    def most_memory(self) -> int:
        """The most bytes that it has had in memory so far."""
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10

    @property
    def processor_time(self) -> float:
        """The seconds that it has used so far."""
        fields = Path(f"/proc/{self.process.process.pid}/schedstat").read_text().split()
        return int(fields[0]) / 1e9


@pytest.fixture(scope="module", params=["httptools", "h11"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`kick start`, with each of uvicorn's parsers."""
    project, hidden = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("hidden")
    (project / "app.py").write_text("from kick import Post\n" + APP + SEEING)
    if request.param == "h11":
        (hidden / "httptools.py").write_text("raise ImportError\n")
    port = free_port()
    path = os.pathsep.join([str(hidden), str(ROOT)])
    with running("start", "--port", str(port), "--keep-alive", "600", cwd=project, PYTHONPATH=path) as process:
        process.wait_for("kick serves")
        yield Server(process, (HOST, port))


@pytest.fixture
def address(server: Server) -> tuple[str, int]:
    return server.address


def answers(address: tuple[str, int], *pieces: bytes) -> bytes:
    """Everything that the server sends until it closes the connection."""
    received = b""
    with socket.create_connection(address, timeout=60) as connection:
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        with suppress(ConnectionError):
            while data := connection.recv(65_536):
                received += data
    return received


def pipelined(address: tuple[str, int], requests: Iterable[bytes], *, seconds: float = 60.0) -> bytes:
    """Return the answers to a client that does not wait for them, and goes away after some seconds."""
    received: list[bytes] = []
    with socket.create_connection(address, timeout=seconds) as connection:

        def read() -> None:
            with suppress(OSError):
                while data := connection.recv(1 << 20):
                    received.append(data)

        reader = threading.Thread(target=read)
        reader.start()
        deadline = time.monotonic() + seconds
        with suppress(OSError):
            for request in requests:
                connection.settimeout(max(0.01, deadline - time.monotonic()))
                connection.sendall(request)
        reader.join(max(0.01, deadline - time.monotonic()))
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        reader.join()
    return b"".join(received)


def seen(address: tuple[str, int], request: bytes) -> dict[str, Any]:
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(request)
        received = b""
        while not received.endswith(b"}"):
            received += connection.recv(65_536)
        found: dict[str, Any] = json.loads(received.partition(b"\r\n\r\n")[2])
        return found


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /hello/x HTTP/1.1\r\nhost: x\r\nx: ",
        b"GET /hello/x HTTP/1.1\r\nhost: x\r\ncookie: ",
        b"GET /hello/",
        b"GET /hello/x HTTP/1.1\r\nhost: x\r\n",
        CHUNKED + b"1\r\na\r\n0\r\nx: ",
        CHUNKED + b"1\r\na\r\n1;",
    ],
    ids=["header", "cookie", "path", "many headers", "trailer", "chunk extension"],
)
def test_a_head_without_an_end_is_cut_off(address: tuple[str, int], begin: bytes) -> None:
    """httptools keeps all of it, and copies it with each piece: 100 MiB cost 10 seconds of processor time."""
    piece = b"x: y\r\n" * (16_384 // 6) if begin.endswith(b"host: x\r\n") else b"a" * 16_384
    received = answers(address, begin, *[piece] * (16 * MOST_HEAD // len(piece)))
    assert received.count(b"HTTP/1.1 ") <= 1
    assert received == b"" or received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))


def test_a_head_of_many_short_headers_is_refused(address: tuple[str, int]) -> None:
    """Each took 25 times its bytes: a hundred heads of 64 KiB held 150 MiB."""
    head = b"GET /hello/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    few = answers(address, head + b"ab: c\r\n" * (MOST_HEADERS - 2) + b"\r\n")
    assert few.startswith(b"HTTP/1.1 404 ")
    many = answers(address, head + b"ab: c\r\n" * (MOST_HEADERS - 1) + b"\r\n")
    assert many.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert many.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("server", ["httptools"], indirect=True)
@pytest.mark.parametrize("begin", [b"POST /seen HTTP/1.1\r\nhost: x\r\n", CHUNKED + b"1\r\na\r\n0\r\n"])
def test_many_short_headers_are_cut_off_before_the_end_of_the_head(address: tuple[str, int], begin: bytes) -> None:
    """h11 parses a head when it is complete; httptools holds the headers of one that is not."""
    assert answers(address, begin, b"ab: c\r\n" * 1000) in (TOO_LARGE, b"")


def test_a_large_head_and_a_large_body_are_served(address: tuple[str, int]) -> None:
    body = b"b" * 900_000
    head = b"POST /seen HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 30_000 + b"\r\ncontent-type: text/plain\r\n"
    assert seen(address, head + b"content-length: %d\r\n\r\n" % len(body) + body)["body"] == body.decode()
    chunks = b"".join(b"1\r\n%c\r\n" % each for each in b"ab" * 20_000)
    assert seen(address, CHUNKED + chunks + b"0\r\n\r\n")["body"] == "ab" * 20_000


def test_many_requests_on_one_connection_have_a_limit_each(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=60) as connection:
        for _ in range(4):
            connection.sendall(b"GET /seen HTTP/1.1\r\nhost: x\r\nx: " + b"a" * (MOST_HEAD // 2) + b"\r\n\r\n")
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(65_536)
            assert received.startswith(b"HTTP/1.1 405 ")


def test_trailers_are_no_headers(address: tuple[str, int]) -> None:
    """A proxy writes `X-Forwarded-For` into the head. A trailer of the client must not count as the last one."""
    trailers = b"X-Forwarded-For: 198.51.100.66\r\nCookie: kick.sid=planted\r\nSec-Fetch-Site: same-origin\r\n"
    found = seen(address, CHUNKED + b"1\r\na\r\n0\r\n" + trailers + b"\r\n")
    assert found["body"] == "a"
    assert found["ip"] == "192.0.2.9"
    assert found["names"] == ["host", "x-forwarded-for", "content-type", "transfer-encoding"]


def test_pipelined_requests_are_answered_in_their_order(address: tuple[str, int]) -> None:
    def posted(body: str, head: str = "") -> bytes:
        kind = f"content-type: text/plain\r\ncontent-length: {len(body)}\r\n{head}\r\n"
        return f"POST /seen HTTP/1.1\r\nhost: x\r\n{kind}{body}".encode()

    bodies = [f"{number:04}" for number in range(1000)] + ["\r\n\r\n" * 40, "x" * 100_000, "end"]
    *first, last = bodies
    received = pipelined(address, [b"".join(map(posted, first)), posted(last, "connection: close\r\n")])
    assert [json.loads(found) for found in re.findall(rb'"body":("[^"]*")', received)] == bodies


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux: /proc says what a process takes")
def test_a_body_of_line_breaks_costs_little(server: Server) -> None:
    """They look like the ends of heads. A copy of the body for each of them would cost a second for 1 MiB."""
    head = b"POST /seen HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000000\r\n\r\n"

    def send(unit: bytes) -> Callable[[], object]:
        return lambda: answers(server.address, head + unit * (1_000_000 // len(unit)))

    assert_costs_at_most(10, send(b"\r\n\r\n"), send(b"abcd"), clock=lambda: server.processor_time)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux: /proc says what a process takes")
def test_a_client_that_does_not_wait_costs_little_memory(server: Server) -> None:
    """uvicorn parsed all that came with httptools, and kept 390 MiB for 8 MiB."""
    one = b"GET /hello/x HTTP/1.1\r\nhost: x\r\n\r\n"
    pipelined(server.address, [one * 100], seconds=1.0)
    before = server.most_memory
    pipelined(server.address, [one * (MiB // 8 // len(one))] * 64, seconds=3.0)
    assert server.most_memory - before < 32 * MiB


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /seen HTTP/1.1\r\nhost: x\r\nhost: evil.test", 400),
        ("GET /seen HTTP/1.1\r\nhost: x\r\nHost: x", 400),
        ("GET /seen HTTP/1.1", 400),
        ("GET /seen HTTP/1.1\r\nhost: x", 405),
        ("GET /seen HTTP/1.0", 405),
    ],
)
def test_a_request_has_one_host(address: tuple[str, int], head: str, status: int) -> None:
    """A proxy or cache may go by the one of two hosts, and the application by the other (RFC 9112, section 3.2)."""
    received = answers(address, f"{head}\r\nconnection: close\r\n\r\n".encode())
    assert received.startswith(f"HTTP/1.1 {status} ".encode())


def test_the_refusal_is_a_431() -> None:
    assert TOO_LARGE.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n")
