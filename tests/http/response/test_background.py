"""Work after the response."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from kick import App, Conflict, Controller, Get, RequestContext
from kick.session import session
from tests.http.response.test_streaming import SCOPE
from tests.http.support import app_of, ask
from tests.support.serving import Serve


def app_doing(act: Any, **options: Any) -> App:
    @Controller()
    class Doing:
        @Get("/")
        async def do(self, ctx: RequestContext) -> Any:
            return act(ctx)

    return app_of(Doing, **options)


async def test_it_begins_after_the_last_byte_and_in_order() -> None:
    trail: list[Any] = []

    async def first(name: str, *, loud: bool) -> None:
        await asyncio.sleep(0)
        trail.append((name, loud))

    def second() -> None:
        trail.append(threading.current_thread() is threading.main_thread())

    def act(ctx: RequestContext) -> Any:
        ctx.background(first, "one", loud=True)
        ctx.background(second)
        ctx.background(partial(first, "three"), loud=False)
        return ctx.text("x")

    async def send(message: Message) -> None:
        trail.append(message["type"])

    async def receive() -> Message:
        return {"type": "http.request"}

    await app_doing(act)(SCOPE, receive, send)
    assert trail == ["http.response.start", "http.response.body", ("one", True), False, ("three", False)]


async def test_it_begins_after_the_last_byte_of_a_stream() -> None:
    trail: list[str] = []

    def act(ctx: RequestContext) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"x"
            ctx.background(trail.append, "named in the stream")
            trail.append("last piece")

        ctx.background(trail.append, "named before")
        return ctx.stream(chunks())

    await ask(app_doing(act), "/")
    assert trail == ["last piece", "named before", "named in the stream"]


async def test_one_that_fails_is_logged_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    ids: list[str] = []

    def fails() -> None:
        raise LookupError("no such mail")

    def act(ctx: RequestContext) -> Any:
        ids.append(ctx.request_id)
        ctx.background(fails)
        ctx.background(done.append, "next")
        return {}

    assert (await ask(app_doing(act), "/")).status == 200
    assert done == ["next"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "fails failed, after the response to GET /, request id " + ids[0] in record.message
    assert "no such mail" in caplog.text


async def test_a_path_cannot_write_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise LookupError

    @Controller()
    class Doing:
        @Get("/{name}")
        async def do(self, ctx: RequestContext, name: str) -> Any:
            ctx.background(fails)

    await ask(app_of(Doing), "/a%0d%0aERROR%1b[31m")
    (record,) = caplog.records
    assert "\n" not in record.message
    assert "\x1b" not in record.message


async def test_what_is_named_by_work_itself_is_done_too() -> None:
    done: list[int] = []

    def act(ctx: RequestContext) -> Any:
        def work(number: int) -> None:
            done.append(number)
            if number < 3:
                ctx.background(work, number + 1)

        ctx.background(work, 1)
        return {}

    await ask(app_doing(act), "/")
    assert done == [1, 2, 3]


@pytest.mark.parametrize("error", [Conflict("taken"), LookupError("mistake")])
async def test_where_the_handler_raises_it_is_not_done(error: Exception) -> None:
    done: list[str] = []

    def act(ctx: RequestContext) -> Any:
        ctx.background(done.append, "handler")
        raise error

    async def audit(ctx: RequestContext, call_next: Any) -> Any:
        response = await call_next(ctx)
        ctx.background(done.append, f"audit {response.status_code}")
        return response

    answer = await ask(app_doing(act, middleware=[audit]), "/")
    assert done == [f"audit {answer.status}"]


async def test_it_is_done_where_the_client_has_gone_and_not_where_the_stream_failed() -> None:
    done: list[str] = []

    async def waiting() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise LookupError("in the middle")

    def act(ctx: RequestContext) -> Any:
        ctx.background(done.append, "done")
        return ctx.stream(waiting() if "wait" in ctx.query else failing())

    await ask(app_doing(act), "/?wait=1", disconnects=True)
    assert done == ["done"]
    with pytest.raises(LookupError):
        await ask(app_doing(act), "/")
    assert done == ["done"]


async def test_the_session_takes_no_writes_by_then(caplog: pytest.LogCaptureFixture) -> None:
    def act(ctx: RequestContext) -> Any:
        def late() -> None:
            ctx.session.data["late"] = True

        ctx.session.data["in time"] = True
        ctx.background(late)
        return {}

    app = app_doing(act, middleware=[session("a secret of at least thirty-two bytes")])
    assert (await ask(app, "/")).status == 200
    assert "late failed" in caplog.text


async def test_a_call_in_place_of_a_function_is_a_mistake(caplog: pytest.LogCaptureFixture) -> None:
    def act(ctx: RequestContext) -> Any:
        called: Any = "called"
        ctx.background(called)

    assert (await ask(app_doing(act), "/")).status == 500
    assert "do not call it" in caplog.text


def test_a_server_that_stops_waits_for_it_and_the_client_does_not(serve: Serve) -> None:
    go_on, done = threading.Event(), threading.Event()

    def work() -> None:
        assert go_on.wait(60)
        done.set()

    def act(ctx: RequestContext) -> Any:
        ctx.background(work)
        return ctx.text("x")

    with serve(app_doing(act)) as url:
        assert httpx2.get(url).text == "x"
        assert not done.is_set()
        threading.Timer(0.2, go_on.set).start()
    assert done.is_set()
