"""What a connection and the server say to one another, message by message."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from starlette.types import Message
from websockets.exceptions import ConnectionClosed, InvalidStatus

from kick import (
    App,
    Controller,
    Module,
    Provider,
    RequestContext,
    Socket,
    SocketClosed,
    Use,
    WebSocket,
    bootstrap,
)
from kick.http import CallNext, Response
from tests.http.support import NO_HEADERS, app_of
from tests.support.servers import Serves, on_each_socket_server
from tests.support.sockets import client

language: ContextVar[str] = ContextVar("language", default="none")


class Wire:
    """A server that does what a test says: `incoming` is what it receives, `sent` what the application sends."""

    def __init__(self, *incoming: Message, denials: bool = True) -> None:
        self.sent: list[Message] = []
        self.extensions: dict[str, Any] = {"websocket.http.response": {}} if denials else {}
        self.broken = False
        self.failure: Exception = OSError("the client is gone")
        self.full: asyncio.Event | None = None
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        for message in ({"type": "websocket.connect"}, *incoming):
            self._incoming.put_nowait(message)

    async def send(self, message: Message) -> None:
        if self.broken:
            raise self.failure
        if self.full is not None and message["type"] == "websocket.send":
            await self.full.wait()
        self.sent.append(message)

    def put(self, message: Message) -> None:
        self._incoming.put_nowait(message)

    async def run(self, app: App, path: str, **scope: Any) -> list[Message]:
        connection = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"example.com")],
            "subprotocols": [],
            "extensions": self.extensions,
            **scope,
        }
        await app(connection, self._incoming.get, self.send)
        return self.sent

    @property
    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]


def text(message: str) -> Message:
    return {"type": "websocket.receive", "text": message}


class Log(list[str]):
    """What happened."""


async def resource(log: Log, ctx: RequestContext) -> AsyncIterator[bytearray]:
    try:
        yield bytearray()
    finally:
        log.append("released")


async def in_french(ctx: RequestContext, call_next: CallNext) -> Response:
    language.set("fr")
    response = await call_next(ctx)
    response.headers["sec-websocket-protocol"] = "smuggled"
    response.headers["content-type"] = "text/plain"
    response.headers["x-kept"] = "1"
    return response


async def impatient(ctx: RequestContext, call_next: CallNext) -> Response:
    await call_next(ctx)
    return await call_next(ctx)


@Controller()
class Lines:
    def __init__(self, log: Log) -> None:
        self.log = log

    @WebSocket("/echo")
    async def echo(self, socket: Socket[str, str], held: bytearray) -> None:
        async for line in socket:
            await socket.send(line)
            self.log.append(f"sent {line}")

    @Use(in_french)
    @WebSocket("/french")
    async def french(self, socket: Socket[str, str]) -> None:
        await socket.send(language.get())

    @WebSocket("/no")
    async def no(self, socket: Socket) -> None:
        await socket.close(reason="No.")

    @WebSocket("/twice")
    async def twice(self, socket: Socket) -> None:
        await socket.accept()
        await socket.accept()

    @WebSocket("/code")
    async def code(self, socket: Socket[int, int]) -> None:
        for code in (999, 1004, 1005, 1006, 1015, 2999, 5000):
            with pytest.raises(ValueError, match=str(code)):
                await socket.close(code)
        await socket.close(await socket.receive())

    @WebSocket("/protocol")
    async def protocol(self, socket: Socket) -> None:
        with pytest.raises(ValueError, match="v3"):
            await socket.accept(subprotocol="v3")
        with pytest.raises(ValueError, match="not a header"):
            await socket.accept(headers={"x": "a\r\nb: c"})
        await socket.accept(subprotocol="v1")

    @WebSocket("/closed-by-another")
    async def closed_by_another(self, socket: Socket) -> None:
        async with anyio.create_task_group() as tasks:
            await socket.accept()
            tasks.start_soon(self._close_later, socket)
            async for _ in socket:
                pass
        self.log.append("iteration ended")

    async def _close_later(self, socket: Socket) -> None:
        await anyio.wait_all_tasks_blocked()
        await socket.close(4000)

    @Use(impatient)
    @WebSocket("/impatient")
    async def impatient(self, socket: Socket) -> None:
        try:
            await socket.accept()
        except SocketClosed:
            self.log.append("refused")

    @WebSocket("/leaving")
    async def leaving(self, socket: Socket[str, str]) -> None:
        await socket.accept()
        await anyio.sleep_forever()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def app(log: Log) -> App:
    return bootstrap(
        [Module("lines", controllers=[Lines], providers=[Provider(Log, value=log), resource])], [NO_HEADERS]
    )


async def test_a_conversation(app: App, log: Log) -> None:
    wire = Wire(text("a"), text("b"), {"type": "websocket.disconnect", "code": 1001})
    assert await wire.run(app, "/echo") == [
        {"type": "websocket.accept", "subprotocol": None, "headers": []},
        {"type": "websocket.send", "text": "a"},
        {"type": "websocket.send", "text": "b"},
    ]
    assert log == ["sent a", "sent b", "released"]


async def test_a_server_without_denial_responses_says_403_by_itself(app: App) -> None:
    assert (await Wire(denials=False).run(app, "/no"))[0]["type"] == "websocket.close"
    assert (await Wire(denials=False).run(app, "/nowhere"))[0]["type"] == "websocket.close"
    assert (await Wire(denials=False).run(app, "/nowhere", extensions=None))[0]["type"] == "websocket.close"


async def test_a_denial_is_a_whole_response(app: App) -> None:
    start, body = await Wire().run(app, "/no")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert body["type"] == "websocket.http.response.body"
    assert b'"detail":"No."' in body["body"]


async def test_the_handler_has_the_context_variables_of_the_middleware_and_headers_are_filtered(app: App) -> None:
    accept, sent, _ = await Wire().run(app, "/french")
    assert accept["headers"] == [(b"x-kept", b"1")]
    assert accept["subprotocol"] is None
    assert sent["text"] == "fr"


async def test_accepting_twice_is_a_mistake_of_the_handler(app: App, caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    await wire.run(app, "/twice")
    assert wire.kinds == ["accept", "close"]
    assert wire.sent[1]["code"] == 1011
    assert "accepted already" in str(caplog.records[0].exc_info)


async def test_codes_that_no_frame_has_are_refused(app: App) -> None:
    wire = Wire(text("4999"))
    await wire.run(app, "/code")
    assert wire.sent[-1] == {"type": "websocket.close", "code": 4999, "reason": ""}


async def test_subprotocols_and_headers_are_checked(app: App) -> None:
    wire = Wire()
    await wire.run(app, "/protocol", subprotocols=["v2", "v1"])
    assert wire.sent[0]["subprotocol"] == "v1"


async def test_a_client_that_is_gone_before_the_answer_ends_the_handler_quietly(
    app: App, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire()
    wire.broken = True
    assert await wire.run(app, "/echo") == []
    assert log == ["released"]
    wire.put({"type": "websocket.connect"})
    assert await wire.run(app, "/nowhere") == []
    assert caplog.records == []


async def test_a_client_that_is_gone_while_the_handler_sends_ends_it_quietly(
    app: App, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run, app, "/echo")
        await anyio.wait_all_tasks_blocked()
        wire.broken = True
        wire.put(text("a"))
    assert log == ["released"]
    assert caplog.records == []


@pytest.mark.parametrize(("path", "kind"), [("/echo", "send"), ("/closed-by-another", "close")])
async def test_a_server_that_has_closed_the_connection_itself_ends_the_handler_quietly(
    app: App, path: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After an invalid frame, uvicorn speaks as if the application had closed the connection."""
    wire = await interrupted(app, path, RuntimeError(f"Unexpected ASGI message 'websocket.{kind}', after sending ..."))
    assert wire.kinds == ["accept"]
    assert caplog.records == []


