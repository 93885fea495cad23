"""A failure is in the log of `kick start` once, with its request, whatever part of the request has failed."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.cli.support import Running, running
from tests.support.ports import HOST, free_port
from tests.support.waiting import wait_until
from tests.support.wire import Wire

pytestmark = pytest.mark.process

APP = """
from typing import Annotated

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute

from kick import Controller, Get, Module, Provider, RequestContext, Socket, WebSocket, bootstrap
from kick.middleware import request_id


async def held():
    yield 7
    raise LookupError("/held")


async def work(path):
    raise LookupError(path)


@Controller()
class Fails:
    @Get("/plain")
    async def plain(self):
        raise LookupError("/plain")

    @Get("/stream")
    async def stream(self, ctx: RequestContext):
        async def rows():
            yield "begun"
            raise LookupError(ctx.path)
        return ctx.stream(rows())

    @Get("/threads")
    async def threads(self, ctx: RequestContext):
        def rows():
            yield "begun"
            raise LookupError("/threads")
        return ctx.stream(rows())

    @Get("/events")
    async def events(self, ctx: RequestContext):
        async def rows():
            yield "begun"
            raise LookupError("/events")
        return ctx.sse(rows())

    @Get("/held")
    async def held(self, ctx: RequestContext, held: Annotated[int, "held"]):
        async def rows():
            yield "begun"
        return ctx.stream(rows())

    @Get("/end")
    async def end(self, ctx: RequestContext):
        async def end(_):
            raise LookupError("/end")
        ctx.on_end(end)
        return ctx.text("begun")

    @Get("/background")
    async def background(self, ctx: RequestContext):
        ctx.background(work, "/background")
        return ctx.text("begun")

    @Get("/task")
    async def task(self, ctx: RequestContext):
        response = ctx.text("begun")
        response.background = BackgroundTask(work, "/task")
        return response

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, str]):
        await socket.accept()
        raise LookupError("/socket")


async def mounted(request):
    async def rows():
        yield "begun"
        raise LookupError("/other/stream")
    return StreamingResponse(rows())


async def mounted_socket(socket):
    await socket.accept()
    raise LookupError("/other/socket")


other = Starlette(routes=[Route("/stream", mounted), WebSocketRoute("/socket", mounted_socket)])
providers = [Provider(Annotated[int, "held"], held, scope="request")]
inner = bootstrap([Module("inner", controllers=[Fails])], providers=providers)


def note(ctx, error):
    print("on_error", ctx.path, ctx.request_id, flush=True)


class Around(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


app = bootstrap(
    [Module("fails", controllers=[Fails], mounts={"/other": other, "/inner": inner})],
    [request_id(logs=True)],
    providers=providers,
    on_error=note,
    allowed_hosts=["127.0.0.1"],
)
around = bootstrap(
    [Module("fails", controllers=[Fails])],
    [request_id(logs=True)],
    providers=providers,
    asgi_middleware=[Middleware(Around)],
    reraise_errors=True,
    allowed_hosts=["127.0.0.1"],
)
"""

HANDLERS = {
    "/plain": "Fails.plain()",
    "/stream": "Fails.stream()",
    "/threads": "Fails.threads()",
    "/events": "Fails.events()",
    "/held": "Fails.held()",
    "/end": "Fails.end()",
    "/background": "work failed",
    "/task": "Fails.task()",
    "/other/stream": "mounts={'/other': ...}",
    "/inner/stream": "Fails.stream()",
    "/socket": "Fails.socket()",
    "/other/socket": "mounts={'/other': ...}",
}
"""The paths, and what the message of each failure names."""

CUT = {"/stream", "/threads", "/events", "/held", "/other/stream", "/inner/stream"}


@pytest.fixture(params=["text", "json"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Running, str, bool]]:
    yield from start(tmp_path, "app:app", request.param)


@pytest.fixture
def served_around(tmp_path: Path) -> Iterator[tuple[Running, str, bool]]:
    yield from start(tmp_path, "app:around", "json")


def start(folder: Path, target: str, format: str) -> Iterator[tuple[Running, str, bool]]:
    (folder / "app.py").write_text(APP)
    port = free_port()
    with running("start", target, "--port", str(port), "--access-log", format, cwd=folder) as process:
        process.wait_for("kick serves")
        yield process, f"{HOST}:{port}", format == "json"


def visit(address: str, path: str) -> bytes:
    """Send a request, and return what comes until the server closes the connection."""
    if path.endswith("socket"):
        with suppress(ConnectionClosed), connect(f"ws://{address}{path}") as socket:
            socket.recv()
        return b""
    with Wire(f"http://{address}") as wire:
        wire.say(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return wire.rest()


def failures(output: str, *, as_json: bool) -> list[dict[str, Any]]:
    """The records of errors: their logger, message and request id."""
    if as_json:
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("level") == "error"]
    found = re.findall(r"^\S+T\S+  error    (\S+)  (.*)$", output, re.MULTILINE)
    return [
        {"logger": logger, "message": message, "request_id": message.rpartition(" ")[2]} for logger, message in found
    ]


def test_each_failure_is_logged_once_with_its_request_and_its_handler(served: tuple[Running, str, bool]) -> None:
    process, address, as_json = served
    received = {path: visit(address, path) for path in HANDLERS}
    wait_until(lambda: process.output.count("on_error") == len(HANDLERS), "all failures to be reported")
    wait_until(lambda: len(failures(process.output, as_json=as_json)) == len(HANDLERS), "all failures to be logged")
    assert process.process.poll() is None
    process.process.terminate()
    assert process.end() == 0
    records = failures(process.output, as_json=as_json)

    assert {record["logger"] for record in records} == {"kick.http"}
    for path, record in zip(HANDLERS, records, strict=True):
        assert path in record["message"]
        assert HANDLERS[path] in record["message"]
        assert "request id" in record["message"]
        reported = re.search(rf"on_error {path} (\w+)", process.output)
        assert reported is not None
        assert record["request_id"] == reported[1] or path == "/inner/stream"  # an application with ids of its own
        if not path.endswith("socket") and path != "/plain":
            assert b"begun" in received[path]
            assert (not received[path].endswith((b"0\r\n\r\n", b"begun"))) == (path in CUT), path
    assert "uvicorn.error" not in process.output
    assert "LookupError: /stream" in process.output.replace("\\n", "\n")


def test_the_access_log_has_500_for_a_response_that_was_cut(served: tuple[Running, str, bool]) -> None:
    process, address, as_json = served
    visit(address, "/stream")
    visit(address, "/end")
    wait_until(lambda: "GET      /end" in process.output or '"path":"/end"' in process.output, "the line")
    if as_json:
        lines = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
        statuses = {line["path"]: line["status"] for line in lines if "path" in line}
    else:
        found = re.findall(r"  (\d+)  GET      (\S+)", process.output)
        statuses = {path: int(status) for status, path in found}
    assert statuses == {"/stream": 500, "/end": 200}


def test_asgi_middleware_that_runs_it_in_another_task_changes_nothing(served_around: tuple[Running, str, bool]) -> None:
    process, address, _ = served_around
    for path in ("/stream", "/plain"):
        visit(address, path)
    process.process.terminate()
    assert process.end() == 0
    records = failures(process.output, as_json=True)
    assert [record["logger"] for record in records] == ["kick.http", "kick.http"]
