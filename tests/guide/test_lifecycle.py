"""What the page on start-up and shutdown says of its applications."""

from __future__ import annotations

import anyio
import pytest

from kick.testing import TestClient
from tests.guide.pages import application, names_of
from tests.http.support import ask

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
