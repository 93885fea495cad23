"""What `Metrics` counts."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client import CollectorRegistry, Counter

from kick import App, Controller, Get, Module, RequestContext, bootstrap
from kick.session import session
from kick.telemetry import Metrics
from kick.telemetry.stores import OPERATIONS, TimedStore
from tests.http.support import ask
from tests.support.serving import ROOT
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"


class Gate:
    opened: asyncio.Event


@Controller("/notes")
class Notes:
    @Get("/{note_id}")
    async def show(self, note_id: int) -> int:
        return note_id

    @Get("/fail")
    async def fail(self) -> None:
        raise RuntimeError("broken")

    @Get("/login")
    async def login(self, ctx: RequestContext) -> None:
        ctx.session.data["user"] = 7

    @Get("/mine")
    async def mine(self, ctx: RequestContext) -> int:
        return ctx.session.data.get("user", 0)

    @Get("/slow")
    async def slow(self) -> None:
        await Gate.opened.wait()


def application(**options: Any) -> App:
    layer = session(SECRET, save_uninitialized=False)
    return bootstrap([Module("notes", controllers=[Notes]), Metrics(**options)], [layer])


async def value_of(app: App, name: str, path: str = "/metrics") -> float:
    """The value of a line of the metrics."""
    answer = await ask(app, path)
    assert (answer.header("content-type") or "").startswith("text/plain")
    found = re.search(rf"^{re.escape(name)} (\S+)$", answer.text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_requests_are_counted_by_route_and_class_of_status() -> None:
    app = application()
    for path in ("/notes/1", "/notes/2", "/notes/x", "/notes/fail", "/a", "/b", "/\x1b"):
        await ask(app, path)
    await ask(app, "/notes/1", method="HACK")
    for name, expected in {
        'http_requests_total{method="GET",route="/notes/{note_id}",status="2xx"}': 2,
        'http_requests_total{method="GET",route="/notes/fail",status="5xx"}': 1,
        'http_requests_total{method="GET",route="unmatched",status="4xx"}': 4,
        'http_requests_total{method="other",route="unmatched",status="4xx"}': 1,
        'http_request_duration_seconds_count{method="GET",route="/notes/{note_id}"}': 2,
        'http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/notes/{note_id}"}': 2,
    }.items():
        assert await value_of(app, name) == expected, name


async def test_requests_in_flight_are_counted() -> None:
    app = application()
    Gate.opened = asyncio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(ask, app, "/notes/slow")
        await anyio.wait_all_tasks_blocked()
        assert await value_of(app, "http_requests_in_flight") == 2  # that, and the one that asks
        Gate.opened.set()
    assert await value_of(app, "http_requests_in_flight") == 1


async def test_sessions_and_their_store_are_watched() -> None:
    app = application()
    cookie = (await ask(app, "/notes/login")).all("set-cookie")[0].partition(";")[0]
    await ask(app, "/notes/mine", headers={"cookie": cookie})
    await ask(app, "/notes/mine", headers={"cookie": "kick.sid=s:forged.x"})
    assert await value_of(app, 'kick_session_events_total{event="created"}') == 1
    assert await value_of(app, 'kick_session_events_total{event="bad_signature"}') == 1
    assert await value_of(app, 'kick_session_store_duration_seconds_count{operation="create"}') == 1
    assert await value_of(app, 'kick_session_store_duration_seconds_count{operation="load"}') == 1


async def test_a_store_that_fails_is_timed_too() -> None:
    seen: list[str] = []

    class Broken:
        def __getattr__(self, name: str) -> Any:
            async def fail(*_: Any) -> None:
                raise OSError("down")

            return fail

    store: Any = TimedStore(Broken(), lambda operation, seconds: seen.append(operation))
    with pytest.raises(OSError, match="down"):
        await store.load("key")
    assert seen == ["load"]
    assert set(OPERATIONS) <= set(vars(store))


async def test_a_registry_of_ones_own_is_served_at_a_path_of_ones_own() -> None:
    registry = CollectorRegistry()
    Counter("orders", "Orders.", registry=registry).inc(3)
    app = application(path="/internal/metrics", registry=registry)
    assert await value_of(app, "orders_total", "/internal/metrics") == 3
    assert (await ask(app, "/metrics")).status == 404


async def test_two_applications_count_for_themselves() -> None:
    first, second = application(), application()
    await ask(first, "/notes/1")
    name = 'http_requests_total{method="GET",route="/notes/{note_id}",status="2xx"}'
    assert (await value_of(first, name), await value_of(second, name)) == (1, 0)


MANY = """
import asyncio
from kick import bootstrap
from kick.telemetry import Metrics
from tests.http.support import ask
app = bootstrap([Metrics()])
asyncio.run(ask(app, "/nowhere"))
print(asyncio.run(ask(app, "/metrics")).text)
"""


@pytest.mark.process
def test_each_of_several_processes_serves_what_all_have_counted(tmp_path: Path) -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", MANY],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert 'http_requests_total{method="GET",route="unmatched",status="4xx"} 2.0' in outputs[1]


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with raises_code("missing-extra", match=r"pip install 'kick-framework\[telemetry\]'"):
        Metrics()
