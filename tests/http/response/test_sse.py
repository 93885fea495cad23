"""Server-sent events: over real sockets, and the heartbeat with a clock that the test sets."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from starlette.types import Message

from kick import App, Controller, Get, RequestContext, ServerSentEvent
from kick.http.response.sse import Line
from kick.http.response.streaming import Ending
from tests.http.response.test_streaming import SCOPE, requesting
from tests.http.support import app_of, ask
from tests.support.serving import Serve


def app_sending(events: Callable[[], Any], **options: Any) -> App:
    @Controller()
    class Events:
        @Get("/")
        async def events(self, ctx: RequestContext) -> Any:
            return ctx.sse(events(), **options)

    return app_of(Events)


async def silent() -> AsyncIterator[str]:
    yield "hello"
    await asyncio.Event().wait()


def received(connection: socket.socket, text: bytes) -> bytes:
    """What comes, up to a text."""
    found = b""
    while text not in found:
        piece = connection.recv(1000)
        assert piece, found
        found += piece
    return found


def test_silence_is_filled_with_comments(serve: Serve) -> None:
    with serve(app_sending(silent, heartbeat=0.05)) as url, requesting(url) as connection:
        received(connection, b"data: hello\n\n")
        received(connection, b":\n\n\r\n3\r\n:\n\n")


def test_a_stream_ends_when_the_application_stops(serve: Serve) -> None:
    ended = threading.Event()

    async def events() -> AsyncIterator[str]:
        try:
            yield "hello"
            await asyncio.Event().wait()
        finally:
            ended.set()

    app = app_sending(events)
    with serve(app) as url, requesting(url) as connection:
        received(connection, b"hello\n\n")
        app.settings.shutdown.begin()
        assert received(connection, b"0\r\n\r\n").endswith(b"0\r\n\r\n")  # in order: the browser connects again
        assert ended.is_set()


async def test_a_stream_that_is_asked_for_while_the_application_stops_ends_at_once() -> None:
    app = app_sending(silent)
    app.settings.shutdown.begin()
    answer = await ask(app, "/")
    assert answer.status == 200
    assert not answer.messages[-1]["more_body"]


def test_events_end_when_the_client_goes_away(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    async def events() -> AsyncIterator[str]:
        try:
            yield "hello"
            await asyncio.Event().wait()
        finally:
            ended.set()

    app = app_sending(events)
    with serve(app) as url:
        with requesting(url) as connection:
            received(connection, b"hello\n\n")
        assert ended.wait(60)
    assert caplog.records == []


def test_a_client_that_takes_nothing_stops_the_generator(serve: Serve) -> None:
    made = 0
    ended = threading.Event()

    async def events() -> AsyncIterator[str]:
        nonlocal made
        try:
            while True:
                made += 1
                yield "x" * 65_536
                await asyncio.sleep(0)
        finally:
            ended.set()

    with serve(app_sending(events, heartbeat=0.01)) as url, requesting(url):
        before = -1
        while made != before:
            before = made
            assert not ended.wait(0.3)
        assert made < 1000
    assert ended.wait(60)


async def test_a_thousand_silent_streams_have_no_task_for_heartbeats_and_leave_nothing_behind() -> None:
    app = app_sending(silent, heartbeat=30)
    gone = asyncio.Event()
    all_open = asyncio.Event()
    open_now = 0

    async def send(message: Message) -> None:
        nonlocal open_now
        open_now += message.get("body") == b"data: hello\n\n"
        if open_now == 1000:
            all_open.set()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    before = len(asyncio.all_tasks())
    streams = [asyncio.create_task(app({**SCOPE}, receive, send)) for _ in range(1000)]
    await all_open.wait()
    assert len(asyncio.all_tasks()) - before <= 2 * 1000  # that of the server, and the one that listens
    gone.set()
    await asyncio.gather(*streams)
    assert len(asyncio.all_tasks()) <= before


async def test_a_line_sends_comments_where_it_was_silent_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    bodies: dict[str, list[bytes]] = {"quiet": [], "busy": []}

    def line(name: str) -> Line:
        async def send(message: Message) -> None:
            bodies[name].append(message["body"])

        return Line(send, Ending(None), 10)

    async def turn() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    quiet, busy = line("quiet"), line("busy")
    now += 6
    await busy.send(b"event")
    now += 6
    await turn()
    assert bodies == {"quiet": [b":\n\n"], "busy": [b"event"]}
    now += 5
    await turn()
    assert bodies == {"quiet": [b":\n\n"], "busy": [b"event", b":\n\n"]}
    quiet.close()
    busy.close()
    now += 60
    await turn()
    assert sum(map(len, bodies.values())) == 3


async def test_a_comment_to_a_lost_connection_ends_the_stream() -> None:
    sent = 0

    async def send(message: Message) -> None:
        nonlocal sent
        sent += 1
        if message.get("body") == b":\n\n":
            raise OSError("gone")

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    await app_sending(silent, heartbeat=0.01)({**SCOPE}, receive, send)
    assert sent == 3


async def test_an_event_waits_for_a_comment_that_is_being_sent() -> None:
    order: list[bytes] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def events() -> AsyncIterator[str]:
        yield "one"
        await begun.wait()
        asyncio.get_running_loop().call_later(0.02, go_on.set)
        yield "two"

    async def send(message: Message) -> None:
        body = message.get("body", b"")
        if body == b":\n\n":
            order.append(b"comment begun")
            begun.set()
            await go_on.wait()
        if body:
            order.append(body)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    await app_sending(events, heartbeat=0.01)({**SCOPE}, receive, send)
    assert order == [b"data: one\n\n", b"comment begun", b":\n\n", b"data: two\n\n"]


async def test_retry_is_said_first_and_the_last_id_is_there() -> None:
    @Controller()
    class Events:
        @Get("/")
        async def events(self, ctx: RequestContext) -> Any:
            return ctx.sse([ServerSentEvent(data=ctx.last_event_id, id="8")], retry=2000, heartbeat=None)

    app = app_of(Events)
    answer = await ask(app, "/", headers={"last-event-id": "é7".encode().decode("latin-1")})
    assert answer.text == "retry: 2000\n\nid: 8\ndata: é7\n\n"
    assert (await ask(app, "/")).text.endswith("data: null\n\n")


@pytest.mark.parametrize("retry", [None, 2000])
async def test_a_generator_subscribes_before_the_client_knows_of_the_stream(retry: int | None) -> None:
    """With a server whose `send` waits for the client, and one whose does not."""
    order: list[str] = []

    async def events() -> AsyncIterator[str]:
        order.append("subscribed")
        await asyncio.sleep(0.01)
        yield "hello"

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and message["body"]:
            order.append(message["body"].decode())
            await asyncio.sleep(0)

    await app_sending(events, retry=retry)({**SCOPE}, receive, send)
    assert order == ["subscribed", *(["retry: 2000\n\n"] if retry else []), "data: hello\n\n"]


async def test_retry_is_said_in_a_stream_without_events() -> None:
    assert (await ask(app_sending(list, retry=2000), "/")).text == "retry: 2000\n\n"


@pytest.mark.parametrize("heartbeat", [0, -1, float("nan")])
async def test_a_heart_that_could_not_beat_is_refused(heartbeat: float, caplog: pytest.LogCaptureFixture) -> None:
    assert (await ask(app_sending(silent, heartbeat=heartbeat), "/")).status == 500
    assert "a number of seconds above 0" in caplog.text


async def test_events_of_a_plain_generator_are_sent_too() -> None:
    def events() -> Iterator[Any]:
        yield {"n": 1}
        yield "bad \ud800 text"

    assert (await ask(app_sending(events), "/")).body == b'data: {"n":1}\n\ndata: bad ? text\n\n'
