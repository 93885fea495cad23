"""`SessionMiddleware` in applications that are not written with kick, WebSockets included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from litestar import Litestar
from litestar import Request as LitestarRequest
from litestar import WebSocket as LitestarWebSocket
from litestar import get as litestar_get
from litestar import post as litestar_post
from litestar import websocket as litestar_websocket
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from kick.session import MemoryStore, SessionClosed, SessionMiddleware, Sessions
from tests.session.harness import SECRET
from tests.session.test_order import BrokenStore

OPTIONS: dict[str, Any] = {"secret": SECRET, "save_uninitialized": False}


async def converse(session: Any, accept: Any, receive: Any, send: Any) -> None:
    """What every framework's WebSocket does here: whatever the client says, and tells how it went."""
    who = session.get("user_id")
    await accept()
    await send({"user_id": who})
    while (word := await receive()) != "bye":
        try:
            if word in ("destroy", "regenerate", "rotate"):
                done = await getattr(session, word)()
            else:
                session["word"] = word
                done = await session.save()
            await send({"done": done})
        except SessionClosed as error:
            await send({"refused": str(error)})


def starlette_app(store: Any) -> Any:
    async def login(request: Request) -> JSONResponse:
        request.session["user_id"] = 7
        request.session.setdefault("visits", []).append("login")
        return JSONResponse({"in": True})

    async def me(request: Request) -> JSONResponse:
        return JSONResponse({"user_id": request.session.get("user_id"), "visits": request.session.get("visits", [])})

    async def logout(request: Request) -> JSONResponse:
        await request.session.destroy()  # type: ignore[attr-defined]
        return JSONResponse({"in": False})

    async def untouched(request: Request) -> JSONResponse:
        return JSONResponse({})

    async def late(request: Request) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                request.session["late"] = True
            except RuntimeError:
                yield b"refused"

        return StreamingResponse(chunks())

    async def crash(request: Request) -> JSONResponse:
        request.session["user_id"] = 8
        raise RuntimeError("a mistake")

    async def regenerate_and_crash(request: Request) -> JSONResponse:
        await request.session.regenerate()  # type: ignore[attr-defined]
        raise RuntimeError("a mistake")

    async def socket(websocket: Any) -> None:
        await converse(websocket.session, websocket.accept, websocket.receive_text, websocket.send_json)
        await websocket.close()

    routes = [
        Route("/login", login, methods=["POST"]),
        Route("/me", me),
        Route("/logout", logout, methods=["POST"]),
        Route("/untouched", untouched),
        Route("/late", late),
        Route("/crash", crash),
        Route("/regenerate-and-crash", regenerate_and_crash),
        WebSocketRoute("/socket", socket),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(SessionMiddleware, store=store, **OPTIONS)
    return app


def fastapi_app(store: Any) -> Any:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, store=store, **OPTIONS)

    async def login(request: Request) -> dict[str, bool]:
        request.session["user_id"] = 7
        request.session.setdefault("visits", []).append("login")
        return {"in": True}

    async def me(request: Request) -> dict[str, Any]:
        return {"user_id": request.session.get("user_id"), "visits": request.session.get("visits", [])}

    async def logout(request: Request) -> dict[str, bool]:
        await request.session.destroy()  # type: ignore[attr-defined]
        return {"in": False}

    async def socket(websocket: WebSocket) -> None:
        await converse(websocket.session, websocket.accept, websocket.receive_text, websocket.send_json)
        await websocket.close()

    login.__annotations__["request"] = me.__annotations__["request"] = Request
    logout.__annotations__["request"] = Request
    socket.__annotations__["websocket"] = WebSocket
    app.post("/login")(login)
    app.get("/me")(me)
    app.post("/logout")(logout)
    app.websocket("/socket")(socket)
    return app


