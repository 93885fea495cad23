"""Logout reaches what is open: WebSockets and event streams end with the session they were opened with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from kick import Controller, Get, Module, Post, RequestContext, Sessions, Socket, WebSocket, bootstrap
from kick.auth import login
from kick.session import SessionClosed, SessionMiddleware, SessionUnavailable, session
from kick.session.ids import forward_to_id, generate_successor, key_of
from kick.session.open_connections import Connections
from kick.session.stores.base import Record, Superseded
from kick.session.stores.custom import BasicStore
from kick.session.stores.url import open_store
from tests.session.conftest import DictStore, url_of
from tests.session.harness import SECRET, calls_to

QUICKLY = 20.0
"""Seconds within which what is to happen at once has to happen, on a slow machine too."""


@Controller("")
class Site:
    @Post("/in")
    async def enter(self, ctx: RequestContext) -> None:
        await login(ctx, 7)

    @Post("/act/{verb}")
    async def act(self, ctx: RequestContext, verb: str) -> None:
        await getattr(ctx.session, verb)()

    @Post("/revoke")
    async def revoke(self, ctx: RequestContext, sessions: Sessions) -> None:
        await sessions.revoke(7)

    @Post("/others")
    async def others(self, ctx: RequestContext, sessions: Sessions) -> None:
        await sessions.revoke(7, except_id=ctx.session.id)

    @Post("/end")
    async def end(self, ctx: RequestContext, sessions: Sessions) -> None:
        for info in await sessions.of(7):
            await sessions.end(info)

    @Post("/begin")
    async def begin(self, ctx: RequestContext) -> None:
        ctx.session["begun"] = True

    @Post("/claim")
    async def claim(self, ctx: RequestContext) -> None:
        ctx.session.principal = 7

    @Post("/write")
    async def write(self, ctx: RequestContext) -> None:
        ctx.session["writes"] = ctx.session.get("writes", 0) + 1

    @Get("/late-events")
    async def late_events(self, ctx: RequestContext) -> Any:
        await ctx.scope["meanwhile"](ctx.session)
        return await self.events(ctx)

    @WebSocket("/late-socket")
    async def late_socket(self, socket: Socket[str, str]) -> None:
        await socket.context.scope["meanwhile"](socket.session)
        await self.socket(socket)

    @Get("/events")
    async def events(self, ctx: RequestContext) -> Any:
        async def ticks() -> AsyncIterator[str]:
            yield "begun"
            await anyio.sleep_forever()

        return ctx.sse(ticks())

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, str]) -> None:
        await socket.accept()
        async for message in socket:
            await socket.send(message)


async def starlette_socket(socket: Any) -> None:
    if "meanwhile" in socket.scope:
        await socket.scope["meanwhile"](socket.session)
    await socket.accept()
    async for message in socket.iter_text():
        await socket.send_text(message)


async def starlette_events(request: Request) -> StreamingResponse:
    if "meanwhile" in request.scope:
        await request.scope["meanwhile"](request.session)

    async def ticks() -> AsyncIterator[str]:
        yield "data: begun\n\n"
        await anyio.sleep_forever()

    return StreamingResponse(ticks(), media_type="text/event-stream")


async def starlette_in(request: Request) -> JSONResponse:
    await request.session.regenerate()  # type: ignore[attr-defined]
    request.session.principal = 7  # type: ignore[attr-defined]
    return JSONResponse(None)


async def starlette_act(request: Request) -> JSONResponse:
    await getattr(request.session, request.path_params["verb"])()
    return JSONResponse(None)


def kick_app(store: Any, **options: Any) -> Any:
    layers = [session(SECRET, store=store, save_uninitialized=False, **options)]
    return bootstrap([Module("site", controllers=[Site])], layers)


def starlette_app(store: Any, **options: Any) -> Any:
    routes = [
        Route("/in", starlette_in, methods=["POST"]),
        Route("/act/{verb}", starlette_act, methods=["POST"]),
        Route("/events", starlette_events),
        Route("/late-events", starlette_events),
        WebSocketRoute("/socket", starlette_socket),
        WebSocketRoute("/late-socket", starlette_socket),
    ]
    return SessionMiddleware(Starlette(routes=routes), SECRET, store=store, save_uninitialized=False, **options)


class Client:
    """Talks ASGI to an application, in the loop of the test."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.cookie = b""

    def scope(self, kind: str, path: str, method: str) -> dict[str, Any]:
        headers = [(b"host", b"shop.test"), *([(b"cookie", self.cookie)] if self.cookie else [])]
        scope = {"type": kind, "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
        scope |= {"headers": headers, "client": ("192.0.2.1", 1), "server": ("shop.test", 80), "http_version": "1.1"}
        scope["asgi"] = {"version": "3.0", "spec_version": "2.3"}
        return scope | (
            {"method": method, "scheme": "http"} if kind == "http" else {"scheme": "ws", "subprotocols": []}
        )

    async def post(self, path: str) -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            if sent:
                await anyio.sleep_forever()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(self.scope("http", path, "POST"), receive, send)
        assert sent[0]["status"] < 300, sent
        for name, value in sent[0]["headers"]:
            if name == b"set-cookie":
                self.cookie = value.partition(b";")[0]

    def open(self, path: str, *, meanwhile: Any = None) -> Opened:
        """Open a connection; `meanwhile(session)` is awaited before it is open."""
        kind = "http" if path == "/events" else "websocket"
        if meanwhile is None:
            return Opened(self.app, self.scope(kind, path, "GET"))
        return Opened(self.app, {**self.scope(kind, f"/late-{path[1:]}", "GET"), "meanwhile": meanwhile})


class Opened:
    """An open connection."""

    def __init__(self, app: Any, scope: Any) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []
        self.news = asyncio.Event()
        first = {"type": "websocket.connect"} if scope["type"] == "websocket" else {"type": "http.request", "body": b""}
        self.inbox.put_nowait(first)
        self.task = asyncio.ensure_future(app(scope, self.inbox.get, self.send))

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        self.news.set()

    async def until(self, what: Any) -> None:
        async with asyncio.timeout(QUICKLY):
            while not what(self.sent):
                self.news.clear()
                await self.news.wait()

    async def begun(self) -> Opened:
        await self.until(lambda sent: len(sent) > (1 if sent and sent[0]["type"].startswith("http") else 0))
        return self

    async def ended(self) -> Any:
        """The last message, once the application has returned."""
        async with asyncio.timeout(QUICKLY):
            await self.task
        return self.sent[-1]

    async def echo(self) -> None:
        before = len(self.sent)
        await self.inbox.put({"type": "websocket.receive", "text": "still there?"})
        await self.until(lambda sent: len(sent) > before)
        assert self.sent[-1].get("text") == "still there?"

    async def leave(self) -> None:
        gone = "websocket.disconnect" if self.sent[0]["type"].startswith("websocket") else "http.disconnect"
        await self.inbox.put({"type": gone, "code": 1001})
        async with asyncio.timeout(QUICKLY):
            await asyncio.gather(self.task, return_exceptions=True)


def has_ended(path: str, message: Any) -> bool:
    if path == "/socket":
        return (message["type"], message.get("code")) == ("websocket.close", 4401)
    return message["type"] == "http.response.body" and not message.get("more_body")


APPS = {"kick": kick_app, "starlette": starlette_app}


@pytest.mark.parametrize("path", ["/socket", "/events"])
@pytest.mark.parametrize("framework", APPS)
class TestInTheSameProcess:
    @pytest.mark.parametrize("verb", ["destroy", "regenerate"])
    async def test_it_ends_at_once(self, store: Any, framework: str, path: str, verb: str) -> None:
        """Not with the next check, which would come half an hour later."""
        client = Client(APPS[framework](store, session_check=3600, grace=3600))
        await client.post("/in")
        opened = await client.open(path).begun()
        await client.post(f"/act/{verb}")
        assert has_ended(path, await opened.ended())

    async def test_a_rotation_is_followed(self, store: Any, framework: str, path: str) -> None:
        client = Client(APPS[framework](store))
        await client.post("/in")
        opened = await client.open(path).begun()
        await client.post("/act/rotate")
        if path == "/socket":
            await opened.echo()
        await client.post("/act/destroy")
        assert has_ended(path, await opened.ended())

    async def test_another_session_ends_nothing(self, store: Any, framework: str, path: str) -> None:
        app = APPS[framework](store)
        client, other = Client(app), Client(app)
        await client.post("/in")
        await other.post("/in")
        opened = await client.open(path).begun()
        await other.post("/act/destroy")
        if path == "/socket":
            await opened.echo()
        assert not opened.task.done()
        await opened.leave()

    async def test_it_ends_when_the_session_expires(self, store: Any, framework: str, path: str) -> None:
        client = Client(APPS[framework](store, max_age=1.0))
        await client.post("/in")
        opened = await client.open(path).begun()
        assert has_ended(path, await opened.ended())

    async def test_nothing_is_left_behind(self, store: Any, framework: str, path: str) -> None:
        app = APPS[framework](store)
        layers = [app] if framework == "starlette" else app.middleware
        manager = next(each.manager for each in layers if hasattr(each, "manager"))
        client = Client(app)
        await client.post("/in")
        before = len(asyncio.all_tasks())
        for _ in range(3):
            opened = await client.open(path).begun()
            assert manager.operations.connections.count == 1
            await opened.leave()
        await asyncio.sleep(0)
        assert manager.operations.connections.count == 0
        assert len(asyncio.all_tasks()) <= before  # a store may have swept with the first write


@pytest.mark.parametrize("path", ["/socket", "/events"])
class TestElsewhere:
    """Two applications with a store each, as in two processes: what both use is the file or the server."""

    @pytest.fixture(params=["sqlite", "postgres", "redis", "cluster", "sentinel"])
    async def two(self, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Client, Client]]:
        url = url_of(request.param, request)
        stores = [open_store(url, timeout=30) for _ in range(2)]
        yield Client(kick_app(stores[0], session_check=0.2)), Client(kick_app(stores[1], session_check=0.2))
        for store in stores:
            await store.aclose()

    @pytest.mark.parametrize("way", ["/act/destroy", "/act/regenerate", "/revoke", "/end"])
    async def test_it_ends_within_the_time_of_a_check(self, two: Any, path: str, way: str) -> None:
        here, there = two
        await here.post("/in")
        there.cookie = here.cookie
        opened = await here.open(path).begun()
        await there.post(way)
        assert has_ended(path, await opened.ended())

    async def test_a_rotation_elsewhere_is_followed(self, two: Any, path: str) -> None:
        here, there = two
        await here.post("/in")
        there.cookie = here.cookie
        opened = await here.open(path).begun()
        await there.post("/act/rotate")
        await anyio.sleep(1.0)  # several checks: none of them may end it
        assert not opened.task.done()
        await there.post("/act/destroy")
        assert has_ended(path, await opened.ended())

    async def test_my_other_devices_end_and_mine_stays(self, two: Any, path: str) -> None:
        here, there = two
        await here.post("/in")
        await there.post("/in")
        mine, other = await there.open(path).begun(), await here.open(path).begun()
        await there.post("/others")
        assert has_ended(path, await other.ended())
        assert not mine.task.done()
        await mine.leave()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "postgres", "redis", "cluster", "sentinel"])
