"""The page on background work: its applications do what is said of them."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from kick import App
from kick.testing import TestClient
from tests.guide.pages import application, names_of
from tests.support.waiting import wait_until

PAGE = "background.md"
OUTBOX = "Work that must not be lost"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_tasks_run_after_the_response_each_in_its_scope() -> None:
    names = names_of(PAGE, "Background tasks")
    names["Journal"].lines.clear()
    with TestClient(names["app"]) as client:
        assert client.post("/people", json={"email": "ada@example.com"}).status_code == 201
        assert names["Journal"].lines == ["ada@example.com", "committed"]
        assert names["app"].container.instance(names["Mailer"]).sent == ["ada@example.com"]


def test_a_loop_goes_on_after_an_error_and_ends_with_the_application(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="rates")
    app = application(PAGE, "Repeated work")
    with TestClient(app) as client:
        wait_until(lambda: client.get("/rates").json() > 2, "the third round")
    assert [record.message for record in caplog.records] == ["The rates are not refreshed."]


def counts(client: TestClient, names: dict[str, Any]) -> list[int]:
    """The number of orders, and of mails that wait."""

    async def count(db: AsyncSession) -> list[int]:
        tables = (names["OrderRow"], names["MailRow"])
        return [(await db.scalars(select(func.count()).select_from(table))).one() for table in tables]

    count.__annotations__["db"] = AsyncSession
    return client.run(count)


def test_an_outbox_delivers_what_was_committed_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="outbox")
    names = names_of(PAGE, OUTBOX)
    mailer = names["Mailer"]()
    app = names["app"]
    with app.override(names["Mailer"], mailer), TestClient(app, raise_exceptions=False) as client:
        mailer.is_down = True
        assert client.post("/orders/ada").status_code == 201
        assert client.post("/orders/nobody").status_code == 500
        assert counts(client, names) == [1, 1]
    assert mailer.sent == []
    mailer.is_down = False
    again = names_of(PAGE, OUTBOX)  # after a restart
    with again["app"].override(again["Mailer"], mailer), TestClient(again["app"]) as client:
        wait_until(lambda: counts(client, again) == [1, 0], "the delivery")
    assert mailer.sent == ["ada@example.com: Your order"]


def test_the_application_stops_in_the_middle_of_a_query() -> None:
    """Without the shield, the cancelled query leaves a task that keeps the event loop from closing."""
    for _ in range(10):
        names = names_of(PAGE, OUTBOX)
        with TestClient(names["app"]) as client:
            assert client.portal is not None
            client.portal.call(wait_for_a_query, names["app"])


async def wait_for_a_query(app: App) -> None:
    """Return while the thread of the driver runs a query of the loop, which takes a moment longer."""
    engine = await app.container.get(AsyncEngine)
    is_running = threading.Event()

    def dawdle() -> int:
        if not is_running.is_set():
            is_running.set()
            time.sleep(0.05)
        return 0

    @event.listens_for(engine.sync_engine, "checkout")
    def slow_down(connection: Any, *_: object) -> None:
        connection.run_async(lambda driver: driver.set_progress_handler(dawdle, 1))

    await anyio.to_thread.run_sync(is_running.wait)


def test_a_worker_of_a_queue_and_a_test_run_as_they_are_shown() -> None:
    assert names_of(PAGE, "Task queues")["app"] is not None
    assert names_of(PAGE, "Tests")["app"] is not None