def litestar_app(store: Any) -> Any:
    async def login(request: LitestarRequest[Any, Any, Any]) -> dict[str, bool]:
        request.session["user_id"] = 7
        request.session.setdefault("visits", []).append("login")
        return {"in": True}

    async def me(request: LitestarRequest[Any, Any, Any]) -> dict[str, Any]:
        return {"user_id": request.session.get("user_id"), "visits": request.session.get("visits", [])}

    async def logout(request: LitestarRequest[Any, Any, Any]) -> dict[str, bool]:
        await request.session.destroy()  # pyright: ignore[reportAttributeAccessIssue]
        return {"in": False}

    async def socket(socket: LitestarWebSocket[Any, Any, Any]) -> None:
        await converse(socket.session, socket.accept, socket.receive_text, socket.send_json)
        await socket.close()

    socket.__annotations__["socket"] = LitestarWebSocket[Any, Any, Any]
    socket.__annotations__["return"] = None
    for handler in (login, me, logout):
        handler.__annotations__["request"] = LitestarRequest[Any, Any, Any]
    login.__annotations__["return"] = logout.__annotations__["return"] = dict[str, bool]
    me.__annotations__["return"] = dict[str, Any]
    handlers = [
        litestar_post("/login", status_code=200)(login),
        litestar_get("/me")(me),
        litestar_post("/logout", status_code=200)(logout),
        litestar_websocket("/socket")(socket),
    ]
    inner: Any = SessionMiddleware
    middleware = DefineMiddleware(inner, store=store, **OPTIONS)
    return Litestar(handlers, middleware=[middleware])


MAKERS: list[Callable[[Any], Any]] = [starlette_app, fastapi_app, litestar_app]


def test_headers_that_come_as_lists_are_changed_as_well() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": [[b"vary", b"Accept"]]})
        await send({"type": "http.response.body", "body": b""})

    answer = TestClient(SessionMiddleware(app, **OPTIONS)).get("/")
    assert answer.headers["vary"] == "Accept, Cookie"
    assert "kick.sid" in answer.cookies


@pytest.mark.parametrize("make_app", MAKERS)
def test_login_me_logout_and_a_replayed_cookie(make_app: Callable[[Any], Any]) -> None:
    with TestClient(make_app(MemoryStore())) as client:
        nobody = client.get("/me")
        assert nobody.json() == {"user_id": None, "visits": []}
        assert "set-cookie" not in nobody.headers
        assert nobody.headers["vary"] == "Cookie"
        logged_in = client.post("/login")
        assert logged_in.headers["set-cookie"].startswith("kick.sid=s:")
        assert logged_in.headers["cache-control"] == "no-store"
        cookie = client.cookies["kick.sid"]
        me = client.get("/me")
        assert me.json() == {"user_id": 7, "visits": ["login"]}
        assert "set-cookie" not in me.headers
        assert "Max-Age=0" in client.post("/logout").headers["set-cookie"]
        client.cookies.set("kick.sid", cookie)
        assert client.get("/me").json() == {"user_id": None, "visits": []}


@pytest.mark.parametrize("make_app", MAKERS)
def test_a_store_that_is_down_is_a_503(make_app: Callable[[Any], Any]) -> None:
    store = BrokenStore()
    with TestClient(make_app(store), raise_server_exceptions=False) as client:
        client.post("/login")
        for broken in ("load", "commit"):
            store.broken = frozenset({broken})
            answer = client.post("/login")
            assert answer.status_code == 503
            assert "set-cookie" not in answer.headers
        store.broken = frozenset()
        assert client.get("/me").json()["user_id"] == 7


def test_a_request_that_does_not_touch_the_session_works_while_the_store_is_down() -> None:
    store = BrokenStore()
    with TestClient(starlette_app(store)) as client:
        client.post("/login")
        store.broken = frozenset({"load"})
        answer = client.get("/untouched")
        assert answer.status_code == 200
        assert "vary" not in answer.headers


