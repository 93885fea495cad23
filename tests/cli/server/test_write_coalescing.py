"""What is written leaves together, in its order: when a response is complete, and no later than the next turn."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httptools
import pytest
import uvloop

from kick.cli.server.http_protocol import http_protocol
from kick.cli.server.write_coalescing import MOST, Cork, Turn
from tests.cli.support import running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

APP = """
import asyncio
import time
from collections.abc import AsyncIterator

from kick import Controller, Get, Module, RequestContext, Socket, WebSocket, bootstrap

made = 0


async def numbers(count: int, pause: float | None) -> AsyncIterator[bytes]:
    for number in range(count):
        yield b"%d," % number
        if pause is not None:
            await asyncio.sleep(pause)


async def mebibytes(count: int) -> AsyncIterator[bytes]:
    global made
    for made in range(1, count + 1):
        yield bytes(2**20)


@Controller("")
class Writes:
    @Get("/numbers/{count}")
    async def numbers(self, ctx: RequestContext, count: int):
        pause = ctx.query.get("pause")
        return ctx.stream(numbers(count, None if pause is None else float(pause)))

    @Get("/mebibytes/{count}")
    async def mebibytes(self, ctx: RequestContext, count: int):
        return ctx.stream(mebibytes(count))

    @Get("/background")
    async def after(self, ctx: RequestContext) -> None:
        async def block() -> None:
            time.sleep(3600)

        ctx.background(block)

    @Get("/made")
    async def made(self) -> int:
        return made

    @WebSocket("/echo")
    async def echo(self, socket: Socket[str, str]) -> None:
        async for text in socket:
            for each in text.split():
                await socket.send(each)


app = bootstrap([Module("writes", controllers=[Writes])])
"""


class Counting(socket.socket):
    """A socket that remembers what it was asked to send."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.sent: list[bytes] = []

    def send(self, data: object, *flags: int) -> int:
        self.sent.append(bytes(data))  # type: ignore[call-overload]
        return super().send(data, *flags)  # type: ignore[arg-type]


