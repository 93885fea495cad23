"""Every promise is tested over every store: `store` is one, empty; `site` is an application that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kick.session import MemoryStore
from kick.session.stores.custom import BasicStore
from tests.session.harness import Browser, Site

ATOMIC = ["memory", "sqlite", "redis", "cluster", "sentinel"]


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


def make_store(kind: str, request: pytest.FixtureRequest) -> Any:
    """A store of a kind, with nothing in it."""
    match kind:
        case "memory":
            return MemoryStore()
        case "basic":
            return BasicStore(DictStore())
        case "sqlite":
            from kick.session.stores.sqlite import SQLiteStore

            folder: Path = request.getfixturevalue("tmp_path")
            return SQLiteStore(folder / "sessions.db")
        case "redis":
            from kick.session.stores.redis import RedisStore

            return RedisStore(request.getfixturevalue("redis_url"), timeout=30)
        case "cluster":
            from kick.session.stores.redis import RedisStore

            cluster = request.getfixturevalue("redis_cluster")
            cluster.flush()
            return RedisStore(cluster.url.replace("redis://", "redis+cluster://"))
        case _:
            from kick.session.stores.redis import RedisStore

            sentinel = request.getfixturevalue("redis_sentinel")
            sentinel.flush()
            hosts = ",".join(f"{host}:{port}" for host, port in sentinel.sentinels)
            return RedisStore(f"redis+sentinel://{hosts}/{sentinel.service}/0")


@pytest.fixture(params=["memory", "basic", "sqlite", "redis"])
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