def test_a_write_after_the_response_has_started_is_refused() -> None:
    with TestClient(starlette_app(MemoryStore())) as client:
        assert client.get("/late").content == b"refused"


def test_a_crash_saves_nothing() -> None:
    with TestClient(starlette_app(MemoryStore()), raise_server_exceptions=False) as client:
        client.post("/login")
        assert client.get("/crash").status_code == 500
        assert client.get("/me").json()["user_id"] == 7


def test_a_crash_after_a_regenerate_still_sends_the_new_cookie() -> None:
    with TestClient(starlette_app(MemoryStore()), raise_server_exceptions=False) as client:
        client.post("/login")
        crashed = client.get("/regenerate-and-crash")
        assert crashed.status_code == 500
        assert "kick.sid=s:" in crashed.headers["set-cookie"]
        assert client.get("/me").json()["user_id"] == 7


def test_mounted_twice_the_second_does_nothing() -> None:
    app = starlette_app(MemoryStore())
    outer = SessionMiddleware(app, **OPTIONS)
    with TestClient(outer) as client:
        assert len(client.post("/login").headers.get_list("set-cookie")) == 1
        assert client.get("/me").json()["user_id"] == 7


def test_the_same_cookie_is_understood_by_all() -> None:
    store = MemoryStore()
    with TestClient(starlette_app(store)) as client:
        client.post("/login")
        cookie = client.cookies["kick.sid"]
    for make_app in MAKERS:
        with TestClient(make_app(store), cookies={"kick.sid": cookie}) as other:
            assert other.get("/me").json()["user_id"] == 7


def say(client: TestClient, *words: str) -> list[Any]:
    """Who the client is told to be, and the answer to each word."""
    with client.websocket_connect("/socket") as socket:
        told = [socket.receive_json()["user_id"]]
        for word in words:
            socket.send_text(word)
            told.append(socket.receive_json())
        socket.send_text("bye")
    return told


@pytest.mark.parametrize("make_app", MAKERS)
def test_a_websocket_has_the_session_of_its_handshake(make_app: Callable[[Any], Any]) -> None:
    with TestClient(make_app(MemoryStore())) as client:
        assert say(client) == [None]
        client.post("/login")
        assert say(client) == [7]


@pytest.mark.parametrize("make_app", MAKERS)
def test_a_websocket_saves_explicitly_and_knows_of_a_logout(make_app: Callable[[Any], Any]) -> None:
    with TestClient(make_app(MemoryStore())) as client:
        client.post("/login")
        with pytest.raises(WebSocketDisconnect) as closed:
            save_until_closed(client)
        assert closed.value.code == 4401
        assert client.get("/me").json()["user_id"] is None


def save_until_closed(client: TestClient) -> None:
    with client.websocket_connect("/socket") as socket:
        socket.receive_json()
        socket.send_text("first")
        assert socket.receive_json() == {"done": True}
        client.post("/logout")
        while True:  # the socket may be told a moment later, and saves nothing until then
            socket.send_text("second")
            assert socket.receive_json() == {"done": False}


@pytest.mark.parametrize("make_app", MAKERS)
def test_a_session_that_a_websocket_has_destroyed_refuses_writes(make_app: Callable[[Any], Any]) -> None:
    with TestClient(make_app(MemoryStore())) as client:
        client.post("/login")
        who, destroyed, written = say(client, "destroy", "word")
        assert (who, destroyed) == (7, {"done": None})
        assert "it was destroyed" in written["refused"]
        assert client.get("/me").json()["user_id"] is None


@pytest.mark.parametrize("make_app", MAKERS)
def test_a_websocket_draws_no_id_that_no_cookie_could_carry(make_app: Callable[[Any], Any]) -> None:
    """The browser would be left with an id that leads to nothing."""
    with TestClient(make_app(MemoryStore())) as client:
        client.post("/login")
        _, *told = say(client, "regenerate", "rotate")
        assert all("no cookie can be sent any more" in each["refused"] for each in told)
        assert client.get("/me").json()["user_id"] == 7


