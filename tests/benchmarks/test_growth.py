"""How costs grow: every line has all its points. What they say is judged by nobody here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks import inprocess
from benchmarks.growth import applications, stores
from benchmarks.results import Panel


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inprocess, "BATCH", 2)
    monkeypatch.setattr(inprocess, "BATCHES", 2)
    monkeypatch.setattr(stores, "LOOKS", 20)
    monkeypatch.setattr(stores, "SESSIONS", (10, 100))
    monkeypatch.setattr(applications, "ROUTES", (1, 10))


@pytest.mark.parametrize("measure", [applications.routes, applications.middleware, applications.keys])
async def test_what_an_application_has(measure: Callable[[], Awaitable[list[Panel]]]) -> None:
    panels = await measure()
    assert panels
    for panel in panels:
        for line in panel.lines.values():
            assert line
            assert all(y > 0 for _, y in line)


async def test_what_the_memory_store_holds() -> None:
    for panel in await stores.memory(most=100):
        assert panel.lines
        assert all([x for x, _ in line] == [10, 100] for line in panel.lines.values()), panel.title


@pytest.mark.nightly
async def test_what_is_held_outside_the_process(redis_url: str, postgres_url: str, tmp_path: Path) -> None:
    urls = {"SQLite": f"sqlite:///{tmp_path}/sessions.db", "Redis": redis_url, "PostgreSQL": postgres_url}
    panels = await stores.outside(100, urls)
    assert [panel.title.partition(": ")[2] for panel in panels] == ["a load", "a commit"]
    for panel in panels:
        assert list(panel.lines) == ["SQLite", "Redis", "PostgreSQL"]
        assert all([x for x, _ in line] == [10, 100] for line in panel.lines.values())
