"""`examples/custom_store.py` against a real Redis."""

import importlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kick.session import SessionStore
from tests.support.described import described_by
from tests.support.redis import RedisServer
from tests.support.serving import ROOT, ServeProcess

SECRET = "a secret of at least thirty-two bytes"
DAY = 86_400_000
"""Milliseconds: what `session()` lets a session live if nothing else is said."""


@pytest.fixture
async def store(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("SESSION_SECRET", SECRET)
    store = importlib.import_module("examples.custom_store").RedisStore(redis_url)
    yield store
    await store.aclose()


@pytest.fixture
def client(redis_url: str, serve_process: ServeProcess, tmp_path: Path) -> Iterator[httpx2.Client]:
    environment = {"SESSION_SECRET": SECRET, "REDIS_URL": redis_url}
    log = tmp_path / "server.log"
    with (
        serve_process("custom_store:app", cwd=ROOT / "examples", env=environment, log=log) as server,
        httpx2.Client(base_url=server.url) as client,
    ):
        described = described_by("custom_store:app", cwd=ROOT / "examples", env=environment)
        client.event_hooks = {"response": [described.hook]}
        yield client


def keys(redis: RedisServer) -> list[str]:
    found = redis.command("KEYS", "*")
    assert isinstance(found, list)
    return [str(key) for key in found]


def lifetime(redis: RedisServer, key: str) -> int:
    """How long a key has to live, in milliseconds."""
    left = redis.command("PTTL", key)
    assert isinstance(left, int)
    return left


# The store by itself


async def test_it_is_a_store(store: Any) -> None:
    assert isinstance(store, SessionStore)


async def test_what_is_set_comes_back_as_it_was(store: Any) -> None:
    data = {"items": ["tea", {"price": 1.5, "gift": None}], "ключ": True}
    await store.set("a", data, 60)
    assert await store.get("a") == data
    assert await store.get("b") is None


async def test_it_expires_in_redis(store: Any, redis_server: RedisServer) -> None:
    await store.set("a", {}, 60.0)
    assert keys(redis_server) == ["sess:a"]
    assert 50_000 < lifetime(redis_server, "sess:a") <= 60_000
    await store.set("a", {}, 0.0)
    assert lifetime(redis_server, "sess:a") <= 1


async def test_a_touch_prolongs_and_revives_nothing(store: Any, redis_server: RedisServer) -> None:
    await store.set("a", {"n": 1}, 60)
    await store.touch("a", 600.5)
    assert 590_000 < lifetime(redis_server, "sess:a") <= 600_500
    assert await store.get("a") == {"n": 1}

    await store.touch("b", 600)

    assert await store.get("b") is None


async def test_what_is_destroyed_is_gone(store: Any, redis_server: RedisServer) -> None:
    await store.set("a", {}, 60)
    await store.destroy("a")
    await store.destroy("a")
    assert await store.get("a") is None
    assert keys(redis_server) == []


# The application that uses it


def test_a_cart_is_kept_until_the_checkout(client: httpx2.Client, redis_server: RedisServer) -> None:
    assert client.get("/cart").json() == []
    assert keys(redis_server) == []

    client.post("/cart/tea")
    assert client.post("/cart/milk").json() == ["tea", "milk"]
    assert client.get("/cart").json() == ["tea", "milk"]
    (key,) = keys(redis_server)
    assert key.startswith("sess:")

    cookie = client.cookies["kick.sid"]
    assert client.post("/cart/checkout").status_code == 204
    assert keys(redis_server) == []
    client.cookies.set("kick.sid", cookie)
    assert client.get("/cart").json() == []


def test_the_session_expires_in_redis_when_its_cookie_does(client: httpx2.Client, redis_server: RedisServer) -> None:
    response = client.post("/cart/tea")
    (key,) = keys(redis_server)
    assert "Max-Age=86400" in response.headers["set-cookie"]
    assert DAY - 30_000 < lifetime(redis_server, key) <= DAY


def test_an_expired_cart_is_empty(client: httpx2.Client, redis_server: RedisServer) -> None:
    client.post("/cart/tea")
    (key,) = keys(redis_server)
    redis_server.command("PEXPIREAT", key, 1)
    assert client.get("/cart").json() == []


def test_redis_never_sees_what_opens_the_session(client: httpx2.Client, redis_server: RedisServer) -> None:
    client.post("/cart/tea")
    (key,) = keys(redis_server)
    session_id = client.cookies["kick.sid"].removeprefix("s:").partition(".")[0]
    assert len(session_id) > 20
    assert session_id not in key
    assert session_id not in str(redis_server.command("GET", key))
