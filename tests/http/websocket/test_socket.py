"""WebSockets on controllers, over real connections to each of the servers, with a client of another house."""

import builtins
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from kick import (
    Controller,
    Forbidden,
    Get,
    HTTPError,
    InvalidMessage,
    Module,
    Provider,
    RequestContext,
    Service,
    ServiceUnavailable,
    Socket,
    SocketClosed,
    Unauthorized,
    Use,
    WebSocket,
    bootstrap,
)
from kick.http import CallNext, Response
from kick.session import session
from tests.support.servers import SOCKET_SERVERS
from tests.support.sockets import client
from tests.support.waiting import wait_until

SECRET = "a secret of at least thirty-two bytes"


class Say(msgspec.Struct, tag="say"):
    text: str


class Add(msgspec.Struct, tag="add"):
    numbers: list[int]


class Sum(msgspec.Struct, tag="sum"):
    total: int


class Page(msgspec.Struct):
    number: int = 1


@Service()
class Diary:
    """What handlers tell of themselves."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.released = threading.Event()

    def wait_for(self, entry: str) -> None:
        wait_until(lambda: entry in self.entries, entry)


@dataclass
class User:
    name: str
    seen: list[str] = field(default_factory=list)


async def current_user(ctx: RequestContext, diary: Diary) -> AsyncIterator[User]:
    name = ctx.query.get("user")
    if name is None:
        raise Unauthorized("Log in first.")
    yield User(name)
    diary.entries.append(f"{name} released")


@Controller("/messages")
class MessageController:
    @WebSocket("/typed")
    async def typed(self, socket: Socket[Say | Add, Say | Sum]) -> None:
        async for message in socket:
            match message:
                case Say():
                    await socket.send(message)
                case Add():
                    await socket.send(Sum(sum(message.numbers)))

    @WebSocket("/replying", on_invalid="reply")
    async def replying(self, socket: Socket[Say | Add, Sum]) -> None:
        async for message in socket:
            await socket.send(Sum(len(str(message))))

    @WebSocket("/catching")
    async def catching(self, socket: Socket[Say, str]) -> None:
        while True:
            try:
                message = await socket.receive()
            except InvalidMessage as error:
                await socket.send(f"{error.code} {error.errors[0]['location']}")
            else:
                await socket.send(message.text)

    @WebSocket("/text")
    async def text(self, socket: Socket[str, str]) -> None:
        async for text in socket:
            await socket.send(text[::-1])

    @WebSocket("/bytes")
    async def bytes(self, socket: Socket[bytes, bytes]) -> None:
        async for data in socket:
            await socket.send(data[::-1])

    @WebSocket("/both")
    async def both(self, socket: Socket[str | builtins.bytes, str | builtins.bytes]) -> None:
        async for message in socket:
            await socket.send(message[::-1])

    @WebSocket("/mixed")
    async def mixed(self, socket: Socket[Add | Say | builtins.bytes, Sum | builtins.bytes]) -> None:
        async for message in socket:
            await socket.send(Sum(sum(message.numbers)) if isinstance(message, Add) else b"not a sum")

    @WebSocket("/raw")
    async def raw(self, socket: Socket) -> None:
        await socket.send_text(await socket.receive_text())
        await socket.send_bytes(await socket.receive_bytes())
        await socket.send({"any": await socket.receive()})

    @WebSocket("/small", max_message=8)
    async def small(self, socket: Socket[str, str]) -> None:
        async for text in socket:
            await socket.send(text)


@Controller("/bound")
class BoundController:
    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    @WebSocket("/rooms/{room}/{number}")
    async def room(self, socket: Socket, room: str, number: int, query: Page, user: User, diary: Diary) -> None:
        assert diary is self.diary
        await socket.send([room, number, query.number, user.name, socket.params])

    @WebSocket("/handshake")
    async def handshake(self, socket: Socket, ctx: RequestContext) -> None:
        route = socket.route
        assert socket.context is ctx
        assert route is not None
        await socket.send(
            {
                "query": dict(socket.query),
                "header": socket.headers["x-color"],
                "cookies": socket.cookies,
                "ip": socket.client_ip,
                "path": socket.path,
                "scheme": socket.url.scheme,
                "route": route.name,
                "method": ctx.method,
            }
        )

    @WebSocket("/subprotocol")
    async def subprotocol(self, socket: Socket, ctx: RequestContext) -> None:
        ctx.set_cookie("one", "1")
        ctx.set_cookie("two", "2")
        await socket.accept(subprotocol=socket.subprotocols[-1], headers={"x-version": "7"})
        await socket.send(None)

    @Get("/shared")
    async def page(self) -> str:
        return "a page"

    @WebSocket("/shared")
    async def shared(self, socket: Socket[str, str]) -> None:
        await socket.send("a socket")


@Controller("/ends")
class EndController:
    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    @WebSocket("/return")
    async def returns(self, socket: Socket) -> None:
        await socket.accept()

    @WebSocket("/close")
    async def closes(self, socket: Socket) -> None:
        await socket.accept()
        await socket.close(4001, "ä" * 100)
        await socket.close(1000)
        with pytest.raises(SocketClosed) as caught:
            await socket.send(1)
        self.diary.entries.append(f"closed {caught.value.code}")

    @WebSocket("/before/{what}")
    async def before(self, socket: Socket, what: str) -> None:
        match what:
            case "http":
                raise HTTPError(402, "Pay first.", headers={"x-price": "7"}, balance=3)
            case "bug":
                raise ValueError("a secret detail")
            case "close":
                await socket.close(1008, "Not you.")
            case _:
                pass

    @WebSocket("/after/{what}")
    async def after(self, socket: Socket, what: str) -> None:
        await socket.accept()
        match what:
            case "http":
                raise Forbidden("Not any more. " + "ä" * 200)
            case "unavailable":
                raise ServiceUnavailable("Later.")
            case _:
                raise ValueError("a secret detail")

    @WebSocket("/client")
    async def by_client(self, socket: Socket[str, str]) -> None:
        async for _ in socket:
            pass
        self.diary.entries.append("iteration ended")
        try:
            await socket.receive()
        except SocketClosed as error:
            self.diary.entries.append(f"{error.code} {error.reason} {socket.closed}")
            raise

    @WebSocket("/sends")
    async def sends(self, socket: Socket[None, str]) -> None:
        try:
            while True:
                await socket.send("again")
                await anyio.lowlevel.checkpoint()
        finally:
            self.diary.entries.append("sent enough")

    @WebSocket("/sends-once")
    async def sends_once(self, socket: Socket[str, str]) -> None:
        await socket.send("once")
        async for _ in socket:
            pass
        self.diary.entries.append("sent enough")

    @WebSocket("/busy")
    async def busy(self, socket: Socket[str, str]) -> None:
        async def second() -> None:
            try:
                await socket.receive()
            except RuntimeError as error:
                await socket.send(str(error))

        async with anyio.create_task_group() as tasks:
            await socket.accept()
            tasks.start_soon(socket.receive)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(second)

    @WebSocket("/ticks")
    async def ticks(self, socket: Socket[None, int]) -> None:
        async def counting() -> AsyncIterator[int]:
            try:
                for number in range(3):
                    yield number
                await anyio.sleep_forever()
            finally:
                self.diary.entries.append("counting ended")

        await socket.send_from(counting())
        self.diary.entries.append("ticks ended")

    @WebSocket("/failing-ticks")
    async def failing_ticks(self, socket: Socket[None, int]) -> None:
        async def counting() -> AsyncIterator[int]:
            yield 1
            raise Forbidden("That was all.")

        await socket.send_from(counting())

    @WebSocket("/tasks/{what}")
    async def tasks(self, socket: Socket[str, str], what: str) -> None:
        async def repeat() -> None:
            while True:
                await socket.send("again")

        async def fail() -> None:
            raise Forbidden("One failed.")

        await socket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail if what == "fail" else repeat)
            async for _ in socket:
                pass
            self.diary.entries.append("the client is gone")

    @WebSocket("/elsewhere")
    async def elsewhere(self, socket: Socket) -> None:
        await socket.accept()
        raise SocketClosed(1001, "that of another socket")


async def stamp(ctx: RequestContext, call_next: CallNext) -> Response:
    response = await call_next(ctx)
    response.headers["x-stamp"] = f"{response.status_code}"
    return response


async def only_admins(ctx: RequestContext, call_next: CallNext) -> Response:
    if ctx.query.get("role") != "admin":
        raise Forbidden("Admins only.")
    ctx.state.role = "admin"
    return await call_next(ctx)


async def taken_back(ctx: RequestContext, call_next: CallNext) -> Response:
    await call_next(ctx)
    raise ServiceUnavailable("No room.")


async def twice(ctx: RequestContext, call_next: CallNext) -> Response:
    try:
        return await call_next(ctx)
    except Forbidden:
        return await call_next(ctx)


@Controller("/layers")
class LayerController:
    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    @Use(only_admins)
    @WebSocket("/admins")
    async def admins(self, socket: Socket) -> None:
        await socket.send(socket.state.role)

    @Use(taken_back)
    @WebSocket("/taken-back")
    async def taken_back(self, socket: Socket) -> None:
        try:
            await socket.accept()
        except SocketClosed as error:
            self.diary.entries.append(f"taken back: {error.code}")
            raise

    @Use(twice)
    @WebSocket("/twice")
    async def twice(self, socket: Socket) -> None:
        raise Forbidden("Once.")


@Controller("/sites")
class SiteController:
    @WebSocket("/own")
    async def own(self, socket: Socket) -> None:
        await socket.send(True)

    @WebSocket("/friends", origins=["https://friend.example", "null"])
    async def friends(self, socket: Socket) -> None:
        await socket.send(True)

    @WebSocket("/all", origins=["*"])
    async def all(self, socket: Socket) -> None:
        await socket.send(True)


CONTROLLERS = (
    MessageController,
    BoundController,
    EndController,
    LayerController,
    SiteController,
)


@dataclass
class Served:
    url: str
    diary: Diary

    def open(self, path: str, **options: Any) -> ClientConnection:
        return client(self.url + path, **options)

    def refused(self, path: str, **options: Any) -> Any:
        """The response to a handshake that fails."""
        with pytest.raises(InvalidStatus) as caught, self.open(path, **options):
            pytest.fail("it was accepted")
        return caught.value.response

    def closing(self, path: str, *messages: str | bytes) -> tuple[int, str]:
        """How a connection is closed after these messages."""
        with self.open(path) as socket:
            for message in messages:
                socket.send(message)
            with pytest.raises(ConnectionClosed) as caught:
                drained(socket)
        frame = caught.value.rcvd
        assert frame is not None
        return frame.code, frame.reason


@pytest.fixture(scope="module", params=SOCKET_SERVERS.values(), ids=list(SOCKET_SERVERS))
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    diary = Diary()
    app = bootstrap(
        [Module("all", controllers=CONTROLLERS, providers=[Provider(Diary, value=diary), current_user])],
        [stamp, session(SECRET, save_uninitialized=False)],
    )
    with request.param(app) as url:
        yield Served(url, diary)


def drained(socket: ClientConnection) -> None:
    """Receive until the connection is closed, and raise that."""
    while True:
        socket.recv(timeout=60)


def talk(socket: ClientConnection, *messages: str | bytes) -> list[Any]:
    """What is answered to each message."""
    answers = []
    for message in messages:
        socket.send(message)
        answers.append(socket.recv(timeout=60))
    return answers


# Messages


def test_messages_are_decoded_and_encoded_by_their_types(served: Served) -> None:
    with served.open("/messages/typed") as socket:
        assert talk(socket, '{"type":"say","text":"hello"}', '{"type":"add","numbers":[1,2]}') == [
            '{"type":"say","text":"hello"}',
            '{"type":"sum","total":3}',
        ]


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ('{"type":"add","numbers":[1,"2"]}', 1007, "/message/numbers/1: Expected `int`, got `str`"),
        ('{"type":"shout"}', 1007, "/message/type: Invalid value 'shout'"),
        ("{", 1007, "/message: Expected JSON"),
        ("[" * 100_000, 1007, "/message: Nested too deeply"),
        (b"{}", 1003, "Expected text"),
    ],
)
def test_a_message_that_does_not_fit_closes_the_connection(
    served: Served, message: str | bytes, code: int, reason: str
) -> None:
    assert served.closing("/messages/typed", message) == (code, reason)


def test_a_message_that_does_not_fit_is_answered_where_that_was_asked_for(served: Served) -> None:
    with served.open("/messages/replying") as socket:
        wrong, bytes_, right = talk(socket, '{"type":"add","numbers":["1",2,null]}', b"1", '{"type":"say","text":"x"}')
    assert msgspec.json.decode(wrong) == {
        "type": "error",
        "detail": "/message/numbers/0: Expected `int`, got `str`",
        "errors": [
            {"location": "/message/numbers/0", "message": "Expected `int`, got `str`", "code": "type"},
            {"location": "/message/numbers/2", "message": "Expected `int`, got `null`", "code": "type"},
        ],
    }
    assert msgspec.json.decode(bytes_)["detail"] == "Expected text"
    assert msgspec.json.decode(right)["type"] == "sum"


def test_a_handler_may_catch_what_is_wrong_with_a_message(served: Served) -> None:
    with served.open("/messages/catching") as socket:
        assert talk(socket, "{}", '{"type":"say","text":"right"}', "[]") == [
            "1007 /message/text",
            "right",
            "1007 /message",
        ]


def test_text_and_bytes_are_taken_as_they_are(served: Served) -> None:
    with served.open("/messages/text") as socket:
        assert talk(socket, '{"ä', "") == ['ä"{', ""]
    with served.open("/messages/bytes") as socket:
        assert talk(socket, b"\x00\xff", b"") == [b"\xff\x00", b""]
    assert served.closing("/messages/text", b"1") == (1003, "Expected text")


def test_one_socket_takes_text_and_bytes(served: Served) -> None:
    with served.open("/messages/both") as socket:
        assert talk(socket, "abc", b"\x00\xff", "", b"") == ["cba", b"\xff\x00", "", b""]


def test_one_socket_takes_json_and_bytes(served: Served) -> None:
    with served.open("/messages/mixed") as socket:
        answers = talk(socket, '{"type":"add","numbers":[1,2]}', b"\x00", '{"type":"say","text":"x"}')
        assert answers == ['{"type":"sum","total":3}', b"not a sum", b"not a sum"]
    assert served.closing("/messages/mixed", '{"type":"add"}')[0] == 1007
    assert served.closing("/messages/bytes", "1") == (1003, "Expected bytes")


def test_raw_frames_and_values_of_any_type(served: Served) -> None:
    with served.open("/messages/raw") as socket:
        assert talk(socket, "text", b"bytes", "[1]") == ["text", b"bytes", '{"any":[1]}']
    assert served.closing("/messages/raw", b"bytes") == (1003, "Expected text")


def test_a_message_that_is_too_long_closes_the_connection(served: Served) -> None:
    with served.open("/messages/small") as socket:
        assert talk(socket, "x" * 8, "ä" * 4) == ["x" * 8, "ä" * 4]
    assert served.closing("/messages/small", "x" * 9) == (1009, "A message has at most 8 bytes")
    assert served.closing("/messages/small", "ä" * 5) == (1009, "A message has at most 8 bytes")


def test_a_hundred_connections_at_once_keep_their_messages_apart(served: Served) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(served.open("/messages/text")) for _ in range(100)]
        for number, socket in enumerate(sockets):
            socket.send(f"{number:03}")
        assert [socket.recv(timeout=60) for socket in sockets] == [f"{number:03}"[::-1] for number in range(100)]


# What a handler is called with


def test_paths_queries_and_what_is_provided_are_injected(served: Served) -> None:
    with served.open("/bound/rooms/b%C3%A4r/7?number=3&user=Ada") as socket:
        assert msgspec.json.decode(socket.recv(timeout=60)) == ["bär", 7, 3, "Ada", {"room": "bär", "number": 7}]
    served.diary.wait_for("Ada released")


def test_the_handshake_is_a_request(served: Served) -> None:
    with served.open("/bound/handshake?a=1", headers={"X-Color": "red", "Cookie": "b=2"}) as socket:
        assert msgspec.json.decode(socket.recv(timeout=60)) == {
            "query": {"a": "1"},
            "header": "red",
            "cookies": {"b": "2"},
            "ip": "127.0.0.1",
            "path": "/bound/handshake",
            "scheme": "http",
            "route": "BoundController.handshake",
            "method": "GET",
        }


def test_accept_takes_a_subprotocol_and_headers_and_cookies_go_with_it(served: Served) -> None:
    with served.open("/bound/subprotocol", subprotocols=["v2", "v1"]) as socket:
        assert socket.subprotocol == "v1"
        assert socket.response is not None
        assert socket.response.headers["x-version"] == "7"
        cookies = socket.response.headers.get_all("set-cookie")
        assert [cookie.partition(";")[0] for cookie in cookies] == ["one=1", "two=2"]


def test_a_page_and_a_socket_share_a_path(served: Served) -> None:
    assert httpx2.get(f"{served.url}/bound/shared").json() == "a page"
    with served.open("/bound/shared") as socket:
        assert socket.recv(timeout=60) == "a socket"


# Refusing


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/nowhere", 404, "There is no WebSocket at /nowhere."),
        ("/bound/rooms/a/b?user=Ada", 404, "There is no WebSocket at /bound/rooms/a/b."),
        ("/bound/rooms/a/7", 401, "Log in first."),
        ("/bound/rooms/a/7?user=Ada&number=x", 422, "1 thing is wrong with the request."),
        ("/ends/before/http", 402, "Pay first."),
        ("/ends/before/bug", 500, "The server had an unexpected error, which was logged."),
        ("/ends/before/close", 403, "Not you."),
        ("/ends/before/nothing", 403, "The connection was not accepted."),
        ("/layers/admins", 403, "Admins only."),
        ("/layers/taken-back", 503, "No room."),
        ("/layers/twice", 500, "The server had an unexpected error, which was logged."),
    ],
)
def test_a_handshake_is_refused_as_a_request_is(served: Served, path: str, status: int, detail: str) -> None:
    response = served.refused(path)
    assert response.status_code == status
    problem = msgspec.json.decode(response.body)
    assert problem["detail"] == detail
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-stamp"] == str(status)


def test_what_an_error_says_to_the_client_goes_with_the_refusal(served: Served) -> None:
    response = served.refused("/ends/before/http")
    assert response.headers["x-price"] == "7"
    assert msgspec.json.decode(response.body)["balance"] == 3


def test_a_request_that_is_no_handshake_is_told_of_the_socket(served: Served) -> None:
    response = httpx2.get(f"{served.url}/messages/text")
    assert response.status_code == 426
    assert response.headers["upgrade"] == "websocket"
    assert httpx2.get(f"{served.url}/nowhere").status_code == 404


# Pages of other sites


@pytest.mark.parametrize(
    ("path", "origin", "connects"),
    [
        ("/sites/own", None, True),
        ("/sites/own", "{own}", True),
        ("/sites/own", "https://evil.example", False),
        ("/sites/own", "null", False),
        ("/sites/own", "{own}.evil.example", False),
        ("/sites/own", "{own}@evil.example", False),
        ("/sites/friends", "https://friend.example", True),
        ("/sites/friends", "HTTPS://Friend.example", True),
        ("/sites/friends", "http://friend.example", False),
        ("/sites/friends", "https://friend.example:8443", False),
        ("/sites/friends", "null", True),
        ("/sites/friends", "{own}", True),
        ("/sites/all", "https://evil.example", True),
    ],
)
def test_pages_of_other_sites_do_not_connect(served: Served, path: str, origin: str | None, connects: bool) -> None:
    origin = origin and origin.format(own=served.url)
    if connects:
        with served.open(path, origin=origin) as socket:
            assert socket.recv(timeout=60) == "true"
    else:
        response = served.refused(path, origin=origin)
        assert response.status_code == 403
        assert response.headers["x-stamp"] == "403"


def test_two_origins_are_none(served: Served) -> None:
    headers = [("Origin", served.url), ("Origin", "https://evil.example")]
    assert served.refused("/sites/own", headers=headers).status_code in (400, 403)  # a server may be quicker to see it


# Middleware


def test_middleware_surrounds_the_handshake(served: Served) -> None:
    with served.open("/layers/admins?role=admin") as socket:
        assert socket.response is not None
        assert socket.response.headers["x-stamp"] == "101"
        assert socket.recv(timeout=60) == '"admin"'


def test_middleware_that_takes_the_acceptance_back_ends_the_handler(served: Served) -> None:
    served.refused("/layers/taken-back")
    served.diary.wait_for("taken back: 1006")


# The end


def test_a_handler_that_returns_closes_the_connection(served: Served) -> None:
    assert served.closing("/ends/return") == (1000, "")


def test_a_handler_closes_with_a_code_and_a_reason_that_fits_its_frame(served: Served) -> None:
    code, reason = served.closing("/ends/close")
    assert code == 4001
    assert len(reason.encode()) <= 123
    assert reason.startswith("äää")
    served.diary.wait_for("closed 4001")


def test_errors_after_the_acceptance_close_the_connection(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    code, reason = served.closing("/ends/after/http")
    assert (code, reason[:14]) == (1008, "Not any more. ")
    assert len(reason.encode()) <= 123
    assert served.closing("/ends/after/unavailable") == (1011, "Later.")
    assert [each for each in caplog.records if each.name == "kick.http"] == []
    assert served.closing("/ends/after/bug") == (1011, "The server had an unexpected error, which was logged.")
    assert served.closing("/ends/elsewhere") == (1011, "The server had an unexpected error, which was logged.")
    logged = [each for each in caplog.records if each.name == "kick.http"]
    assert [each.levelno for each in logged] == [logging.ERROR, logging.ERROR]
    assert "WebSocket /ends/after/bug (EndController.after() at " in logged[0].getMessage()


def test_a_client_that_leaves_ends_the_iteration_quietly(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.diary.entries.clear()
    with served.open("/ends/client") as socket:
        socket.send("hello")
        socket.close(4002, "Bye.")
    served.diary.wait_for("iteration ended")
    wait_until(lambda: len(served.diary.entries) == 2, "the second entry")
    assert served.diary.entries[1] in ("4002 Bye. True", "1006  True")  # hypercorn does not hand on the code
    assert [each for each in caplog.records if each.name == "kick.http"] == []


def test_a_client_whose_connection_breaks_ends_the_iteration(served: Served) -> None:
    served.diary.entries.clear()
    with served.open("/ends/client") as socket:
        socket.send("hello")
        socket.socket.shutdown(SHUT_RDWR)
    served.diary.wait_for("iteration ended")


@pytest.mark.parametrize("path", ["/ends/sends", "/ends/sends-once"])
@pytest.mark.parametrize("server", ["websockets", "wsproto"])
def test_a_frame_that_is_no_text_is_the_end_of_the_connection_for_a_handler_that_sends(
    server: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    diary = Diary()
    app = bootstrap([Module("ends", controllers=[EndController], providers=[Provider(Diary, value=diary)])])
    with SOCKET_SERVERS[server](app) as url, client(url + path) as socket:
        socket.recv(timeout=60)
        socket.socket.sendall(b"\x81\x81\0\0\0\0\xff")
        with pytest.raises(ConnectionClosed):
            drained(socket)
        diary.wait_for("sent enough")
    assert [each for each in caplog.records if each.name == "kick.http" or "ASGI" in each.getMessage()] == []


def test_tasks_of_a_handler_end_with_it(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    assert served.closing("/ends/tasks/fail") == (1008, "One failed.")
    with served.open("/ends/tasks/repeat") as socket:
        assert socket.recv(timeout=60) == "again"
        socket.socket.shutdown(SHUT_RDWR)
    served.diary.wait_for("the client is gone")
    assert [each for each in caplog.records if each.name == "kick.http"] == []


def test_a_second_task_that_receives_is_told(served: Served) -> None:
    with served.open("/ends/busy") as socket:
        assert "another task" in str(socket.recv(timeout=60))


def test_what_an_iterator_yields_is_sent_until_the_client_leaves(served: Served) -> None:
    served.diary.entries.clear()
    with served.open("/ends/ticks") as socket:
        assert [socket.recv(timeout=60) for _ in range(3)] == ["0", "1", "2"]
        socket.send("what is sent meanwhile is dropped")
    served.diary.wait_for("ticks ended")
    assert served.diary.entries[0] == "counting ended"


def test_an_iterator_that_fails_closes_the_connection(served: Served) -> None:
    assert served.closing("/ends/failing-ticks") == (1008, "That was all.")
