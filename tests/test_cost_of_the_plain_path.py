"""What a request costs, in steps of the interpreter: a slow-down of more than 15% is seen here.

Counted are the bytecode instructions that a request executes and the functions that it calls, those written in C
included. Neither depends on the machine, nor on what else it does. Versions of Python compile the same code to more or
fewer instructions; so kick is compared with a raw ASGI application that the same interpreter runs. `make bench-micro`
says what the steps cost in time.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from types import FrameType
from typing import Any, NamedTuple

import msgspec
import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, Response, Service, bootstrap
from kick.http import cookie_parser
from kick.middleware import security_headers
from kick.session import session

ASGI = Callable[[Any, Any, Any], Awaitable[None]]
CALL = 20
"""How many instructions a call counts for: about what a small function in C takes, next to one instruction."""

MAY_GROW = 1.15


class Order(msgspec.Struct):
    customer: str
    quantity: int


@Service()
class Things:
    def find(self, number: int) -> dict[str, int]:
        return {"id": number}


@Controller("")
class Shop:
    def __init__(self, things: Things) -> None:
        self.things = things

    @Get("/json")
    async def hello(self) -> dict[str, str]:
        return {"hello": "world"}

    @Get("/things/{number}")
    async def thing(self, number: int) -> dict[str, int]:
        return self.things.find(number)

    @Post("/orders")
    async def order(self, body: Order) -> Order:
        return body

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Response:
        return ctx.stream(chunks(), media_type="text/plain")


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(10):
        yield b"x"


@Controller("")
class Visits:
    @Get("/login")
    async def login(self, ctx: RequestContext) -> dict[str, int]:
        ctx.session.data["user_id"] = 7
        ctx.session.data["n"] = 0
        return {"user_id": 7}

    @Get("/read")
    async def read(self, ctx: RequestContext) -> dict[str, int]:
        return {"user_id": ctx.session.data["user_id"]}

    @Get("/change")
    async def change(self, ctx: RequestContext) -> dict[str, int]:
        ctx.session.data["n"] += 1
        return {"user_id": ctx.session.data["user_id"]}


encode = msgspec.json.Encoder().encode
decode_order = msgspec.json.Decoder(Order).decode
things = Things()


async def raw(scope: Any, receive: Any, send: Any) -> None:
    """The measure: the work of all routes, by hand and without sessions."""
    path = scope["path"]
    if path == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        async for chunk in chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    if path == "/orders":
        body = encode(decode_order((await receive())["body"]))
    elif path.startswith("/things/"):
        body = encode(things.find(int(path[8:])))
    else:
        body = encode({"hello": "world"})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def plain() -> App:
    return bootstrap([Module("shop", controllers=[Shop])], [security_headers(enabled=False)])


def with_sessions() -> App:
    sessions = session("a secret that is 32 bytes long!!", save_uninitialized=False)
    layers = [security_headers(enabled=False), cookie_parser(), sessions]
    return bootstrap([Module("visits", controllers=[Visits])], layers)


class Case(NamedTuple):
    """A request, and what it may cost: so many times the request to the raw application."""

    make: Callable[[], App]
    path: str
    times: float
    method: str = "GET"
    body: bytes = b""


# What was counted when the limits were last set; Python 3.11 to 3.14 differ by less than 3%. A change that makes
# a path cheaper may lower its number; one that has to make it dearer raises it, and says why. (Sessions: their state,
# what handlers see of it and the data are plain classes: Structs took fewer steps, but encoders look into those. JSON:
# a dict of plain values is checked by the types of its parts, in more calls and a third of the time of a conversion.)
CASES = {
    "json": Case(plain, "/json", 2.09),
    "parameter and service": Case(plain, "/things/42", 2.62),
    "validated body": Case(plain, "/orders", 3.06, "POST", encode(Order("Ada", 3))),
    "stream of ten pieces": Case(plain, "/stream", 1.47),
    "session, read": Case(with_sessions, "/read", 5.41),
    "session, changed": Case(with_sessions, "/change", 8.79),
}


@pytest.fixture(autouse=True)
def without_dataclasses_of_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests load them; an application that does so looks for them in what its routes do not declare."""
    monkeypatch.delitem(sys.modules, "pydantic.dataclasses", raising=False)


