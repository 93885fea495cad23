"""The end of a session, as the code of an open connection learns of it: handlers end, and their clean-ups run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket as StarletteSocket
from starlette.websockets import WebSocketDisconnect

import kick.http.websocket.handshake
import kick.session.asgi.foreign_connections
from kick import Controller, Forbidden, Get, Module, RequestContext, Socket, SocketClosed, WebSocket, bootstrap
from kick.http import CallNext
from kick.session import SessionMiddleware, session
from kick.session.asgi.interruptible_send import InterruptibleSend
from tests.session.harness import SECRET
from tests.session.test_connections import QUICKLY, Client, Opened, Site, has_ended, starlette_act, starlette_in

diary: list[str] = []
"""What handlers have noted."""


@pytest.fixture(autouse=True)
def empty_diary() -> None:
    diary.clear()


# Handlers of WebSockets, each of which runs until it learns of the end


async def raw_ticker(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    try:
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0)
    finally:
        diary.append("over")


async def raw_stubborn(scope: Any, receive: Any, send: Any) -> None:
    """Goes on after the exception, without a pause."""
    await receive()
    await send({"type": "websocket.accept"})
    while diary.count("refused") < 100:
        try:
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0)
        except OSError:
            diary.append("refused")
    await send({"type": "websocket.close"})
    diary.append("over")


async def raw_listener(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "listening"})
    for _ in range(3):
        message = await receive()
        assert message["code"] == 4401
    diary.append("over")


async def ticker(socket: StarletteSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text("tick")
            await asyncio.sleep(0)
    except WebSocketDisconnect:
        diary.append("over")


async def careless_ticker(socket: StarletteSocket) -> None:
    """Catches nothing."""
    await socket.accept()
    try:
        while True:
            await socket.send_text("tick")
            await asyncio.sleep(0)
    finally:
        diary.append("over")


async def stubborn_ticker(socket: StarletteSocket) -> None:
    """Goes on after the first exception."""
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await socket.send_text("tick")
            await asyncio.sleep(0)
    try:
        await socket.send_text("tick")
    except RuntimeError:
        diary.append("over")


async def listener(socket: StarletteSocket) -> None:
    await socket.accept()
    await socket.send_text("listening")
    try:
        await socket.receive_text()
    finally:
        diary.append("over")


STARLETTE = (ticker, careless_ticker, stubborn_ticker, listener)


# Streams


async def ticks() -> AsyncIterator[str]:
    try:
        while True:
            yield "data: tick\n\n"
            await asyncio.sleep(0)
    finally:
        diary.append("over")


async def silence() -> AsyncIterator[str]:
    try:
        yield "data: begun\n\n"
        await anyio.sleep_forever()
    finally:
        diary.append("over")


released: list[threading.Event] = []


def waiting() -> Iterator[str]:
    """Wait in a thread, which cannot be cancelled."""
    yield "data: begun\n\n"
    released[0].wait(10)
    yield "data: secret\n\n"


async def waiting_elsewhere() -> AsyncIterator[str]:
    yield "data: begun\n\n"
    await anyio.to_thread.run_sync(released[0].wait, 10)
    yield "data: secret\n\n"


class OwnResponse(Response):
    """A response that sends by itself, as those of other packages do."""

    media_type = "text/event-stream"

    def __init__(self) -> None:
        self.status_code, self.background, self.body = 200, None, b""
        self.raw_headers = [(b"content-type", b"text/event-stream")]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.send_all, send)
            tasks.start_soon(anyio.sleep_forever)

    async def send_all(self, send: Any) -> None:
        async for each in ticks():
            await send({"type": "http.response.body", "body": each.encode(), "more_body": True})


async def starlette_events(_: Any) -> StreamingResponse:
    return StreamingResponse(ticks(), media_type="text/event-stream")


async def starlette_silence(_: Any) -> StreamingResponse:
    return StreamingResponse(silence(), media_type="text/event-stream")


async def starlette_waiting(_: Any) -> StreamingResponse:
    return StreamingResponse(waiting(), media_type="text/event-stream")


async def starlette_waiting_elsewhere(_: Any) -> StreamingResponse:
    return StreamingResponse(waiting_elsewhere(), media_type="text/event-stream")


async def starlette_download(_: Any) -> StreamingResponse:
    return StreamingResponse(ticks(), media_type="text/csv")


# Applications


ROUTES = [
    Route("/ticks", starlette_events),
    Route("/silence", starlette_silence),
    Route("/waiting", starlette_waiting),
    Route("/waiting-elsewhere", starlette_waiting_elsewhere),
    Route("/download", starlette_download),
    *[WebSocketRoute(f"/{each.__name__}", each) for each in STARLETTE],
]
ENTRANCE = [
    Route("/in", starlette_in, methods=["POST"]),
    Route("/act/{verb}", starlette_act, methods=["POST"]),
]


async def members_only(ctx: RequestContext, call_next: CallNext) -> Response:
    if ctx.session.principal is None:
        raise Forbidden
    return await call_next(ctx)


async def blind(ctx: RequestContext, call_next: CallNext) -> Response:
    return await call_next(ctx)


def starlette_app(store: Any) -> Any:
    app = Starlette(routes=[*ENTRANCE, *ROUTES])
    return SessionMiddleware(app, SECRET, store=store, save_uninitialized=False)


def raw_app(handler: Any, store: Any) -> Any:
    """An application without a framework for its sockets."""
    entrance = Starlette(routes=ENTRANCE)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (entrance if scope["type"] == "http" else handler)(scope, receive, send)

    return SessionMiddleware(app, SECRET, store=store, save_uninitialized=False)


def fastapi_app(store: Any) -> Any:
    app = FastAPI(routes=[*ENTRANCE, *ROUTES])
    app.add_middleware(SessionMiddleware, secret=SECRET, store=store, save_uninitialized=False)
    return app


def kick_app(store: Any, *modules: Module) -> Any:
    layers = [session(SECRET, store=store, save_uninitialized=False)]
    return bootstrap([Module("site", controllers=[Site, Streams]), *modules], layers)


def mounted(store: Any) -> Any:
    return kick_app(store, Module("mounted", mounts={"/": Starlette(routes=ROUTES)}, session=True))


def mounted_twice(store: Any) -> Any:
    inside = bootstrap([Module("inside", mounts={"/": Starlette(routes=ROUTES)})])
    return kick_app(store, Module("mounted", mounts={"/": inside}, session=True))


def guarded(store: Any) -> Any:
    return kick_app(store, Module("guarded", mounts={"/": FastAPI(routes=ROUTES)}, middleware=[members_only]))


APPS: dict[str, Callable[[Any], Any]] = {
    each.__name__: each for each in (starlette_app, fastapi_app, mounted, mounted_twice, guarded)
}


@Controller("/own")
class Streams:
    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Any:
        return ctx.stream(ticks(), media_type="text/event-stream")

    @Get("/silent-stream")
    async def silent_stream(self, ctx: RequestContext) -> Any:
        return ctx.stream(silence(), media_type="text/event-stream; charset=utf-8")

    @Get("/plain-generator")
    async def plain_generator(self, ctx: RequestContext) -> Any:
        def plain() -> Any:
            try:
                while True:
                    yield "data: tick\n\n"
            finally:
                diary.append("over")

        return ctx.stream(plain(), media_type="text/event-stream")

    @Get("/waiting")
    async def waiting(self, ctx: RequestContext) -> Any:
        return ctx.stream(waiting(), media_type="text/event-stream")

    @Get("/waiting-starlette")
    async def waiting_starlette(self, ctx: RequestContext) -> Any:
        return StreamingResponse(waiting(), media_type="text/event-stream")

    @Get("/late-type")
    async def late_type(self, ctx: RequestContext) -> Any:
        ctx.set_header("content-type", "text/event-stream")
        return ctx.stream(ticks())

    @Get("/late-type-starlette")
    async def late_type_starlette(self, ctx: RequestContext) -> Any:
        ctx.set_header("Content-Type", "text/event-stream")
        return StreamingResponse(ticks())

    @Get("/starlette")
    async def starlette(self, ctx: RequestContext) -> Any:
        return StreamingResponse(ticks(), headers={"Content-Type": "Text/Event-Stream"})

    @Get("/own-response")
    async def own_response(self, ctx: RequestContext) -> Any:
        return OwnResponse()

    @Get("/sse")
    async def sse(self, ctx: RequestContext) -> Any:
        return ctx.sse(ticks())

    @Get("/download")
    async def download(self, ctx: RequestContext) -> Any:
        return ctx.stream(ticks(), media_type="text/csv")

    @Get("/short")
    async def short(self, ctx: RequestContext) -> Any:
        async def later() -> None:
            await gates[0].wait()
            diary.append("background")

        return StreamingResponse(short(), media_type="text/event-stream", background=BackgroundTask(later))

    @WebSocket("/ticker")
    async def ticker(self, socket: Socket[str, str]) -> None:
        try:
            while True:
                await socket.send("tick")
        finally:
            diary.append("over")

    @WebSocket("/stubborn")
    async def stubborn(self, socket: Socket[str, str]) -> None:
        """Goes on after the exception, without a pause, until another task has its turn."""
        refused = asyncio.Event()
        while not diary:
            try:
                await socket.send("tick")
            except SocketClosed:
                if not refused.is_set():
                    refused.set()
                    asyncio.get_running_loop().call_soon(diary.append, "over")

    @WebSocket("/stubborn-reader")
    async def stubborn_reader(self, socket: Socket[str, str]) -> None:
        await socket.send("reading")
        refused = asyncio.Event()
        while not diary:
            try:
                await socket.receive()
            except SocketClosed:
                if not refused.is_set():
                    refused.set()
                    asyncio.get_running_loop().call_soon(diary.append, "over")


async def short() -> AsyncIterator[str]:
    yield "data: one\n\n"


gates: list[asyncio.Event] = []


async def enter(app: Any) -> Client:
    client = Client(app)
    await client.post("/in")
    return client


def is_open(sent: list[Any]) -> bool:
    return len(sent) > 2


def open_path(client: Client, path: str, kind: str, connection: type[Opened] = Opened) -> Opened:
    scope = client.scope(kind, path, "GET")
    scope["asgi"]["spec_version"] = "2.4"
    return connection(client.app, scope)


async def opened_and_ended(client: Client, path: str, kind: str, verb: str = "destroy") -> Opened:
    opened = open_path(client, path, kind)
    await opened.until(lambda sent: len(sent) >= 2)
    await client.post(f"/act/{verb}")
    await opened.ended()
    return opened


# WebSockets


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("handler", [each.__name__ for each in STARLETTE])
async def test_a_handler_that_sends_or_receives_ends_with_the_session(store: Any, app: str, handler: str) -> None:
    opened = await opened_and_ended(await enter(APPS[app](store)), f"/{handler}", "websocket")
    assert has_ended("/socket", opened.sent[-1])
    assert diary == ["over"]


@pytest.mark.parametrize("handler", [raw_ticker, raw_stubborn, raw_listener])
async def test_an_application_without_a_framework_is_told_each_time(store: Any, handler: Any) -> None:
    opened = await opened_and_ended(await enter(raw_app(handler, store)), "/", "websocket")
    assert has_ended("/socket", opened.sent[-1])
    assert diary[-1] == "over"


@pytest.mark.parametrize("handler", ["ticker", "stubborn", "stubborn-reader"])
async def test_a_handler_of_kick_that_goes_on_lets_others_run(store: Any, handler: str) -> None:
    opened = await opened_and_ended(await enter(kick_app(store)), f"/own/{handler}", "websocket")
    assert has_ended("/socket", opened.sent[-1])
    assert diary == ["over"]


async def test_what_a_client_has_asked_for_before_the_end_is_not_done(store: Any) -> None:
    waits = asyncio.Event()

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "text": "busy"})
        await waits.wait()
        diary.append((await receive())["type"])

    client = await enter(raw_app(handler, store))
    opened = open_path(client, "/", "websocket")
    for _ in range(3):
        opened.inbox.put_nowait({"type": "websocket.receive", "text": "buy"})
    await opened.until(lambda sent: len(sent) == 2)
    await client.post("/act/destroy")
    waits.set()
    await opened.ended()
    assert diary == ["websocket.disconnect"]


async def test_a_mistake_of_a_handler_is_raised_after_the_end_too(store: Any) -> None:
    async def mistaken(socket: StarletteSocket) -> None:
        await socket.accept()
        await socket.send_text("begun")
        try:
            await socket.receive_text()
        except WebSocketDisconnect:
            raise LookupError("a mistake") from None

    app = Starlette(routes=[*ENTRANCE, WebSocketRoute("/", mistaken)])
    client = await enter(SessionMiddleware(app, SECRET, store=store, save_uninitialized=False))
    with pytest.raises(LookupError, match="a mistake"):
        await opened_and_ended(client, "/", "websocket")


async def test_after_its_own_close_frame_an_application_is_in_the_hands_of_the_server(store: Any) -> None:
    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for kind in ("accept", "close", "close", "send"):
            await send({"type": f"websocket.{kind}"})
        await gates[0].wait()

    gates[:] = [asyncio.Event()]
    client = await enter(raw_app(handler, store))
    opened = open_path(client, "/", "websocket")
    await opened.until(lambda sent: len(sent) == 3)
    await client.post("/act/destroy")
    gates[0].set()
    await opened.ended()
    assert [each["type"].removeprefix("websocket.") for each in opened.sent] == ["accept", "close", "send"]


class NotReading(Opened):
    """A client that reads only the first message: the server waits for it."""

    async def send(self, message: Any) -> None:
        if self.sent and len(self.sent) > 1 and (message["type"] == "websocket.send" or self.reads_nothing):
            diary.append("full")
            self.news.set()
            await anyio.sleep_forever()
        await super().send(message)

    reads_nothing = False


class ReadingNothing(NotReading):
    """One that does not even read the close frame."""

    reads_nothing = True


@pytest.mark.parametrize("connection", [NotReading, ReadingNothing])
@pytest.mark.parametrize(("app", "path"), [*((each, "/ticker") for each in APPS), ("mounted", "/own/ticker")])
async def test_a_handler_that_waits_for_a_client_that_does_not_read_ends_too(
    store: Any, app: str, path: str, connection: type[Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (kick.http.websocket.handshake, kick.session.asgi.foreign_connections):
        monkeypatch.setattr(module, "CLOSING", 0.05)
    client = await enter(APPS[app](store))
    opened = open_path(client, path, "websocket", connection)
    await opened.until(lambda _: "full" in diary)
    await client.post("/act/destroy")
    await opened.ended()
    assert diary.count("over") == 1
    assert has_ended("/socket", opened.sent[-1]) is (connection is NotReading)


class TestTheSender:
    async def test_what_waits_is_given_up_and_the_next_message_is_sent(self) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            if message == {"type": "slow"}:
                await anyio.sleep_forever()
            sent.append(message)

        sender = InterruptibleSend(send)
        waiting = asyncio.ensure_future(sender.send({"type": "slow"}))
        await asyncio.sleep(0)
        sender.give_up()
        with pytest.raises(OSError, match="given up"):
            await waiting
        await sender.send({"type": "next"})
        assert sent == [{"type": "next"}]

    async def test_a_cancellation_and_the_exception_of_the_server_pass(self) -> None:
        async def send(message: Any) -> None:
            await asyncio.sleep(0 if message == {"type": "fails"} else 3600)
            raise LookupError("the server")

        sender = InterruptibleSend(send)
        with pytest.raises(LookupError, match="the server"):
            await sender.send({"type": "fails"})
        waiting = asyncio.ensure_future(sender.send({"type": "waits"}))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def test_any_awaitable_of_a_server_is_awaited(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sending = asyncio.ensure_future(InterruptibleSend(lambda _: future).send({"type": "any"}))
        await asyncio.sleep(0)
        assert not sending.done()
        future.set_result(None)
        await asyncio.wait_for(sending, QUICKLY)


# Event streams


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("path", ["/ticks", "/silence"])
async def test_an_event_stream_of_another_framework_is_complete_with_the_end_of_the_session(
    store: Any, app: str, path: str
) -> None:
    opened = await opened_and_ended(await enter(APPS[app](store)), path, "http")
    assert has_ended("/events", opened.sent[-1])
    await until_noted("over")


@pytest.mark.parametrize("verb", ["destroy", "regenerate"])
@pytest.mark.parametrize(
    "path",
    [
        *("stream", "silent-stream", "plain-generator", "starlette", "own-response", "sse"),
        *("late-type", "late-type-starlette"),
    ],
)
async def test_every_event_stream_of_a_handler_ends_with_the_session(store: Any, path: str, verb: str) -> None:
    opened = await opened_and_ended(await enter(kick_app(store)), f"/own/{path}", "http", verb)
    assert has_ended("/events", opened.sent[-1])
    await until_noted("over")


async def nothing_comes_after_the_end(app: Any, path: str) -> None:
    released[:] = [threading.Event()]
    client = await enter(app)
    opened = open_path(client, path, "http")
    await opened.until(lambda sent: len(sent) >= 2)
    await client.post("/act/destroy")
    await opened.until(lambda sent: has_ended("/events", sent[-1]))
    released[0].set()
    await opened.ended()
    assert [b"secret" in message.get("body", b"") for message in opened.sent] == [False] * 3


@pytest.mark.parametrize("path", ["/waiting", "/waiting-elsewhere"])
@pytest.mark.parametrize("app", APPS)
async def test_an_application_that_waits_in_a_thread_sends_nothing_after_the_end(
    store: Any, app: str, path: str
) -> None:
    await nothing_comes_after_the_end(APPS[app](store), path)


@pytest.mark.parametrize("path", ["/own/waiting", "/own/waiting-starlette"])
async def test_neither_does_a_handler_of_kick(store: Any, path: str) -> None:
    await nothing_comes_after_the_end(kick_app(store), path)


@pytest.mark.parametrize("path", ["/own/download", "/download"])
async def test_other_streams_are_not_cut(store: Any, path: str) -> None:
    client = await enter(mounted(store))
    opened = open_path(client, path, "http")
    await opened.until(is_open)
    await client.post("/act/destroy")
    before = len(opened.sent)
    await opened.until(lambda sent: len(sent) > before + 10)
    await leave(opened)


async def test_an_event_stream_follows_a_rotation(store: Any) -> None:
    client = await enter(kick_app(store))
    opened = open_path(client, "/own/stream", "http")
    await opened.until(is_open)
    await client.post("/act/rotate")
    before = len(opened.sent)
    await opened.until(lambda sent: len(sent) > before + 10)
    await client.post("/act/destroy")
    assert has_ended("/events", await opened.ended())


async def test_the_background_task_of_a_complete_event_stream_is_not_cut(store: Any) -> None:
    gates[:] = [asyncio.Event()]
    client = await enter(kick_app(store))
    opened = open_path(client, "/own/short", "http")
    await opened.until(lambda sent: has_ended("/events", sent[-1]) if sent else False)
    await client.post("/act/destroy")
    gates[0].set()
    await opened.ended()
    assert diary == ["background"]


async def test_a_visitor_without_a_session_is_not_watched(store: Any) -> None:
    app = kick_app(store)
    opened = open_path(Client(app), "/own/stream", "http")
    await opened.until(is_open)
    assert watched_by(app) == 0
    await leave(opened)


# Mounts that do not see the session


@pytest.mark.parametrize(("path", "kind"), [("/ticks", "http"), ("/ticker", "websocket")])
async def test_a_mount_whose_middleware_does_not_use_the_session_is_not_watched(
    store: Any, path: str, kind: str
) -> None:
    app = kick_app(store, Module("open", mounts={"/": Starlette(routes=ROUTES)}, middleware=[blind]))
    client = await enter(app)
    opened = open_path(client, path, kind)
    await opened.until(is_open)
    assert watched_by(app) == 0
    await client.post("/act/destroy")
    before = len(opened.sent)
    await opened.until(lambda sent: len(sent) > before + 10)
    await leave(opened)


@pytest.mark.parametrize(("path", "kind"), [("/ticks", "http"), ("/ticker", "websocket")])
async def test_a_mount_that_middleware_guards_still_does_not_see_the_session(store: Any, path: str, kind: str) -> None:
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        diary.append("session" if "session" in scope else "no session")
        await outside(scope, receive, send)

    outside = Starlette(routes=ROUTES)
    app = kick_app(store, Module("guarded", mounts={"/": inside}, middleware=[members_only]))
    client = await enter(app)
    opened = open_path(client, path, kind)
    await opened.until(is_open)
    assert watched_by(app) == 1
    await leave(opened)
    assert diary[0] == "no session"
    assert watched_by(app) == 0


def watched_by(app: Any) -> int:
    """The number of sessions whose connections an application watches."""
    layer = next(each for each in app.middleware if hasattr(each, "manager"))
    return int(layer.manager.operations.connections.count)


async def leave(opened: Opened) -> None:
    opened.task.cancel()
    with suppress(asyncio.CancelledError):
        await opened.task


async def until_noted(what: str) -> None:
    """Wait for the clean-up of a generator, which the event loop closes if its framework does not."""
    async with asyncio.timeout(QUICKLY):
        while what not in diary:  # noqa: ASYNC110  # the event loop closes it in a task of its own
            await asyncio.sleep(0)
