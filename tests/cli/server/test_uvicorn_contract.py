"""The parts of uvicorn that kick needs beyond its documentation; `kick.cli.server.http_protocol` lists them."""

import asyncio
import inspect
import logging
import signal
import socket
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from kick.cli.server.http_protocol import http_protocol
from kick.cli.server.uvicorn_server import Server, listen, run
from kick.cli.server.write_coalescing import Cork
from tests.support.servers import WEBSOCKETS

SAY_HELLO = b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})


class Seen:
    """An application that notes what uvicorn does while it serves one request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.transports: list[Any] = []
        self.tasks: list[int] = []
        self.servers: list[Server] = []
        monkeypatch.setattr(
            "kick.cli.server.http_protocol._loop_writes_at_once", lambda: True
        )  # uvloop < 0.23 does not
        protocol = http_protocol()
        for name in ("connection_made", "on_response_complete", "handle_websocket_upgrade"):
            self._watch(monkeypatch, protocol, name)
        start = Server.startup

        async def startup(server: Server, sockets: Any = None) -> None:
            self.servers.append(server)
            await start(server, sockets)

        monkeypatch.setattr(Server, "startup", startup)
        monkeypatch.setattr("kick.cli.server.uvicorn_server.http_protocol", lambda: protocol)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, protocol: Any, name: str) -> None:
        method = getattr(protocol, name)

        def watched(own: Any, *arguments: Any) -> None:
            method(own, *arguments)
            self.names.append(name)
            self.transports.append(own.transport)

        monkeypatch.setattr(protocol, name, watched)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
        else:
            await hello(scope, receive, send)
        self.tasks.append(len(self.servers[0].server_state.tasks))
        self.servers[0].should_exit = True


def served(seen: Seen, request: bytes) -> bytes:
    """What the server sends for a request, before it ends."""
    with listen("127.0.0.1", 0, "dev") as listening, socket.socket() as client:
        client.connect(listening.getsockname())
        client.sendall(request)
        assert run(seen, listening, lambda: None, ws=WEBSOCKETS)
        client.settimeout(30)
        return client.recv(4096)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


def test_a_connection_is_made_with_a_cork_and_told_of_complete_responses(seen: Seen) -> None:
    assert served(seen, SAY_HELLO).endswith(b"hello")
    assert seen.names == ["connection_made", "on_response_complete"]
    assert {type(transport) for transport in seen.transports} <= {Cork}


def test_a_websocket_gets_the_transport_itself(seen: Seen) -> None:
    upgrade = (
        b"GET / HTTP/1.1\r\nhost: example.com\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert served(seen, upgrade).startswith(b"HTTP/1.1 403")
    assert seen.names == ["connection_made", "handle_websocket_upgrade"]
    assert not isinstance(seen.transports[-1], Cork)


def websocket(library: str) -> Any:
    """A protocol of uvicorn before its handshake."""
    config = uvicorn.Config(hello, ws=library)
    config.load()
    assert config.ws_protocol_class is not None
    return config.ws_protocol_class(config=config, server_state=uvicorn.Server(config).server_state, app_state={})  # type: ignore[call-arg]


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("library", [WEBSOCKETS, "wsproto"])
async def test_a_websocket_has_no_cycle_and_before_its_handshake_no_scope(library: str) -> None:
    protocol = websocket(library)
    assert not hasattr(protocol, "cycle")
    assert not hasattr(protocol, "scope")


@pytest.mark.usefixtures("logging_as_before")
async def test_a_websocket_knows_its_handshake() -> None:
    protocol = websocket(WEBSOCKETS)
    assert (protocol.handshake_initiated, protocol.conn.handshake_exc) == (False, None)
    assert protocol.conn.data_to_send() == []
    assert callable(protocol.handle_events)


def test_a_request_is_among_the_tasks_of_the_server(seen: Seen) -> None:
    served(seen, SAY_HELLO)
    assert seen.tasks == [1]
    assert isinstance(seen.servers[0].server_state.tasks, set)


@pytest.mark.parametrize("name", ["startup", "shutdown"])
def test_a_server_awaits_its_start_and_its_end(name: str) -> None:
    method = getattr(uvicorn.Server, name)
    assert inspect.iscoroutinefunction(method)
    assert list(inspect.signature(method).parameters) == ["self", "sockets"]


@pytest.mark.usefixtures("logging_as_before")
def test_a_server_says_where_it_is() -> None:
    server = uvicorn.Server(uvicorn.Config(hello))
    assert (server.started, server.should_exit, server.force_exit) == (False, False, False)
    assert server.server_state.tasks == set()


class Failing:
    """An application that does not start."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            raise OSError("no database")
        except OSError:
            await send({"type": "lifespan.startup.failed", "message": "Traceback: no database"})


def test_a_start_that_fails_is_told_once_and_not_in_the_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    before = signal.getsignal(signal.SIGTERM)
    with listen("127.0.0.1", 0, "dev") as listening:
        assert not run(Failing(), listening, lambda: None)
    assert "Application startup failed" in caplog.text
    assert "no database" not in caplog.text
    assert capsys.readouterr().err.count("OSError: no database") == 1
    assert signal.getsignal(signal.SIGTERM) is before


async def test_what_a_lifespan_does_is_done_when_the_requests_have_ended() -> None:
    from kick.cli.server.uvicorn_server import Lifespan

    trail: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        trail.append(str((await receive())["type"]))
        trail.append(str((await receive())["type"]))

    async def requests_ended() -> None:
        await asyncio.sleep(0)
        trail.append("requests")

    told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(told)

    async def send(message: Any) -> None: ...

    await Lifespan(app, requests_ended)({"type": "lifespan"}, receive, send)
    assert trail == ["lifespan.startup", "requests", "lifespan.shutdown"]