async def test_other_errors_of_what_is_around_the_application_are_reported(
    app: App, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ExceptionGroup):
        await interrupted(app, "/echo", RuntimeError("a mistake of ASGI middleware"))
    assert log == ["released"]
    assert "a mistake of ASGI middleware" in caplog.text


async def interrupted(app: App, path: str, failure: Exception) -> Wire:
    """Let the server fail once the connection is accepted."""
    wire = Wire()
    wire.failure = failure
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run, app, path)
        while not wire.sent:
            await anyio.lowlevel.checkpoint()
        wire.broken = True
        wire.put(text("a"))
    return wire


async def test_a_client_that_goes_before_it_connects_is_nothing(app: App) -> None:
    wire = Wire()
    wire._incoming.get_nowait()
    wire.put({"type": "websocket.disconnect", "code": 1006})
    assert await wire.run(app, "/echo") == []


async def test_sending_waits_for_a_slow_client(app: App, log: Log) -> None:
    wire = Wire(text("a"), text("b"), {"type": "websocket.disconnect", "code": 1000})
    wire.full = asyncio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run, app, "/echo")
        await anyio.wait_all_tasks_blocked()
        assert log == []
        wire.full.set()
    assert log == ["sent a", "sent b", "released"]


async def test_another_task_may_close_under_the_iteration(app: App, log: Log) -> None:
    wire = Wire()
    await wire.run(app, "/closed-by-another")
    assert log == ["iteration ended"]
    assert [message.get("code") for message in wire.sent] == [None, 4000]


