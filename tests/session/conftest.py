"""Every promise is tested over every store: `store` is one, empty; `site` is an application that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kick.session import MemoryStore
from kick.session.stores.custom import BasicStore
from kick.session.stores.url import open_store
from tests.session.harness import Browser, Site

ATOMIC = ["memory", "sqlite", "postgres", "redis", "cluster", "sentinel"]


class DictStore:
    """The least that a user's store can be."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    async def get(self, sid: str) -> dict[str, Any] | None:
        return self.rows.get(sid)

    async def set(self, sid: str, data: dict[str, Any], max_age: float) -> None:
        self.rows[sid] = data

    async def destroy(self, sid: str) -> None:
        self.rows.pop(sid, None)


def url_of(kind: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty store of a kind that several processes can share."""
    match kind:
        case "sqlite":
            folder: Path = request.getfixturevalue("tmp_path")
            return f"sqlite:///{folder}/sessions.db"
        case "postgres":
            return str(request.getfixturevalue("postgres_url"))
        case "redis":
            return str(request.getfixturevalue("redis_url"))
        case "cluster":
            cluster = request.getfixturevalue("redis_cluster")
            cluster.flush()
            return str(cluster.url.replace("redis://", "redis+cluster://"))
        case _:
            sentinel = request.getfixturevalue("redis_sentinel")
            sentinel.flush()
            hosts = ",".join(f"{host}:{port}" for host, port in sentinel.sentinels)
            return f"redis+sentinel://{hosts}/{sentinel.service}/0"


def make_store(kind: str, request: pytest.FixtureRequest) -> Any:
    """A store of a kind, with nothing in it."""
    if kind == "memory":
        return MemoryStore()
    if kind == "basic":
        return BasicStore(DictStore())
    return open_store(url_of(kind, request), timeout=30)


@pytest.fixture(params=["memory", "basic", "sqlite", "postgres", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """An empty store of each kind."""
    made = make_store(request.param, request)
    yield made
    await made.aclose()


@pytest.fixture(params=ATOMIC)
async def atomic_store(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """An empty store of each kind that keeps every promise in every race."""
    made = make_store(request.param, request)
    yield made
    await made.aclose()


@pytest.fixture(params=[*ATOMIC, "basic"])
async def racing_store(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Those, and a user's store, which keeps the promises within one process."""
    made = make_store(request.param, request)
    yield made
    await made.aclose()


@pytest.fixture
def site(store: Any) -> Site:
    """An application over the store, with `save_uninitialized=False`."""
    return Site(store)


@pytest.fixture
def browser(site: Site) -> Browser:
    """Somebody who has not been there yet."""
    return Browser(site)