@pytest.mark.parametrize("name", CASES)
async def test_a_request_takes_no_more_steps_than_it_did(name: str) -> None:
    case = CASES[name]
    times = await cost_of(case.make(), case) / await cost_of(raw, case)
    assert times <= case.times * MAY_GROW, f"{times:.2f} times the raw application, and it was {case.times:.2f}"


async def test_the_limits_are_near_enough_to_notice() -> None:
    """A limit that is far above what is counted would let slow-downs pass: lower it with the change that allows it."""
    slack = {
        name: case.times * await cost_of(raw, case) / await cost_of(case.make(), case) for name, case in CASES.items()
    }
    assert {name: round(each, 2) for name, each in slack.items() if each > 1.25} == {}


async def test_a_layer_more_around_each_request_would_be_too_much() -> None:
    case = CASES["json"]

    async def layer(ctx: RequestContext, call_next: Any) -> Any:
        ctx.state["seen"] = len(ctx.path) + len(ctx.method)
        return await call_next(ctx)

    app = bootstrap([Module("shop", controllers=[Shop])], [layer])
    assert await cost_of(app, case) / await cost_of(raw, case) > case.times * MAY_GROW


async def test_the_same_request_costs_the_same_twice() -> None:
    case = CASES["session, read"]
    assert await cost_of(with_sessions(), case) == await cost_of(with_sessions(), case)


async def test_what_runs_in_c_is_counted() -> None:
    case = CASES["json"]

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            sorted(range(3))
        await raw(scope, receive, send)

    assert await cost_of(slow, case) >= await cost_of(raw, case) + 3 * CALL


# How it is counted


async def cost_of(app: ASGI, case: Case) -> int:
    """Instructions and calls of a request, after some that prepare what is prepared only once."""
    headers = [(b"host", b"example.com"), (b"accept", b"*/*")]
    if case.body:
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(case.body))]
    if case.make is with_sessions:
        headers.append((b"cookie", await _log_in(app)))
    scope = _scope(case.path, case.method, headers)
    for _ in range(5):
        sent = await _request(app, dict(scope), case.body)
        assert sent[0]["status"] == 200, sent
    _instructions(app, dict(scope), case.body)  # from Python 3.12 on, code is prepared for being watched, once
    return _instructions(app, dict(scope), case.body) + CALL * _calls(app, dict(scope), case.body)


def _instructions(app: ASGI, scope: dict[str, Any], body: bytes) -> int:
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    return _watched(sys.settrace, sys.gettrace, trace, app, scope, body, lambda: count)


def _calls(app: ASGI, scope: dict[str, Any], body: bytes) -> int:
    count = 0

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    return _watched(sys.setprofile, sys.getprofile, profile, app, scope, body, lambda: count)


def _watched(
    install: Callable[[Any], None],
    installed: Callable[[], Any],
    watcher: Any,
    app: ASGI,
    scope: dict[str, Any],
    body: bytes,
    result: Callable[[], int],
) -> int:
    request = _request(app, scope, body)
    before = installed()
    install(watcher)
    try:
        _finish(request)
    finally:
        install(before)
    return result()


async def _request(app: ASGI, scope: dict[str, Any], body: bytes) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def _finish(request: Coroutine[Any, Any, list[Any]]) -> None:
    """Run to the end what never waits for anything; the event loop has no part in it."""
    try:
        request.send(None)
    except StopIteration:
        return
    raise AssertionError("the request waits for something: the plain path does not")


async def _log_in(app: ASGI) -> bytes:
    if app is raw:
        return b"session=none"
    sent = await _request(app, _scope("/login", "GET", []), b"")
    return next(value.partition(b";")[0] for name, value in sent[0]["headers"] if name == b"set-cookie")


def _scope(path: str, method: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "root_path": "",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
    }