async def test_middleware_that_calls_on_twice_fails_the_handshake(app: App, log: Log) -> None:
    wire = Wire()
    await wire.run(app, "/impatient")
    assert wire.sent[0]["status"] == 500
    assert log == ["refused"]


async def test_a_server_that_gives_up_cancels_the_handler_and_its_clean_ups_run(app: App, log: Log) -> None:
    wire = Wire()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wire.run, app, "/echo")
            await anyio.wait_all_tasks_blocked()
            assert wire.kinds == ["accept"]
            scope.cancel()
    assert log == ["released"]


# A proxy in front


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "connects"),
    [
        ("ws", "example.com", "https://example.com", True),
        ("ws", "example.com", "http://example.com", True),
        ("wss", "example.com", "https://example.com", True),
        ("wss", "example.com", "http://example.com", False),
        ("https", "example.com", "http://example.com", False),
        ("wss", "example.com:443", "https://example.com", True),
        ("wss", "EXAMPLE.com", "https://example.COM", True),
        ("wss", "[::1]:8443", "https://[::1]:8443", True),
        ("wss", "example.com:8443", "https://example.com", False),
        ("ws", "example.com:80", "https://example.com", False),
        ("ws", "", "https://", False),
        ("ws", "example.com", "example.com", False),
        ("ws", "example.com", "chrome-extension://example.com", False),
    ],
)
async def test_the_origin_is_compared_with_the_host(
    app: App, scheme: str, host: str, origin: str, connects: bool
) -> None:
    wire = Wire({"type": "websocket.disconnect", "code": 1000})
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    await wire.run(app, "/echo", scheme=scheme, headers=headers)
    assert (wire.kinds[0] == "accept") is connects


async def test_below_a_root_path(app: App) -> None:
    wire = Wire({"type": "websocket.disconnect", "code": 1000})
    await wire.run(app, "/api/echo", root_path="/api")
    assert wire.kinds == ["accept"]


async def test_paths_that_nobody_can_read_are_refused(app: App) -> None:
    wire = Wire()
    await wire.run(app, "/%zz")
    assert wire.sent[0]["status"] == 400


# Overrides, and the end of the application


async def test_an_override_is_what_the_next_connection_gets(app: App, log: Log) -> None:
    other = Log()
    with app.override(Log, other):
        await Wire(text("a"), {"type": "websocket.disconnect", "code": 1000}).run(app, "/echo")
    assert (other, log) == (["sent a", "released"], [])
    await Wire(text("b"), {"type": "websocket.disconnect", "code": 1000}).run(app, "/echo")
    assert log == ["sent b", "released"]


@on_each_socket_server
def test_a_server_that_stops_closes_its_sockets_and_takes_no_more(serves: Serves) -> None:
    log = Log()
    app = bootstrap(
        [Module("lines", controllers=[Lines], providers=[Provider(Log, value=log), resource])], [NO_HEADERS]
    )
    with serves(app) as url, client(f"{url}/echo") as socket, client(f"{url}/closed-by-another") as other:
        socket.send("a")
        assert socket.recv(timeout=60) == "a"
        with pytest.raises(ConnectionClosed):
            other.recv(timeout=60)
        app.settings.shutdown.begin()
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=60)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "The server is stopping.")
        with pytest.raises(InvalidStatus) as refused, client(f"{url}/echo"):
            pytest.fail("it was accepted")
        assert refused.value.response.status_code == 503
    assert sorted(log) == ["iteration ended", "released", "sent a"]


def test_an_application_without_sockets_has_none() -> None:
    app = app_of()
    assert app.sockets == ()
