"""Sessions in WebSockets: loaded at the handshake, saved with the acceptance, and explicitly after it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from kick import App, Controller, Get, Module, RequestContext, Socket, WebSocket, bootstrap
from kick.session import session
from kick.session.errors import SessionClosed
from kick.session.stores.memory import MemoryStore
from kick.testing import TestClient
from tests.session.harness import calls_to

SECRET = "a secret of at least thirty-two bytes"


class CountingStore(MemoryStore):
    """Counts what is asked of it, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.calls = calls_to(self)
        for name in ("load", "create"):
            setattr(self, name, self._failing(getattr(self, name)))

    def _failing(self, operation: Any) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            if self.down:
                raise OSError("the store is down")
            return await operation(*args, **options)

        return call


async def tried(call: Callable[[], Awaitable[Any]]) -> str:
    """What a call returns, or why it was refused."""
    try:
        return repr(await call())
    except SessionClosed as error:
        return str(error).partition(": ")[2].partition(",")[0]


@Controller()
class Account:
    @Get("/login")
    async def login(self, ctx: RequestContext) -> None:
        ctx.session["user"] = "Ada"

    @Get("/read")
    async def read(self, ctx: RequestContext) -> dict[str, Any]:
        return dict(ctx.session.data)

    @Get("/logout")
    async def logout(self, ctx: RequestContext) -> None:
        await ctx.session.destroy()

    @WebSocket("/who")
    async def who(self, socket: Socket[str, Any]) -> None:
        await socket.send(socket.session.get("user"))

    @WebSocket("/before")
    async def before(self, socket: Socket[str, Any]) -> None:
        socket.session["began"] = "here"
        await socket.accept()
        await socket.send(socket.session["began"])

    @WebSocket("/refused")
    async def refused(self, socket: Socket) -> None:
        socket.session["tried"] = True
        await socket.close()

    @WebSocket("/after")
    async def after(self, socket: Socket[str, Any]) -> None:
        mine = socket.session

        async def write() -> None:
            mine["note"] = "written"

        verbs: dict[str, Callable[[], Awaitable[Any]]] = {
            "write": write,
            "save": mine.save,
            "increment": lambda: mine.increment("count"),
            "regenerate": mine.regenerate,
            "rotate": mine.rotate,
            "destroy": mine.destroy,
        }
        async for verb in socket:
            await socket.send(await tried(verbs[verb]))

    @WebSocket("/off", session=False)
    async def off(self, socket: Socket) -> None:
        await socket.send(socket.context.opened_session is None)

    @WebSocket("/idle")
    async def idle(self, socket: Socket) -> None:
        await socket.send(True)

    @WebSocket("/guarded")
    async def guarded(self, socket: Socket, member: "Member") -> None:
        await socket.send(member.name)


class Member:
    def __init__(self, name: str) -> None:
        self.name = name


async def member(ctx: RequestContext) -> AsyncIterator[Member]:
    yield Member(ctx.session.data.get("user", "nobody"))


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


def make_app(store: CountingStore, **options: Any) -> App:
    module = Module("account", controllers=[Account], providers=[member])
    return bootstrap([module], [session(SECRET, store=store, **options)])


@pytest.fixture
def client(store: CountingStore) -> Iterator[TestClient]:
    with TestClient(make_app(store, save_uninitialized=False)) as client:
        yield client


def say(client: TestClient, path: str, *messages: str) -> list[Any]:
    """The first answer, or that to each message."""
    with client.websocket_connect(path) as socket:
        if not messages:
            return [socket.receive_json()]
        answers = []
        for message in messages:
            socket.send_text(message)
            answers.append(socket.receive_json())
        return answers


def test_the_session_of_the_handshake_is_there_with_one_load(client: TestClient, store: CountingStore) -> None:
    client.get("/login")
    store.calls.clear()
    assert say(client, "/who") == ["Ada"]
    assert store.calls == ["load"]
    assert say(client, "/guarded") == ["Ada"]


def test_switched_off_it_costs_nothing(client: TestClient, store: CountingStore) -> None:
    client.get("/login")
    store.calls.clear()
    assert say(client, "/off") == [True]
    assert store.calls == []


def test_what_is_written_before_the_acceptance_is_saved_and_its_cookie_goes_with_it(
    client: TestClient, store: CountingStore
) -> None:
    with client.websocket_connect("/before") as socket:
        headers = dict(socket.extra_headers or ())
        assert headers[b"set-cookie"].startswith(b"kick.sid=")
        assert headers[b"cache-control"] == b"no-store"
        assert socket.receive_json() == "here"
    client.cookies.set("kick.sid", headers[b"set-cookie"].decode().partition("=")[2].partition(";")[0])
    assert client.get("/read").json() == {"began": "here"}


