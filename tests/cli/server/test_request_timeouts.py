"""Clients that send a request slowly, or never finish it."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from kick.cli.server.request_timeouts import TIMEOUT_RESPONSE, RequestTimeouts
from tests.cli.support import APP, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

READING = """
@Controller("/size")
class SizeController:
    @Post("/")
    async def size(self, ctx: RequestContext) -> int:
        return len(await ctx.read())

app = bootstrap([Module("size", controllers=[SizeController])])
"""

HEAD = b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n"


@pytest.fixture(
    scope="module",
    params=["httptools", pytest.param("h11", marks=pytest.mark.long), pytest.param("workers", marks=pytest.mark.long)],
)
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address of `kick start`, with each of uvicorn's parsers."""
    project, hidden = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("hidden")
    (project / "app.py").write_text("from kick import Post\n" + APP + READING)
    if request.param == "h11":
        (hidden / "httptools.py").write_text("raise ImportError\n")
    port = free_port()
    options: tuple[str, ...] = (
        "--port",
        str(port),
        "--head-timeout",
        "1",
        "--body-timeout",
        "1",
        "--keep-alive",
        "600",
    )
    options += ("--workers", "2") if request.param == "workers" else ()
    paths = os.pathsep.join([str(hidden), str(ROOT)])
    with running("start", *options, cwd=project, PYTHONPATH=paths, KICK_TRUSTED_PROXIES=HOST) as process:
        process.wait_for("kick serves")
        yield HOST, port


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=60) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65_536):
        received += data
    return received


@pytest.mark.parametrize(
    "lengths",
    [b"content-length: %d\r\ntransfer-encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n"],
    ids=["length first", "chunked first"],
)
def test_a_request_with_two_lengths_is_refused_and_nothing_after_it_is_read(
    address: tuple[str, int], lengths: bytes
) -> None:
    """Request smuggling: what one server takes for the body is the next request for another."""
    smuggled = b"0\r\n\r\nGET /hello/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
    with connected(address) as connection:
        head = b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n" + lengths % len(smuggled)
        connection.sendall(head + b"\r\n" + smuggled)
        received = rest(connection)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"smuggled" not in received
    assert received.count(b"HTTP/1.1") == 1


UPGRADES = {
    "unknown": b"connection: upgrade\r\nupgrade: x\r\n",
    "h2c": b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
    "two upgrades": b"upgrade: websocket\r\nupgrade: h2c\r\nconnection: upgrade\r\n",
    "two of each": b"upgrade: x\r\nconnection: upgrade\r\nupgrade: h2c\r\nconnection: keep-alive\r\n",
}


def with_body(upgrade: bytes, body: bytes, *, chunked: bool) -> tuple[bytes, bytes]:
    """The head and the body of a request."""
    length = b"transfer-encoding: chunked\r\n" if chunked else b"content-length: %d\r\n" % len(body)
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    return b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n" + upgrade + length + b"\r\n", sent