@asynccontextmanager
async def corked() -> AsyncIterator[tuple[Cork, Counting, socket.socket]]:
    """A cork on a transport of asyncio, its socket, and the socket at the other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    counting = Counting(ours.family, ours.type, ours.proto, ours.detach())
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=counting)
    with theirs:
        theirs.setblocking(False)
        try:
            yield Cork(transport, Turn(loop)), counting, theirs
        finally:
            transport.abort()


async def test_what_is_written_in_a_turn_is_one_piece() -> None:
    async with corked() as (cork, ours, theirs):
        cork.write(b"head ")
        cork.write(b"body")
        assert ours.sent == []
        await asyncio.sleep(0)
        assert ours.sent == [b"head body"]
        cork.write(bytearray(b"more "))  # type: ignore[arg-type]
        cork.write(b"and more")
        cork.flush()
        assert ours.sent == [b"head body", b"more and more"]
        await asyncio.sleep(0)
        assert theirs.recv(100) == b"head bodymore and more"


async def test_what_is_much_does_not_wait_and_is_not_copied() -> None:
    async with corked() as (cork, ours, _):
        cork.write(b"head")
        cork.write(bytes(MOST))
        assert [len(each) for each in ours.sent] == [MOST + 4]
        cork.write(b"head")
        cork.write(bytes(MOST + 1))
        assert [len(each) for each in ours.sent[1:]] == [4, MOST + 1]
        cork.write(b"2")
        await asyncio.sleep(0)
        assert ours.sent[3:] == [b"2"]


async def test_what_was_written_comes_before_the_end() -> None:
    async with corked() as (cork, ours, theirs):
        cork.write(b"the last words")
        cork.close()
        assert ours.sent == [b"the last words"]
        await asyncio.sleep(0)
        assert theirs.recv(100) == b"the last words"
        assert theirs.recv(100) == b""


async def test_every_way_of_writing_keeps_the_order() -> None:
    async with corked() as (cork, ours, theirs):
        cork.write(b"a")
        cork.writelines([b"b", bytearray(b"c"), memoryview(b"d")])  # type: ignore[list-item]
        cork.write(b"e")
        assert cork.get_write_buffer_size() == 5
        cork.write_eof()
        assert cork.get_write_buffer_size() == 0
        assert ours.sent == [b"abcde"]
        assert [theirs.recv(100), theirs.recv(100)] == [b"abcde", b""]


def test_every_method_of_a_transport_that_writes_knows_of_the_cork() -> None:
    writing = {name for name in dir(asyncio.WriteTransport) if "write" in name or name == "close"}
    passed_on = {"can_write_eof", "get_write_buffer_limits", "set_write_buffer_limits"}
    assert writing - passed_on <= set(vars(Cork))


async def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    async with corked() as (cork, ours, _):
        cork.write(b"nobody hears this")
        cork.abort()
        await asyncio.sleep(0)
        assert cork.is_closing()
        assert ours.sent == []


@pytest.mark.parametrize("data", ["text", 5])
async def test_what_is_no_bytes_is_refused_where_it_is_written(data: object) -> None:
    async with corked() as (cork, ours, _):
        with pytest.raises(TypeError):
            cork.write(data)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert ours.sent == []


async def test_one_connection_that_fails_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async with corked() as (first, _, _), corked() as (second, ours, _):
        first._turn = second._turn
        first._transport.write_eof()  # so that writing raises
        first.write(b"not heard")
        second.write(b"heard")
        await asyncio.sleep(0)
        assert ours.sent == [b"heard"]
        assert first.is_closing()
        assert "writing to a connection failed" in caplog.text


def test_an_event_loop_that_collects_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvloop, "__version__", "0.22.1")
    assert not hasattr(http_protocol(), "turn")
    monkeypatch.setattr(uvloop, "__version__", "0.23.0")
    assert hasattr(http_protocol(), "turn")


# Served


@pytest.fixture(params=["uvloop and httptools", "asyncio and h11"])
def port(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """Where an application is served, by `kick start`."""
    (tmp_path / "app.py").write_text(APP)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    if request.param == "asyncio and h11":
        for name in ("uvloop", "httptools"):
            (hidden / f"{name}.py").write_text("raise ImportError\n")
    port = free_port()
    path = f"{hidden}:{ROOT}"
    with running("start", "--port", str(port), cwd=tmp_path, PYTHONPATH=path) as process:
        process.wait_for("kick serves")
        yield port


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, port), timeout=30) as connection:
        yield connection


def ask(connection: socket.socket, *paths: str) -> None:
    connection.sendall(b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode() for path in paths))


class Answers:
    """Reads the answers on a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._parser = httptools.HttpResponseParser(self)
        self.bodies: list[bytes] = []
        self.complete = 0

    def on_message_begin(self) -> None:
        self.bodies.append(b"")

    def on_body(self, body: bytes) -> None:
        self.bodies[-1] += body

    def on_message_complete(self) -> None:
        self.complete += 1

    def read(self, count: int) -> list[bytes]:
        while self.complete < count:
            self._parser.feed_data(self._connection.recv(65_536))
        return self.bodies


def test_small_pieces_and_answers_to_a_pipeline_arrive_whole_and_in_order(port: int) -> None:
    with connected(port) as connection:
        ask(connection, "/numbers/3", "/made", "/numbers/20000", "/numbers/2?pause=0.01")
        bodies = Answers(connection).read(4)
    assert bodies == [b"0,1,2,", b"0", b"".join(b"%d," % number for number in range(20_000)), b"0,1,"]


def test_a_piece_is_there_while_the_stream_waits_for_the_next(port: int) -> None:
    with connected(port) as connection:
        ask(connection, "/numbers/2?pause=3600")
        received = b""
        while b"0," not in received:
            received += connection.recv(4096)
    assert b"1," not in received


def test_a_client_that_does_not_read_holds_a_stream_up(port: int) -> None:
    with connected(port) as slow, connected(port) as other:
        ask(slow, "/mebibytes/1000")
        answers = Answers(other)
        made = 0
        while True:
            ask(other, "/made")
            now = int(answers.read(answers.complete + 1)[-1])
            if now == made > 0:
                break
            made = now
    assert made < 100


def test_a_client_that_has_said_all_it_has_to_say_is_answered(port: int) -> None:
    for _ in range(20):
        with connected(port) as connection:
            ask(connection, "/made")
            connection.shutdown(socket.SHUT_WR)
            assert Answers(connection).read(1) == [b"0"]


@pytest.mark.skipif(not hasattr(http_protocol(), "turn"), reason="uvloop before 0.23 writes at the end of a turn")
def test_an_answer_is_there_before_what_is_done_after_it(port: int) -> None:
    with connected(port) as connection:
        ask(connection, "/background")
        assert connection.recv(4096).startswith(b"HTTP/1.1 204")


async def test_a_websocket_works_on(port: int) -> None:
    import websockets

    async with websockets.connect(f"ws://{HOST}:{port}/echo") as client:
        await client.send("one two three")
        assert [await client.recv() for _ in range(3)] == ["one", "two", "three"]