@pytest.mark.parametrize("path", ["/socket", "/events"])
async def test_a_session_that_is_prolonged_elsewhere_lives_on(
    path: str, kind: str, request: pytest.FixtureRequest
) -> None:
    url, life = url_of(kind, request), 4.0
    stores = [open_store(url, timeout=30) for _ in range(2)]
    here, there = (Client(kick_app(store, session_check=0.2, max_age=life)) for store in stores)
    while True:  # until the machine is quick enough to write before the session ends
        await here.post("/in")
        begun = time.monotonic()
        there.cookie = here.cookie
        opened = await here.open(path).begun()
        await anyio.sleep(life / 2)
        await there.post("/write")
        written = time.monotonic()
        await anyio.sleep(begun + 1.25 * life - written)  # it would have ended by now
        if written < begun + 0.9 * life and time.monotonic() < written + 0.9 * life:
            break
        await opened.leave()
    assert not opened.task.done()
    assert has_ended(path, await opened.ended())  # and then it ends
    for store in stores:
        await store.aclose()


@pytest.mark.parametrize("path", ["/socket", "/events"])
@pytest.mark.parametrize("way", ["/act/destroy", "/act/regenerate"])
async def test_over_a_custom_store_it_ends_within_the_time_of_a_check(path: str, way: str) -> None:
    rows = DictStore()
    here, there = (Client(kick_app(BasicStore(rows), session_check=0.2)) for _ in range(2))
    await here.post("/in")
    there.cookie = here.cookie
    opened = await here.open(path).begun()
    await there.post(way)
    assert has_ended(path, await opened.ended())


