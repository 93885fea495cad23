"""Sessions on the primary that Sentinel names, and what a fail-over does to them.

Redis replicates asynchronously, so what is promised for a fail-over is this: what had reached the replica is there
afterwards; what had been destroyed there stays destroyed; writers fail for a while and go on by themselves.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from kick.session.store import AtomicStore, Change, Committed, Record
from kick.session.stores.redis import RedisStore
from kick.testing.store_contract import MakeStore, StoreContract, fields_of
from kick.testing.store_contract.base import LONG, record_of, started
from tests.support import resp
from tests.support.redis import RedisSentinel
from tests.support.waiting import wait_until


def url_of(servers: RedisSentinel) -> str:
    hosts = ",".join(f"{host}:{port}" for host, port in servers.sentinels)
    return f"redis+sentinel://{hosts}/{servers.service}/0"


class TestRedisSentinel(StoreContract):
    short = 0.3

    @pytest.fixture
    def make_store(self, redis_sentinel: RedisSentinel) -> MakeStore:
        redis_sentinel.flush()
        self.url = url_of(redis_sentinel)

        async def make() -> AtomicStore:
            return RedisStore(self.url, prefix=f"{secrets.token_hex(8)}:")

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        assert isinstance(store, RedisStore)
        return RedisStore(self.url, prefix=store.prefix)


@pytest.fixture
async def store(redis_sentinel: RedisSentinel) -> AsyncIterator[RedisStore]:
    redis_sentinel.flush()
    store = RedisStore(url_of(redis_sentinel))
    yield store
    await store.aclose()
    await asyncio.to_thread(redis_sentinel.heal)


def replicated(servers: RedisSentinel) -> None:
    """Return when the replica has all that the primary has acknowledged by now."""
    offset = int(servers.primary.info("replication")["master_repl_offset"])
    replica = servers.replica
    wait_until(lambda: int(replica.info("replication")["slave_repl_offset"]) >= offset, "the replica")


def change_roles(servers: RedisSentinel) -> None:
    """Have primary and replica change roles, with both of them alive, and return when they have."""
    before, heir = servers.primary, servers.replica
    resp.command(servers.sentinels[0][1], "SENTINEL", "FAILOVER", servers.service)
    wait_until(lambda: servers.primary is heir, "the sentinel", timeout=60)
    wait_until(lambda: heir.info("replication")["role"] == "master", "the new primary", timeout=60)
    wait_until(lambda: before.info("replication")["role"] == "slave", "the new replica", timeout=60)


async def persist(operation: Callable[[], Awaitable[Any]]) -> Any:
    """What the operation gives as soon as it does not fail any more."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await operation()
            except RedisError:
                await asyncio.sleep(0.01)


class Writer:
    """Counts in a session without a pause, and notes what was acknowledged and what was tried."""

    def __init__(self, store: RedisStore, key: str) -> None:
        self.store = store
        self.key = key
        self.acknowledged = 0
        self.tried = 0
        self.failed = 0
        self.stop = asyncio.Event()

    async def run(self) -> None:
        while not self.stop.is_set():
            self.tried += 1
            try:
                result = await self.store.commit(self.key, Change(increment={"n": 1}), max_age=LONG)
            except RedisError:
                self.failed += 1
                await asyncio.sleep(0.01)
            else:
                assert isinstance(result, Committed)
                self.acknowledged = result.counters["n"]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["the primary dies", "the roles change"])
async def test_after_a_fail_over_writers_go_on_and_what_was_replicated_is_there(
    store: RedisStore, redis_sentinel: RedisSentinel, how: str
) -> None:
    destroyed = [await started(store, {"n": b"0"}, principal="gone") for _ in range(20)]
    revoked = [await started(store, principal="ann") for _ in range(20)]
    kept = [await started(store, {"n": b"0"}) for _ in range(10)]
    for key in destroyed:
        assert await store.destroy(key) is True
    assert await store.revoke("ann") == 20
    writers = [Writer(store, key) for key in kept]
    writing = asyncio.gather(*(writer.run() for writer in writers))
    await writers[0].until(lambda: all(writer.acknowledged > 20 for writer in writers))
    await asyncio.to_thread(replicated, redis_sentinel)
    safe = [0] * len(writers)
    for number, writer in enumerate(writers):
        safe[number] = writer.acknowledged
    await asyncio.to_thread(replicated, redis_sentinel)

    await asyncio.to_thread(
        redis_sentinel.fail_over if how == "the primary dies" else change_roles,
        *(() if how == "the primary dies" else (redis_sentinel,)),
    )

    tried = [writer.tried for writer in writers]
    await writers[0].until(lambda: all(w.tried > t + 20 for w, t in zip(writers, tried, strict=True)))
    failed = [writer.failed for writer in writers]
    await writers[0].until(lambda: all(w.tried > t + 50 for w, t in zip(writers, tried, strict=True)))
    for writer in writers:
        writer.stop.set()
    await writing
    assert [writer.failed for writer in writers] == failed
    for writer, at_least in zip(writers, safe, strict=True):
        assert at_least <= int((await fields_of(store, writer.key) or {})["n"]) <= writer.tried
    assert [await store.load(key) for key in destroyed + revoked] == [None] * 40
    assert await store.find("ann") == []


async def test_the_index_of_principals_is_replicated_too(store: RedisStore, redis_sentinel: RedisSentinel) -> None:
    keys = {await started(store, principal="ann") for _ in range(5)}
    await asyncio.to_thread(replicated, redis_sentinel)
    await asyncio.to_thread(redis_sentinel.fail_over)
    assert {key for key, _ in await persist(lambda: store.find("ann"))} == keys
    assert await store.revoke("ann") == 5


async def test_no_write_goes_to_a_primary_that_has_become_a_replica(
    store: RedisStore, redis_sentinel: RedisSentinel
) -> None:
    key = await started(store, {"a": b"1"})
    await asyncio.to_thread(replicated, redis_sentinel)
    await asyncio.to_thread(change_roles, redis_sentinel)
    await persist(lambda: store.commit(key, Change(set={"a": b"2"}), max_age=LONG))
    assert (await record_of(store, key)).fields == {"a": b"2"}
    assert "a" in str(redis_sentinel.primary.command("HGETALL", f"kick:{key}"))


async def test_what_master_for_gives_is_a_client_like_any_other(redis_sentinel: RedisSentinel) -> None:
    redis_sentinel.flush()
    sentinel: Any = redis.asyncio.Sentinel(redis_sentinel.sentinels)  # type: ignore[no-untyped-call]
    client = sentinel.master_for(redis_sentinel.service, decode_responses=True)
    store = RedisStore(client)
    key = await started(store, {"a": b"1"}, principal="ann")
    assert isinstance(await store.load(key), Record)
    await store.aclose()
    await client.set("mine", "1")
    await client.aclose()
    for each in sentinel.sentinels:
        await each.aclose()


async def test_a_service_that_no_sentinel_knows_is_reported(redis_sentinel: RedisSentinel) -> None:
    store = RedisStore(url_of(redis_sentinel).replace(f"/{redis_sentinel.service}/", "/other/"))
    with pytest.raises(RedisError, match="'other'"):
        await store.load("key")
    await store.aclose()


async def test_one_sentinel_that_answers_is_enough(redis_sentinel: RedisSentinel) -> None:
    store = RedisStore(url_of(redis_sentinel).replace("://", "://127.0.0.1:1,"))
    await started(store)
    await store.aclose()