def test_a_websocket_stores_no_session_that_no_cookie_could_lead_to() -> None:
    store = MemoryStore()
    with TestClient(starlette_app(store)) as client:
        _, refused = say(client, "word")
        assert "no cookie can be sent any more" in refused["refused"]
        assert len(store) == 0


@pytest.mark.parametrize("verb", ["regenerate", "rotate", "save", "destroy"])
def test_what_is_done_before_the_acceptance_goes_with_its_cookie(verb: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            scope["session"]["seen"] = True
            await getattr(scope["session"], verb)()
            await scope["session"].save()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
        elif scope["type"] == "http":
            scope["session"].setdefault("n", 1)
            await JSONResponse(dict(scope["session"]))(scope, receive, send)

    client = TestClient(SessionMiddleware(app, store=MemoryStore(), **OPTIONS))
    if verb != "save":
        client.get("/")
    with client.websocket_connect("/") as socket:
        (cookie,) = [value for name, value in socket.extra_headers or () if name == b"set-cookie"]
    value, _, attributes = cookie.decode().partition("; ")
    assert ("Max-Age=0" in attributes) is (verb == "destroy")
    client.cookies.clear()
    client.cookies.set("kick.sid", value.partition("=")[2])
    assert client.get("/").json() == ({"n": 1} if verb == "destroy" else {"n": 1, "seen": True})


@pytest.mark.parametrize("make_app", MAKERS)
def test_a_websocket_that_needs_a_store_that_is_down_is_refused(make_app: Callable[[Any], Any]) -> None:
    store = BrokenStore()
    with TestClient(make_app(store)) as client:
        client.post("/login")
        store.broken = frozenset({"load"})
        with (
            pytest.raises((WebSocketDenialResponse, WebSocketDisconnect)) as refused,
            client.websocket_connect("/socket"),
        ):
            pass
        if isinstance(refused.value, WebSocketDenialResponse):
            assert refused.value.status_code == 503
            assert refused.value.headers["retry-after"] == "1"
        store.broken = frozenset()
        assert say(client) == [7]


@pytest.mark.parametrize(("base", "is_secure"), [("http://testserver", False), ("https://testserver", True)])
def test_with_secure_auto_the_cookie_is_secure_over_https_and_wss(base: str, is_secure: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["seen"] = True
        await scope["session"].save()
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
        else:
            await JSONResponse({})(scope, receive, send)

    sessions = SessionMiddleware(app, cookie={"secure": "auto"}, **OPTIONS)
    over_http = TestClient(sessions, base).get("/").headers["set-cookie"]
    with TestClient(sessions, base).websocket_connect(f"{base.replace('http', 'ws')}/") as socket:
        (over_ws,) = [value.decode() for name, value in socket.extra_headers or () if name == b"set-cookie"]
    for cookie in (over_http, over_ws):
        assert cookie.endswith("; Secure") is is_secure


def test_a_request_that_revokes_its_own_session_and_logs_out_removes_the_cookie() -> None:
    async def login(request: Request) -> JSONResponse:
        request.session.principal = 7  # type: ignore[attr-defined]
        return JSONResponse({})

    async def log_out_everywhere(request: Request) -> JSONResponse:
        assert await Sessions(app.manager).revoke(7) == 1
        await request.session.destroy()  # type: ignore[attr-defined]
        with pytest.raises(SessionClosed):
            request.session["a"] = 1
        return JSONResponse({})

    routes = [Route("/login", login, methods=["POST"]), Route("/logout", log_out_everywhere, methods=["POST"])]
    app = SessionMiddleware(Starlette(routes=routes), **OPTIONS)
    with TestClient(app, base_url="https://testserver") as client:
        client.post("/login")
        assert "Max-Age=0" in client.post("/logout").headers["set-cookie"]
        assert not client.cookies