async def test_revoke_in_the_same_process_asks_at_once(atomic_store: Any) -> None:
    client = Client(kick_app(atomic_store, session_check=3600))
    await client.post("/in")
    opened = await client.open("/socket").begun()
    await client.post("/revoke")
    assert has_ended("/socket", await opened.ended())


@pytest.mark.parametrize("path", ["/socket", "/events"])
class TestWhatHappensAtOnce:
    """With a check once an hour, and a grace that asks for no more, so that nothing is found by it."""

    async def test_revoke_reaches_a_user_who_has_logged_in_since(self, atomic_store: Any, path: str) -> None:
        client = Client(kick_app(atomic_store, session_check=3600, grace=7200))
        await client.post("/begin")
        opened = await client.open(path).begun()
        await client.post("/claim")
        await client.post("/revoke")
        assert has_ended(path, await opened.ended())

    async def test_revoke_needs_no_list_of_the_sessions(
        self, atomic_store: Any, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Somebody who has filled many sessions could keep them for ever: the store cannot list them in time."""

        async def find(principal: str) -> Any:
            raise SessionUnavailable

        client = Client(kick_app(atomic_store, session_check=3600, grace=7200))
        await client.post("/begin")
        opened = await client.open(path).begun()
        await client.post("/claim")
        monkeypatch.setattr(atomic_store, "find", find)
        await client.post("/revoke")
        assert has_ended(path, await opened.ended())

    @pytest.mark.parametrize("kind", ["sqlite", "postgres", "redis"])
    async def test_revoke_reaches_a_user_whom_another_process_has_logged_in(
        self, kind: str, path: str, request: pytest.FixtureRequest
    ) -> None:
        url = url_of(kind, request)
        stores = [open_store(url, timeout=30) for _ in range(2)]
        here, there = (Client(kick_app(store, session_check=3600, grace=7200)) for store in stores)
        await here.post("/begin")
        there.cookie = here.cookie
        opened = await here.open(path).begun()
        await there.post("/claim")
        await here.post("/revoke")
        assert has_ended(path, await opened.ended())
        for store in stores:
            await store.aclose()

    @pytest.mark.parametrize("way", ["/act/destroy", "/act/regenerate", "/revoke", "/end", "/claim /revoke"])
    async def test_a_session_that_ends_while_the_connection_opens(self, atomic_store: Any, path: str, way: str) -> None:
        client = Client(kick_app(atomic_store, session_check=3600, grace=7200))
        await client.post("/begin" if "claim" in way else "/in")
        other = Client(client.app)
        other.cookie = client.cookie

        async def meanwhile(_: Any) -> None:
            for step in way.split():
                await other.post(step)

        opened = client.open(path, meanwhile=meanwhile)
        assert has_ended(path, await opened.ended())

    @pytest.mark.parametrize("saves", [False, True])
    async def test_a_session_that_ends_while_a_connection_of_another_framework_opens(
        self, store: Any, path: str, saves: bool
    ) -> None:
        client = Client(starlette_app(store, session_check=3600, grace=7200))
        await client.post("/in")
        other = Client(client.app)
        other.cookie = client.cookie

        async def meanwhile(session: Any) -> None:
            await other.post("/act/destroy")
            if saves:
                assert not await session.save()

        assert has_ended(path, await client.open(path, meanwhile=meanwhile).ended())

    async def test_a_rotation_while_the_connection_opens_is_followed(self, store: Any, path: str) -> None:
        client = Client(kick_app(store, session_check=3600, grace=7200))
        await client.post("/in")
        other = Client(client.app)
        other.cookie = client.cookie
        opened = await client.open(path, meanwhile=lambda _: other.post("/act/rotate")).begun()
        if path == "/socket":
            await opened.echo()
        assert not opened.task.done()
        await other.post("/act/destroy")
        assert has_ended(path, await opened.ended())

    async def test_who_finds_out_before_the_connection_is_open(self, store: Any, path: str) -> None:
        client = Client(kick_app(store, session_check=3600, grace=7200))
        await client.post("/in")
        other = Client(client.app)
        other.cookie = client.cookie

        async def meanwhile(session: Any) -> None:
            await other.post("/act/destroy")
            assert not await session.save()

        opened = client.open(path, meanwhile=meanwhile)
        assert has_ended(path, await opened.ended())


async def test_an_outage_ends_nothing(store: Any) -> None:
    client = Client(kick_app(store, session_check=0.1))
    await client.post("/in")
    opened = await client.open("/socket").begun()
    load, asked = store.load, asyncio.Event()

    async def down(key: str) -> Any:
        asked.set()
        raise OSError("the store is down")

    store.load = down
    async with asyncio.timeout(QUICKLY):
        await asked.wait()
    await opened.echo()
    store.load = load
    await client.post("/act/destroy")
    assert has_ended("/socket", await opened.ended())


async def test_many_sockets_of_a_session_cost_one_call(store: Any) -> None:
    client = Client(kick_app(store, session_check=0.1))
    await client.post("/in")
    sockets = [await client.open("/socket").begun() for _ in range(10)]
    calls, load, third = calls_to(store), store.load, asyncio.Event()

    def counted(key: str) -> Any:
        if len(calls) >= 2:
            third.set()
        return load(key)

    store.load = counted
    async with asyncio.timeout(QUICKLY):
        await third.wait()
    assert len(calls) < 10
    for each in sockets:
        await each.leave()


async def test_a_session_that_is_not_stored_has_no_end_and_costs_nothing(store: Any) -> None:
    client = Client(kick_app(store, session_check=0.05))
    calls = calls_to(store)
    opened = await client.open("/socket").begun()
    await opened.echo()
    assert calls == []
    await opened.leave()


async def test_of_two_nested_layers_the_inner_is_the_session_and_both_commit(store: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["inner"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def between(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["outer"] = 1
        await inner(scope, receive, send)

    inner = SessionMiddleware(app, SECRET, cookie_name="inner.sid", save_uninitialized=False)
    outer = SessionMiddleware(between, SECRET, store=store, save_uninitialized=False)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = Client(outer).scope("http", "/", "GET")
    await outer(scope, asyncio.Queue().get, send)
    cookies = [value.partition(b"=")[0] for name, value in sent[0]["headers"] if name == b"set-cookie"]
    assert sorted(cookies) == [b"inner.sid", b"kick.sid"]


class TestTheRegistry:
    """What a connection, a loop or a store may do to the others."""

    def make(self, answers: dict[str, Any]) -> tuple[Connections, Record]:
        async def load(key: str) -> Any:
            answer = answers[key]
            return await answer if asyncio.isfuture(answer) else answer

        return Connections(load, time.time, 3600), self.record(2e9)

    def record(self, expires_at: float) -> Record:
        return Record(fields={}, created_at=0.0, issued_at=0.0, seen_at=0.0, expires_at=expires_at, principal="7")

    async def test_an_error_of_one_connection_disturbs_no_other(self) -> None:
        connections, record = self.make({})

        def failing() -> None:
            raise LookupError("a mistake of the connection")

        told: list[int] = []
        connections.add("a" * 36, record, failing)
        connections.add("a" * 36, record, lambda: told.append(1))
        connections.ended(key_of("a" * 36))
        assert told == [1]

    @pytest.mark.parametrize(("interval", "others_are_asked"), [(3600, False), (0.2, True)])
    async def test_a_session_that_expires_costs_no_call_for_the_others(
        self, interval: float, *, others_are_asked: bool
    ) -> None:
        asked: list[str] = []
        known = {key_of(f"{number:036}"): self.record(2e9) for number in range(100)}
        known[key_of("b" * 36)] = self.record(time.time() + 0.3)

        async def load(key: str) -> Record | None:
            asked.append(key)
            return known[key] if known[key].expires_at > time.time() else None

        connections = Connections(load, time.time, interval)
        told = asyncio.Event()
        cancels = [connections.add("b" * 36, known[key_of("b" * 36)], told.set)]
        cancels += [
            connections.add(f"{number:036}", record, told.set)
            for number, record in enumerate(list(known.values())[:100])
        ]
        await asyncio.wait_for(told.wait(), QUICKLY)
        assert (set(asked) > {key_of("b" * 36)}) is others_are_asked
        for cancel in cancels:
            cancel()
        assert connections.count == 0

    async def test_a_rotation_while_the_store_is_asked_is_no_end(self) -> None:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        connections, record = self.make({key_of("a" * 36): answer})
        told: list[int] = []
        connections.add("a" * 36, record, lambda: told.append(1))
        checking = asyncio.ensure_future(connections.revoked("7", []))
        for _ in range(5):  # until the store has been asked
            await asyncio.sleep(0)
        new = generate_successor("a" * 36)
        connections.renamed(key_of("a" * 36), new)
        answer.set_result(Superseded(forward_to_id(new, "a" * 36)))
        await checking
        assert (told, connections.count) == ([], 1)
        connections.ended(key_of(new))
        assert told == [1]

    async def test_connections_under_the_old_and_the_new_id_leave_nothing_behind(self) -> None:
        new = generate_successor("a" * 36)
        connections, record = self.make({})
        removes = [connections.add(each, record, lambda: None) for each in ("a" * 36, new)]
        connections.renamed(key_of("a" * 36), new)
        assert connections.count == 1
        for remove in reversed(removes):
            remove()
        assert connections.count == 0

    async def test_a_loop_that_is_closed_disturbs_nobody(self) -> None:
        connections, record = self.make({})

        async def elsewhere() -> None:
            connections.add("a" * 36, record, lambda: None)

        await asyncio.to_thread(asyncio.run, elsewhere())
        connections.ended(key_of("a" * 36))
        connections.renamed(key_of("a" * 36), generate_successor("a" * 36))
        assert connections.count == 0


async def test_a_socket_of_another_framework_that_only_sends_is_closed(store: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            session = scope["session"]
            await (session.destroy() if scope["path"] == "/out" else session.regenerate())
            session["user"] = 7 if scope["path"] != "/out" else session.get("user")
        await send_all(scope, receive, send)

    async def send_all(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await gone.wait()
            await send({"type": "websocket.send", "text": "too late"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    gone = asyncio.Event()
    client = Client(SessionMiddleware(logout_aware(app), SECRET, store=store, save_uninitialized=False))
    await client.post("/in")
    opened = await client.open("/socket").begun()
    await client.post("/out")
    await opened.until(lambda sent: sent[-1]["type"] == "websocket.close")
    gone.set()
    assert has_ended("/socket", await opened.ended())


def logout_aware(app: Any) -> Any:
    """Leave the session alone once it is destroyed."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except SessionClosed:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    return wrapped
