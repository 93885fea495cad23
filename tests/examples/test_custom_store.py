"""`examples/custom_store.py` against a real Redis."""

import importlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kick.session import SessionStore
from kick.testing import TestClient, travel
from kick.testing.store_contract import SessionStoreContract
from kick.testing.store_contract.session_store import MakeSessionStore
from tests.support.described import described_by
from tests.support.redis import RedisServer
from tests.support.serving import ROOT, ServeProcess
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
DAY = 86_400_000
"""Milliseconds: what `session()` lets a session live if nothing else is said."""


@pytest.fixture
def example(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with an empty Redis."""
    monkeypatch.setenv("SESSION_SECRET", SECRET)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.delitem(sys.modules, "examples.custom_store", raising=False)
    return importlib.import_module("examples.custom_store")


@pytest.fixture
async def store(example: Any, redis_url: str) -> AsyncIterator[Any]:
    store = example.RedisStore(redis_url)
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


async def test_it_expires_in_redis(store: Any, redis_server: RedisServer) -> None:
    await store.set("a", {}, 60.0)
    assert keys(redis_server) == ["sess:a"]
    assert 50_000 < lifetime(redis_server, "sess:a") <= 60_000
    await store.set("a", {}, 0.0)
    assert lifetime(redis_server, "sess:a") <= 1


async def test_a_touch_prolongs(store: Any, redis_server: RedisServer) -> None:
    await store.set("a", {"n": 1}, 60)
    await store.touch("a", 600.5)
    assert 590_000 < lifetime(redis_server, "sess:a") <= 600_500


class TestContract(SessionStoreContract):
    @pytest.fixture
    def make_store(self, example: Any, redis_url: str) -> MakeSessionStore:
        async def make() -> SessionStore:
            store: SessionStore = example.RedisStore(redis_url)
            return store

        return make


# The application that uses it


def test_each_browser_has_its_cart(example: Any) -> None:
    with TestClient(example.app, validate=True) as ada:
        bob = ada.another()
        ada.post("/cart/tea")
        bob.post("/cart/milk")
        with ada.session() as session:
            assert session["items"] == ["tea"]
            session["items"] = ["tea", "cup"]
        assert ada.get("/cart").json() == ["tea", "cup"]
        assert bob.get("/cart").json() == ["milk"]


def test_a_store_that_lets_sessions_expire_itself_cannot_travel(example: Any) -> None:
    with TestClient(example.app) as client, raises_code("test-clock"), travel(client, hours=25):
        pass


# The application under its server


def test_a_cart_has_a_limit(example: Any) -> None:
    with TestClient(example.app) as ada:
        assert ada.post(f"/cart/{'x' * 101}").status_code == 404
        carts = [ada.post(f"/cart/{number}").json() for number in range(52)]
        assert carts[-1] == ada.get("/cart").json() == [str(number) for number in range(2, 52)]


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
