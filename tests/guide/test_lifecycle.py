"""What the page on start-up and shutdown says of its applications."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from kick import Controller, Get, RequestContext, Response
from kick.testing import TestClient
from tests.guide.pages import application, names_of
from tests.http.support import app_of, ask

PAGE = "lifecycle.md"


def test_parts_start_in_order_and_end_in_reverse() -> None:
    names = names_of(PAGE, "Lifespans")
    with TestClient(names["app"]):
        begun = ["database opens", "billing begins", "application begins"]
        assert names["trail"] == begun
    assert names["trail"] == [*begun, "application ends", "billing ends", "database closes"]


async def test_a_stream_ends_when_the_application_is_about_to_stop() -> None:
    app = application(PAGE, "Graceful shutdown")
    answers: list[str] = []

    async def listen() -> None:
        answers.append((await ask(app, "/clock")).text)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            assert answers == []
            app.begin_shutdown()
    assert set(answers[0].split()) == {"tick"}


@pytest.mark.parametrize(("path", "ends"), [("/endless/events", True), ("/endless/chunks", False)])
async def test_event_streams_end_by_themselves_and_other_streams_do_not(path: str, ends: bool) -> None:
    app = app_of(Endless)
    ended = anyio.Event()

    async def listen() -> None:
        await ask(app, path)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        app.begin_shutdown()
        with anyio.move_on_after(60 if ends else 0.1):
            await ended.wait()
        assert ended.is_set() is ends
        tasks.cancel_scope.cancel()


@Controller("/endless")
class Endless:
    @Get("/events")
    async def events(self, ctx: RequestContext) -> Response:
        return ctx.sse(without_end())

    @Get("/chunks")
    async def chunks(self, ctx: RequestContext) -> Response:
        return ctx.stream(without_end())


async def without_end() -> AsyncIterator[str]:
    yield "first"
    await anyio.sleep_forever()


def test_it_is_alive_and_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(application(PAGE, "Health checks")) as client:
        assert client.get("/health/live").json() == {"status": "pass"}
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json() == {"status": "fail"}
    assert "Database fails its health check: ConnectionRefusedError: connection refused" in caplog.text


def test_a_handler_that_is_no_coroutine_function_is_served() -> None:
    app = application(PAGE, "Threads")
    with TestClient(app) as client:
        assert client.get("/old").json() == "done"
    assert app.settings.threads.size == 10


def test_handlers_that_look_after_their_clients_answer_those_that_stay() -> None:
    with TestClient(application(PAGE, "Client disconnects")) as client:
        assert client.get("/reports/2024").json() == {"year": 2024}
        assert client.get("/reports").json() == [2020, 2021, 2022, 2023, 2024]