@pytest.mark.parametrize("repeated", [1, 20], ids=["one", "many"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("cuts", [[], [-1], [0], [40, -1, 1, 9]], ids=["at once", "before", "behind", "in pieces"])
def test_an_upgrade_that_is_not_known_is_ignored_and_the_body_is_read(
    address: tuple[str, int], upgrade: bytes, repeated: int, cuts: list[int], *, chunked: bool
) -> None:
    """httptools would take it for the next request, which a proxy in front has not seen. Java asks for `h2c`."""
    body = b"GET /hello/smuggled HTTP/1.1\r\nhost: x\r\n\r\n" * repeated
    head, sent = with_body(upgrade, body, chunked=chunked)
    request = head + sent
    places = sorted(each if each == 40 else len(head) + each for each in cuts)
    pieces = [request[one:two] for one, two in pairwise([0, *places, len(request)])]
    with connected(address) as connection:
        for _ in range(2):  # the connection goes on
            for number, piece in enumerate(pieces):
                time.sleep(0.02 * (number > 0))  # so that it comes by itself
                connection.sendall(piece)
            received = connection.recv(65_536)
            while not received.endswith(b"%d" % len(body)):
                received += connection.recv(65_536)
            assert received.count(b"HTTP/1.1 ") == 1
        connection.sendall(2 * request + b"GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = rest(connection)
    assert received.count(b"HTTP/1.1 200 ") == 2
    assert received.count(b"HTTP/1.1 404 ") == 1
    assert b"smuggled" not in received


@pytest.mark.parametrize("body", [b"2\r\nab\r\nx\r\n", b"zz\r\n"])
def test_a_malformed_body_behind_an_upgrade_is_a_400(address: tuple[str, int], body: bytes) -> None:
    head, _ = with_body(UPGRADES["h2c"], b"", chunked=True)
    with connected(address) as connection:
        connection.sendall(head + body + b"GET /hello/smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
        received = rest(connection)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"smuggled" not in received


@pytest.mark.parametrize("length", [b"0", b"00", b"0000000"])
def test_a_body_of_no_bytes_behind_an_upgrade_is_complete(address: tuple[str, int], length: bytes) -> None:
    """With the next request behind it, no time limit ended it."""
    head = b"POST /size HTTP/1.1\r\nhost: x\r\n" + UPGRADES["h2c"] + b"content-length: " + length + b"\r\n\r\n"
    with connected(address) as connection:
        connection.sendall(head + b"GET /hello/again HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = rest(connection)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1 ") == 2


def test_a_body_behind_an_upgrade_has_the_same_time_limit(address: tuple[str, int]) -> None:
    head, _ = with_body(UPGRADES["h2c"], b"abcd", chunked=False)
    with connected(address) as connection:
        connection.sendall(head + b"ab")
        assert rest(connection) == TIMEOUT_RESPONSE


@pytest.mark.parametrize("repeated", [1, 20], ids=["one", "many"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    "upgrade",
    [
        b"upgrade: websocket\r\nconnection: keep-alive\r\nconnection: upgrade\r\n",
        b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ],
    ids=["two connections", "handshake"],
)
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "in two pieces"])
def test_the_body_of_a_handshake_is_no_request(
    address: tuple[str, int], upgrade: bytes, repeated: int, *, chunked: bool, waits: bool
) -> None:
    head, sent = with_body(upgrade, b"GET /hello/smuggled HTTP/1.1\r\nhost: x\r\n\r\n" * repeated, chunked=chunked)
    with connected(address) as connection:
        connection.sendall(head)
        if waits:
            time.sleep(0.05)  # so that it comes by itself
        received = b""
        with suppress(ConnectionError):
            connection.sendall(sent)
            received = rest(connection)
    assert b"smuggled" not in received
    assert b"HTTP/1.1 2" not in received


@pytest.mark.parametrize("length", [b"", b"content-length: 0\r\n"], ids=["none", "0"])
def test_an_upgrade_that_is_not_known_is_ignored(address: tuple[str, int], length: bytes) -> None:
    request = b"POST /size HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n" + length + b"\r\n"
    with connected(address) as connection:
        connection.sendall(2 * request + b"GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = rest(connection)
    assert received.count(b"HTTP/1.1 200 ") == 2
    assert received.count(b"HTTP/1.1 404 ") == 1


class TestClients:
    def test_a_request_that_does_not_arrive_is_a_408(self, address: tuple[str, int]) -> None:
        pieces = [b"P", b"POST /size HTTP/1.1\r\nho", HEAD, HEAD + b"\r\n", HEAD + b"\r\nabc"]
        with ExitStack() as stack:
            connections = [stack.enter_context(connected(address)) for _ in pieces]
            for connection, piece in zip(connections, pieces, strict=True):
                connection.sendall(piece)
            assert [rest(connection) for connection in connections] == [TIMEOUT_RESPONSE] * len(pieces)

    @pytest.mark.parametrize("length", [b"content-length: 4\r\n", b"transfer-encoding: chunked\r\n"])
    def test_a_body_that_nobody_waits_for_ends_the_connection_without_a_second_response(
        self, address: tuple[str, int], length: bytes
    ) -> None:
        """A proxy would take a 408 for the response to its next request."""
        with connected(address) as connection:
            connection.sendall(b"POST /missing HTTP/1.1\r\nhost: x\r\n" + length + b"\r\n")
            received = rest(connection)
        assert received.startswith(b"HTTP/1.1 404 ")
        assert received.count(b"HTTP/1.1 ") == 1

    def test_a_connection_without_a_byte_is_closed(self, address: tuple[str, int]) -> None:
        with connected(address) as connection:
            assert rest(connection) == b""

    def test_the_second_head_has_the_same_limit_and_no_idle_connection_has_one(self, address: tuple[str, int]) -> None:
        with connected(address) as idle, connected(address) as connection:
            for each in (idle, connection):
                each.sendall(HEAD + b"\r\nabcd")
                assert each.recv(65_536).startswith(b"HTTP/1.1 200")
            connection.sendall(b"GET / HT")
            assert rest(connection) == TIMEOUT_RESPONSE
            idle.sendall(HEAD + b"\r\nabcd")
            assert idle.recv(65_536).startswith(b"HTTP/1.1 200")

    def test_a_head_that_comes_byte_by_byte_is_cut_off(self, address: tuple[str, int]) -> None:
        with connected(address) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nx: ")
            connection.settimeout(0.1)
            while True:
                try:
                    assert rest(connection) == TIMEOUT_RESPONSE
                    break
                except TimeoutError:
                    connection.sendall(b"x")


class Connection:
    """A protocol as the time limits see it."""

    def __init__(self, **cycle: Any) -> None:
        states = {"more_body": False, "waiting_for_100_continue": False, "response_started": False}
        self.cycle: Any = SimpleNamespace(**{**states, "response_complete": False, **cycle}) if cycle else None
        self.flow = SimpleNamespace(read_paused=False)
        self.timeout_keep_alive_task: Any = None
        self.pieces = self.pending = 1
        self.running: Any = None
        self.scope: dict[str, str]
        self.sent = b""
        self.closed = False
        self.transport = self

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True


class TestWhatCounts:
    @pytest.fixture
    def timeouts(self) -> RequestTimeouts:
        return RequestTimeouts(head=10, body=20)

    def test_each_piece_of_a_body_gives_time_for_the_next(self, timeouts: RequestTimeouts) -> None:
        connection = Connection(more_body=True)
        for now in range(0, 200, 15):
            connection.pieces += 1
            timeouts.check({connection}, now)
        assert not connection.closed
        timeouts.check({connection}, 230)
        assert (connection.closed, connection.sent) == (True, TIMEOUT_RESPONSE)

    @pytest.mark.parametrize("cause", ["paused", "continue", "handler", "idle"])
    def test_time_of_others_does_not_count(self, timeouts: RequestTimeouts, cause: str) -> None:
        connection = Connection(
            more_body=cause in ("paused", "continue"),
            waiting_for_100_continue=cause == "continue",
            response_complete=cause == "idle",
        )
        connection.flow.read_paused = cause == "paused"
        connection.timeout_keep_alive_task = "a timer" if cause == "idle" else None
        for now in (0, 100, 200):
            timeouts.check({connection}, now)
        assert not connection.closed

    def test_a_response_that_has_begun_is_not_followed_by_another(self, timeouts: RequestTimeouts) -> None:
        connection = Connection(more_body=True, response_started=True)
        for now in (0, 20):
            timeouts.check({connection}, now)
        assert (connection.closed, connection.sent) == (True, b"")

    def test_a_socket_waits_for_its_handshake_only(self, timeouts: RequestTimeouts) -> None:
        waiting, opened = Connection(), Connection()
        del waiting.cycle, waiting.pending, opened.cycle
        opened.scope = {"type": "websocket"}
        for now in (0, 10):
            timeouts.check({waiting, opened}, now)
        assert (waiting.closed, waiting.sent, opened.closed) == (True, b"", False)

    def test_a_failing_check_is_logged_once_and_ends_no_other(
        self, timeouts: RequestTimeouts, caplog: pytest.LogCaptureFixture
    ) -> None:
        failing, slow = Connection(more_body=True), Connection()
        del failing.flow
        for now in (0, 10):
            timeouts.check([failing, slow], now)
        assert (failing.closed, slow.closed) == (False, True)
        assert caplog.text.count("AttributeError") == 1

    def test_a_request_behind_another_is_not_answered_within_its_response(self, timeouts: RequestTimeouts) -> None:
        connection = Connection(more_body=True)
        connection.running = Connection(response_started=True).cycle
        for now in (0, 20):
            timeouts.check({connection}, now)
        assert (connection.closed, connection.sent) == (True, b"")

    def test_another_request_in_between_is_another_wait(self, timeouts: RequestTimeouts) -> None:
        connection = Connection()
        timeouts.check({connection}, 0)
        first = connection.cycle = Connection(response_complete=True).cycle
        timeouts.check({connection}, 9)
        assert not connection.closed
        timeouts.check({connection}, 18)
        assert not connection.closed
        timeouts.check({connection}, 19)
        assert connection.closed
        assert first is connection.cycle