def test_a_visitor_who_writes_nothing_gets_no_cookie(client: TestClient, store: CountingStore) -> None:
    with client.websocket_connect("/who") as socket:
        assert b"set-cookie" not in dict(socket.extra_headers or ())
        assert socket.receive_json() is None
    assert store.calls == []


def test_a_session_that_is_stored_for_every_visitor_is_stored_at_the_handshake(store: CountingStore) -> None:
    with TestClient(make_app(store)) as client, client.websocket_connect("/after") as socket:
        assert b"set-cookie" in dict(socket.extra_headers or ())
        socket.send_text("write")
        assert socket.receive_json() == "None"
        socket.send_text("save")
        assert socket.receive_json() == "True"


def test_a_refused_handshake_saves_what_was_written(client: TestClient) -> None:
    with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect("/refused"):
        pytest.fail("it was accepted")
    assert caught.value.status_code == 403
    assert "set-cookie" in caught.value.headers


def test_after_the_acceptance_save_writes(client: TestClient, store: CountingStore) -> None:
    client.get("/login")
    with client.websocket_connect("/after") as socket:
        socket.send_text("write")
        assert socket.receive_json() == "None"
        assert client.get("/read").json() == {"user": "Ada"}
        socket.send_text("save")
        assert socket.receive_json() == "True"
        assert client.get("/read").json() == {"user": "Ada", "note": "written"}
    assert say(client, "/after", "increment", "increment") == ["1", "2"]


def test_what_is_not_saved_is_dropped(client: TestClient, store: CountingStore) -> None:
    client.get("/login")
    assert say(client, "/after", "write") == ["None"]
    assert client.get("/read").json() == {"user": "Ada"}


def test_save_says_that_the_session_has_ended_until_the_socket_is_closed(client: TestClient) -> None:
    client.get("/login")
    with client.websocket_connect("/after") as socket:
        client.get("/logout")
        answers: list[Any] = []
        with pytest.raises(WebSocketDisconnect) as closed:
            talk_until_closed(socket, "save", answers)
    assert closed.value.code == 4401
    assert set(answers) <= {"False"}
    assert client.get("/read").json() == {}


def talk_until_closed(socket: Any, word: str, answers: list[Any]) -> None:
    while True:
        socket.send_text(word)
        answers.append(socket.receive_json())


def test_a_destroyed_session_refuses_writes(client: TestClient) -> None:
    client.get("/login")
    answers = say(client, "/after", "destroy", "write", "save")
    assert answers == ["None", "it was destroyed. For a new one", "False"]
    assert client.get("/read").json() == {}


def test_no_new_id_is_drawn_that_no_cookie_could_carry(client: TestClient) -> None:
    client.get("/login")
    assert say(client, "/after", "regenerate", "rotate") == ["the handshake is over", "the handshake is over"]
    assert client.get("/read").json() == {"user": "Ada"}


def test_a_session_that_was_not_stored_by_then_takes_no_writes(client: TestClient, store: CountingStore) -> None:
    verbs = ["write", "save", "increment", "regenerate", "destroy"]
    assert say(client, "/after", *verbs) == ["the handshake is over"] * 5
    assert store.calls == []


def test_a_store_that_is_down_refuses_who_uses_the_session_and_nobody_else(
    client: TestClient, store: CountingStore
) -> None:
    client.get("/login")
    store.down = True
    with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect("/guarded"):
        pytest.fail("it was accepted")
    assert caught.value.status_code == 503
    assert caught.value.headers["retry-after"] == "1"
    with client.websocket_connect("/after") as socket:
        socket.send_text("write")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == 1011
    assert closed.value.reason == "The session store does not answer."
    assert say(client, "/idle") == [True]


def test_a_store_that_fails_at_the_acceptance_refuses(client: TestClient, store: CountingStore) -> None:
    store.down = True
    with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect("/before"):
        pytest.fail("it was accepted")
    assert caught.value.status_code == 503


@pytest.mark.parametrize(("base", "is_secure"), [("ws://testserver", False), ("wss://testserver", True)])
def test_with_secure_auto_the_cookie_is_secure_over_wss(store: CountingStore, base: str, is_secure: bool) -> None:
    app = make_app(store, save_uninitialized=False, cookie={"secure": "auto"})
    with TestClient(app) as client, client.websocket_connect(f"{base}/before") as socket:
        cookie = dict(socket.extra_headers or ())[b"set-cookie"].decode()
        assert cookie.endswith("; Secure") is is_secure
