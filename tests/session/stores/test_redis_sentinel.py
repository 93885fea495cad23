"""Sessions on the primary that Sentinel names, and what a fail-over does to them.

Redis replicates asynchronously, so what is promised for a fail-over is this: what had reached the replica is there
afterwards; what had been destroyed there stays destroyed; writers fail for a while and go on by themselves.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from kick.session.stores.base import AtomicStore, Change, Committed, Record
from kick.session.stores.redis import RedisStore
from kick.testing.store_contract import MakeStore, StoreContract
from kick.testing.store_contract.base import LONG, started
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
            return RedisStore(self.url, prefix=f"{secrets.token_hex(8)}:", timeout=30)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        assert isinstance(store, RedisStore)
        return RedisStore(self.url, prefix=store.prefix, timeout=30)


@pytest.fixture
async def store(redis_sentinel: RedisSentinel) -> AsyncIterator[RedisStore]:
    redis_sentinel.flush()
    store = RedisStore(url_of(redis_sentinel), timeout=10)
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


class Writer:
    """Counts in a session without a pause, and notes what was acknowledged and what was tried."""

    def __init__(self, store: RedisStore, key: str) -> None:
        self.store = store
        self.key = key
        self.acknowledged = 0
        self.tried = 0
        self.failed = 0
        self.stop = asyncio.Event()
        self.tries_again = asyncio.Event()

    async def run(self) -> None:
        while not self.stop.is_set():
            self.tried += 1
            self.tries_again.set()
            try:
                result = await self.store.commit(self.key, Change(increment={"n": 1}), max_age=LONG)
            except RedisError:
                self.failed += 1
                await asyncio.sleep(0.01)
            else:
                assert isinstance(result, Committed)
                self.acknowledged = result.counters["n"]


async def all_of(writers: Sequence[Writer], further: int) -> None:
    """Return when each writer has tried so many times more."""
    goals = [writer.tried + further for writer in writers]
    async with asyncio.timeout(60):
        for writer, goal in zip(writers, goals, strict=True):
            while writer.tried < goal:
                writer.tries_again.clear()
                await writer.tries_again.wait()


@pytest.mark.parametrize("take_over", [RedisSentinel.fail_over, change_roles], ids=["the primary dies", "roles change"])
async def test_after_a_fail_over_writers_go_on_and_what_was_replicated_is_there(
    store: RedisStore, redis_sentinel: RedisSentinel, take_over: Callable[[RedisSentinel], None]
) -> None:
    ended = [await started(store, {"n": b"0"}, principal="gone") for _ in range(10)]
    for key in ended:
        assert await store.destroy(key) is True
    ended += [await started(store, principal="ann") for _ in range(10)]
    assert await store.revoke("ann") == 10
    bobs = {await started(store, principal="bob") for _ in range(5)}
    writers = [Writer(store, await started(store, {"n": b"0"})) for _ in range(10)]
    writing = asyncio.gather(*(writer.run() for writer in writers))
    await all_of(writers, 20)
    safe = [writer.acknowledged for writer in writers]
    await asyncio.to_thread(replicated, redis_sentinel)

    await asyncio.to_thread(take_over, redis_sentinel)

    await all_of(writers, 20)  # the last that fail
    failed = [writer.failed for writer in writers]
    await all_of(writers, 50)
    for writer in writers:
        writer.stop.set()
    await writing
    assert [writer.failed for writer in writers] == failed
    for writer, at_least in zip(writers, safe, strict=True):
        counted = int(str(redis_sentinel.primary.command("HGET", f"kick:{writer.key}", "n")))
        assert at_least <= counted <= writer.tried
        assert counted >= writer.acknowledged
    assert [await store.load(key) for key in ended] == [None] * 20
    assert {key for key, _ in await store.find("bob")} == bobs
    assert await store.revoke("bob") == 5
    assert await store.find("ann") == []


async def test_what_master_for_gives_is_a_client_like_any_other(redis_sentinel: RedisSentinel) -> None:
    redis_sentinel.flush()
    sentinel: Any = redis.asyncio.Sentinel(redis_sentinel.sentinels)  # type: ignore[no-untyped-call]
    client = sentinel.master_for(redis_sentinel.service, decode_responses=True)
    store = RedisStore(client, timeout=30)
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
    store = RedisStore(url_of(redis_sentinel).replace("://", "://127.0.0.1:1,"), timeout=30)
    await started(store)
    await store.aclose()
