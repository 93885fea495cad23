"""Handshakes of WebSockets: each is answered, and none of them ends the time limits of other connections."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from kick.cli.server.request_timeouts import TIMEOUT_RESPONSE
from tests.cli.support import APP, SOCKETS, Running, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

UPGRADE = (
    b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

REFUSED = {
    "a body": b"GET / HTTP/1.1\r\nContent-Length: 1\r\n" + UPGRADE + b"\r\nx",
    "a chunked body": b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + UPGRADE + b"\r\n0\r\n\r\n",
    "a long path": b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n" + UPGRADE + b"\r\n",
    "a long header": b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000 + b"\r\n" + UPGRADE + b"\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + UPGRADE + b"\r\n",
    "another method": b"POST / HTTP/1.1\r\nContent-Length: 0\r\n" + UPGRADE + b"\r\n",
    "no key": b"GET / HTTP/1.1\r\n" + UPGRADE.partition(b"Sec-WebSocket-Key")[0] + b"\r\n",
    "a strange header": b"GET / HTTP/1.1\r\nX: a\xff\tb\r\n" + UPGRADE + b"\r\n",
    "a strange path": b"GET /\xff HTTP/1.1\r\n" + UPGRADE + b"\r\n",
    "a strange name": b"GET / HTTP/1.1\r\nX(: a\r\n" + UPGRADE + b"\r\n",
    "an address": b"GET http://a/chat/x HTTP/1.1\r\n" + UPGRADE + b"\r\n",
    "an old version": b"GET / HTTP/1.0\r\n" + UPGRADE + b"\r\n",
}
"""Handshakes that open no WebSocket of the application."""


@pytest.fixture(scope="module", params=["websockets", "wsproto", "h11"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Running]]:
    """`kick start`, with each of the libraries for WebSockets, and with h11: its port, and its process."""
    project, hidden = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("hidden")
    (project / "app.py").write_text(APP + SOCKETS)
    missing = {"wsproto": "websockets", "h11": "httptools"}.get(request.param)
    if missing is not None:
        (hidden / "sitecustomize.py").write_text(f"import sys\nsys.modules[{missing!r}] = None\n")
    port = free_port()
    path = os.pathsep.join([str(hidden), str(ROOT)])
    options = ("--port", str(port), "--head-timeout", "1")
    with running("start", *options, cwd=project, PYTHONPATH=path) as process:
        process.wait_for("kick serves")
        yield port, process


def exchange(port: int, sent: bytes, *, seconds: float = 10.0) -> bytes:
    """Return all that the server sends until it closes the connection. Raises `TimeoutError` if it does not."""
    received = b""
    with socket.create_connection((HOST, port), timeout=seconds) as connection:
        connection.sendall(sent)
        while data := connection.recv(65_536):
            received += data
    return received


@pytest.mark.process
def test_an_open_socket_does_not_end_the_time_limits_of_others(server: tuple[int, Running]) -> None:
    """The check ended at the first protocol without a request, and no slow client was closed any more."""
    port, process = server
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(b"GET /chat/x HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        time.sleep(2.1)  # two checks
        assert exchange(port, b"GET / HT") == TIMEOUT_RESPONSE
        assert exchange(port, b"") == b""
        connection.sendall(b"\x81\x81" + bytes(4) + b"a")
        assert connection.recv(4096) == b"\x81\x04x: a"
    assert "Traceback" not in process.output


@pytest.mark.process
@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_a_handshake_that_opens_no_socket_is_answered(server: tuple[int, Running], sent: bytes) -> None:
    """With `websockets`, those that it cannot parse had no response, and their connections stayed open."""
    port, process = server
    before = process.output.count("Traceback")
    received = exchange(port, sent)
    assert received.startswith(b"HTTP/1.1 4")
    assert received.count(b"HTTP/1.1 ") == 1
    assert process.output.count("Traceback") == before
