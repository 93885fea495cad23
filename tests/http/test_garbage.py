"""What a request leaves behind is freed at once: nothing of it waits for the garbage collector, or for ever."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from kick import App, Controller, Get, Module, RequestContext, bootstrap
from kick.http import cookie_parser
from kick.middleware import AccessLog, compression, cors, request_id, security_headers
from kick.session import session
from kick.telemetry import Metrics
from tests.session.harness import SECRET


class Unit:
    """Something that each request has."""


async def unit_of_work(ctx: RequestContext) -> AsyncIterator[Unit]:
    yield Unit()


async def record(unit: Unit) -> None: ...


@Controller("")
class Page:
    @Get("/plain")
    async def plain(self) -> dict[str, str]:
        return {"hello": "world"}

    @Get("/context")
    async def context(self, ctx: RequestContext) -> Any:
        assert ctx.request_id
        assert ctx.query is not None
        return ctx.json({"cookies": ctx.cookies})

    @Get("/session")
    async def session(self, ctx: RequestContext) -> int:
        ctx.session.data["n"] = n = ctx.session.data.get("n", 0) + 1
        return n

    @Get("/unit")
    async def unit(self, unit: Unit, ctx: RequestContext) -> str:
        ctx.background(record)
        return ctx.path

    @Get("/unit/stream")
    async def unit_stream(self, ctx: RequestContext, unit: Unit) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield str(unit).encode()
            ctx.background(record)

        return ctx.stream(chunks())

    @Get("/fails")
    async def fails(self) -> None:
        raise RuntimeError("broken")

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        return ctx.stream(chunks())


class Connection:
    """A request as servers have it: what it receives and sends with leads to its scope."""

    def __init__(self, path: str) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"a=b",
            "root_path": "",
            "scheme": "http",
            "headers": [(b"host", b"example.com"), (b"cookie", b"a=b"), (b"accept-encoding", b"gzip")],
            "client": ("192.0.2.1", 1234),
            "server": ("example.com", 80),
        }
        self.status = 0

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)


def plain() -> App:
    return bootstrap([Module("page", controllers=[Page], providers=[unit_of_work])], [session(SECRET)])


def observed() -> App:
    log = AccessLog("json", write=lambda _: None)
    layers = [request_id(), security_headers(), cors(allow_origins=["https://a.example"]), compression()]
    modules = [Module("page", controllers=[Page], providers=[unit_of_work]), Metrics()]
    return bootstrap(modules, [*layers, cookie_parser(), session(SECRET)], access_log=log, trusted_proxies=1)


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("make", [plain, observed])
@pytest.mark.parametrize("path", ["/plain", "/context", "/session", "/stream", "/unit", "/unit/stream", "/nowhere"])
async def test_nothing_of_a_request_is_left(make: Callable[[], App], path: str) -> None:
    app = make()
    left: list[weakref.ref[Connection]] = []
    for _ in range(5):
        connection = Connection(path)
        await app(connection.scope, connection.receive, connection.send)
        assert connection.status == (404 if path == "/nowhere" else 200)
        left.append(weakref.ref(connection))
        del connection
    assert [each() for each in left] == [None] * 5
    await app.aclose()


@pytest.mark.parametrize("make", [plain, observed])
async def test_nothing_of_a_request_that_failed_outlives_the_collector(
    make: Callable[[], App], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "kick.http")  # a log that keeps the exception keeps all that it passed through
    app = make()
    connection = Connection("/fails")
    await app(connection.scope, connection.receive, connection.send)
    left = weakref.ref(connection)
    del connection
    gc.collect()
    assert left() is None
    await app.aclose()
