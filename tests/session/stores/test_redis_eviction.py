"""A Redis that removes keys when it is short of memory: what an application is told, and what comes back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from kick.session.stores.base import GONE, TAKEN, Change, Record
from kick.session.stores.redis import RedisStore
from kick.testing.store_contract import new_key
from kick.testing.store_contract.base import LONG, keys_found, started
from tests.session.conftest import make_store
from tests.session.harness import Site
from tests.session.test_applications import live, warnings_in
from tests.support.ports import HOST, free_port
from tests.support.redis import RedisServer
from tests.support.resp import ReplyError
from tests.support.setup_errors import raises_code

EVICTING = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl", "volatile-random"]


def servers_of(kind: str, request: pytest.FixtureRequest) -> list[RedisServer]:
    match kind:
        case "redis":
            return [request.getfixturevalue("redis_server")]
        case "cluster":
            return list(request.getfixturevalue("redis_cluster").nodes)
        case _:
            return [request.getfixturevalue("redis_sentinel").primary]


@pytest.fixture(params=["redis", "cluster", "sentinel"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[RedisStore]:
    made: RedisStore = make_store(request.param, request)
    yield made
    await made.aclose()


@pytest.fixture
def servers(store: RedisStore, request: pytest.FixtureRequest) -> Iterator[list[RedisServer]]:
    """The servers behind the store, with a limit of memory."""
    found = servers_of(request.node.callspec.params["store"], request)
    for each in found:
        each.command("CONFIG", "SET", "maxmemory", 1 << 30)
    yield found
    for each in found:
        each.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        each.command("CONFIG", "SET", "maxmemory", 0)


def evict_indexes(servers: list[RedisServer]) -> int:
    """Remove what finds the sessions of principals, as Redis does: sessions stay. Return how many keys there were."""
    removed = 0
    for server in servers:
        keys = server.command("KEYS", "*principal:*")
        assert isinstance(keys, list)
        for key in keys:
            server.command("DEL", str(key))
            removed += 1
    return removed


class TestWhatIsSaid:
    @pytest.mark.parametrize("policy", EVICTING)
    async def test_an_evicting_policy_is_a_warning_at_the_start(
        self, store: RedisStore, servers: list[RedisServer], policy: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        servers[-1].command("CONFIG", "SET", "maxmemory-policy", policy)
        assert await live(Site(store).app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        (told,) = warnings_in(caplog)
        assert told.startswith(f"[redis-evicts] Redis has the maxmemory-policy {policy}")
        assert "`sessions.revoke()` is not guaranteed" in told

    async def test_nothing_is_said_where_nothing_is_evicted(
        self, store: RedisStore, servers: list[RedisServer], caplog: pytest.LogCaptureFixture
    ) -> None:
        assert await store.review() == []
        for server in servers:
            server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            server.command("CONFIG", "SET", "maxmemory", 0)
        assert await store.review() == []
        await live(Site(store).app)
        assert warnings_in(caplog) == []

    async def test_the_fix_works(self, store: RedisStore, servers: list[RedisServer]) -> None:
        servers[0].command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        (warning,) = await store.review()
        words = warning.fix.split("`")[1].split()
        assert words[0] == "redis-cli"
        servers[0].command(*words[1:])
        assert await store.review() == []


class TestRequired:
    async def test_it_stops_the_start(self, redis_server: RedisServer) -> None:
        store = RedisStore(f"{redis_server.url}?require_noeviction=yes", timeout=30)
        app = Site(store).app
        assert await live(app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        redis_server.command("CONFIG", "SET", "maxmemory", 1 << 30)
        redis_server.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
        try:
            with raises_code("redis-evicts"):
                await live(app)
        finally:
            redis_server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
            redis_server.command("CONFIG", "SET", "maxmemory", 0)

    @pytest.mark.parametrize("required", [True, False])
    async def test_a_user_that_may_not_ask(
        self, redis_server: RedisServer, caplog: pytest.LogCaptureFixture, *, required: bool
    ) -> None:
        redis_server.command("ACL", "SETUSER", "kick", "on", ">secret", "~*", "+@all", "-info")
        url = redis_server.url.replace("redis://", "redis://kick:secret@")
        store = RedisStore(url, require_noeviction=required, timeout=30)
        try:
            if required:
                with raises_code("redis-eviction-unknown"):
                    await store.review()
                redis_server.command("ACL", "SETUSER", "kick", "+info")
            assert await store.review() == []
        finally:
            await store.aclose()
            redis_server.command("ACL", "DELUSER", "kick")
        assert warnings_in(caplog) == []

    async def test_a_server_that_is_down_cannot_be_vouched_for(self) -> None:
        store = RedisStore(f"redis://{HOST}:{free_port()}/0", require_noeviction=True)
        with raises_code("redis-eviction-unknown"):
            await store.review()
        await store.aclose()

    @pytest.mark.parametrize("value", ["", "1", "true", "maybe"])
    def test_the_option_of_the_url_is_yes_or_no(self, value: str) -> None:
        with raises_code("redis-url", match="require_noeviction must be yes or no"):
            RedisStore(f"redis://localhost?require_noeviction={value}")


class TestTheIndex:
    @pytest.fixture(autouse=True)
    async def evicting(self, store: RedisStore, servers: list[RedisServer]) -> None:
        for each in servers:
            each.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        await store.review()

    @pytest.mark.parametrize(
        "write",
        [
            lambda store, key: store.commit(key, Change(set={"a": b"2"}), max_age=LONG),
            lambda store, key: store.commit(key, Change(), max_age=LONG),
            lambda store, key: store.commit(key, Change(increment={"n": 1}, expect={"a": b"1"}), max_age=LONG),
            lambda store, key: store.touch(key, max_age=LONG),
        ],
        ids=["commit", "empty commit", "counter", "touch"],
    )
    async def test_a_write_enters_the_session_again(
        self, store: RedisStore, servers: list[RedisServer], write: Any
    ) -> None:
        key = await started(store, {"a": b"1"}, principal="ann")
        assert evict_indexes(servers) == 1
        assert await keys_found(store, "ann") == set()
        assert await write(store, key)
        assert await keys_found(store, "ann") == {key}
        assert await store.revoke("ann") == 1
        assert await store.load(key) is None

    async def test_each_session_comes_back_with_its_own_write(
        self, store: RedisStore, servers: list[RedisServer]
    ) -> None:
        keys = [await started(store, principal="ann") for _ in range(3)]
        evict_indexes(servers)
        for number, key in enumerate(keys, 1):
            await store.touch(key, max_age=LONG)
            assert await keys_found(store, "ann") == set(keys[:number])

    async def test_nobodys_sessions_enter_no_index(self, store: RedisStore, servers: list[RedisServer]) -> None:
        key = await started(store, {"a": b"1"})
        left = await started(store, principal="ann")
        await store.commit(left, Change(principal=None), max_age=LONG)
        evict_indexes(servers)
        for each in (key, left):
            await store.commit(each, Change(set={"a": b"2"}), max_age=LONG)
            await store.touch(each, max_age=LONG)
        assert evict_indexes(servers) == 0

    async def test_what_has_ended_enters_nothing_and_stays_ended(
        self, store: RedisStore, servers: list[RedisServer]
    ) -> None:
        key = await started(store, principal="ann")
        assert await store.revoke("ann") == 1
        evict_indexes(servers)
        assert await store.commit(key, Change(set={"a": b"2"}), max_age=LONG) is GONE
        assert await store.touch(key, max_age=LONG) is False
        assert evict_indexes(servers) == 0

    async def test_a_revocation_is_not_undone_by_an_entry_that_comes_late(
        self, store: RedisStore, servers: list[RedisServer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Everything that a revocation does comes between the commit and its entry."""
        key = await started(store, {"a": b"1"}, principal="ann")
        enter_again = store._enter_again

        async def later(*given: Any) -> None:
            assert await store.revoke("ann") == 1
            await enter_again(*given)

        monkeypatch.setattr(store, "_enter_again", later)
        await store.commit(key, Change(set={"a": b"2"}), max_age=LONG)
        assert await store.load(key) is None
        assert await keys_found(store, "ann") == set()

    async def test_a_move_needs_no_index(self, store: RedisStore, servers: list[RedisServer]) -> None:
        key = await started(store, principal="ann")
        evict_indexes(servers)
        new = new_key(key)
        assert await store.move(key, new, max_age=LONG, grace=0) is not TAKEN
        assert isinstance(await store.load(new), Record)
        assert await keys_found(store, "ann") == {new}

    async def test_an_index_that_cannot_be_renewed_fails_no_write(
        self, store: RedisStore, servers: list[RedisServer], caplog: pytest.LogCaptureFixture
    ) -> None:
        key = await started(store, {"a": b"1"}, principal="ann")
        evict_indexes(servers)
        for each in servers:  # the index has been replaced by something else
            each.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        index = store._principals._keys(b"ann")[0].decode()
        assert any(str(each.command("SET", index, "x")) == "OK" for each in servers if _owns(each, index))
        await store.commit(key, Change(set={"a": b"2"}), max_age=LONG)
        record = await store.load(key)
        assert isinstance(record, Record)
        assert record.fields == {"a": b"2"}
        assert any("could not be renewed" in each for each in warnings_in(caplog))


def _owns(server: RedisServer, key: str) -> bool:
    try:
        server.command("EXISTS", key)
    except ReplyError:  # MOVED
        return False
    return True


async def test_where_nothing_is_evicted_a_commit_is_one_command(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = RedisStore(redis_url, timeout=30)
    await store.review()
    key = await started(store, principal="ann")
    sent: list[bytes] = []
    submit = store._submit

    def noted(key: bytes, payload: bytes, *more: Any, **options: Any) -> Any:
        sent.append(payload)
        return submit(key, payload, *more, **options)

    store._submit = noted  # type: ignore[method-assign]
    await store.commit(key, Change(set={"a": b"1"}), max_age=LONG)
    await store.touch(key, max_age=LONG)
    assert len(sent) == 2
    await store.aclose()
