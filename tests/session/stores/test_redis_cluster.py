"""Sessions over a Redis Cluster of three primaries."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis.asyncio
from redis.crc import key_slot
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as TookTooLong

from kick.session.ids import generate_id, generate_successor, key_of
from kick.session.stores.base import TAKEN, AtomicStore, Change, Committed, Record
from kick.session.stores.redis import RedisStore
from kick.testing.store_contract import MakeStore, StoreContract, base, fields_of, new_key
from kick.testing.store_contract.base import LONG, keys_found, record_of, started
from tests.support.redis import RedisCluster, RedisServer
from tests.support.waiting import eventually


def url_of(cluster: RedisCluster) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)


ONTO_ANOTHER = {
    "test_a_move_onto_a_taken_key_changes_neither",
    "test_a_move_takes_a_key_that_is_not_there_and_finds_no_leftovers",
}
"""Tests that move a session onto the key of another one. Keys with different tags cannot meet in a cluster."""


class TestRedisCluster(StoreContract):
    short = 0.3

    @pytest.fixture(autouse=True)
    def one_tag_for_all(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.function.__name__ in ONTO_ANOTHER:
            monkeypatch.setattr(base, "new_key", lambda beside=None: new_key(beside or "{same}"))

    @pytest.fixture
    def make_store(self, redis_cluster: RedisCluster) -> MakeStore:
        redis_cluster.flush()
        self.url = url_of(redis_cluster)

        async def make() -> AtomicStore:
            return RedisStore(self.url, prefix=f"{secrets.token_hex(8)}:", timeout=30)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        assert isinstance(store, RedisStore)
        return RedisStore(self.url, prefix=store.prefix, timeout=30)


@pytest.fixture
async def store(redis_cluster: RedisCluster) -> AsyncIterator[RedisStore]:
    redis_cluster.flush()
    store = RedisStore(url_of(redis_cluster), prefix="", timeout=30)
    yield store
    await store.aclose()


async def spread(store: RedisStore, count: int = 60) -> list[str]:
    """The keys of many sessions, each of which holds its number."""
    keys = [new_key() for _ in range(count)]
    creates = [store.create(key, Change(set={"n": b"%d" % n}), max_age=LONG) for n, key in enumerate(keys)]
    assert all(isinstance(created, Committed) for created in await asyncio.gather(*creates))
    return keys


def node_of(cluster: RedisCluster, slot: int) -> RedisServer:
    ranges = cluster.nodes[0].command("CLUSTER", "SLOTS")
    assert isinstance(ranges, list)
    for each in ranges:
        assert isinstance(each, list)
        first, last, primary = each[:3]
        if int(str(first)) <= slot <= int(str(last)):
            assert isinstance(primary, list)
            return next(node for node in cluster.nodes if node.port == primary[1])
    raise AssertionError(f"nobody has slot {slot}")


class Migration:
    """A slot on its way to another node, step by step as `redis-cli --cluster reshard` does it."""

    def __init__(self, cluster: RedisCluster, slot: int) -> None:
        self.cluster = cluster
        self.slot = slot
        self.source = node_of(cluster, slot)
        self.target = next(node for node in cluster.nodes if node is not self.source)

    def begin(self) -> None:
        self.target.command("CLUSTER", "SETSLOT", self.slot, "IMPORTING", str(self.source.command("CLUSTER", "MYID")))
        self.source.command("CLUSTER", "SETSLOT", self.slot, "MIGRATING", str(self.target.command("CLUSTER", "MYID")))

    def carry(self, key: str) -> None:
        self.source.command("MIGRATE", "127.0.0.1", self.target.port, key, 0, 5000)

    def carry_all(self) -> None:
        keys = self.source.command("CLUSTER", "GETKEYSINSLOT", self.slot, 1000)
        assert isinstance(keys, list)
        for key in keys:
            self.carry(str(key))

    def end(self) -> None:
        target = str(self.target.command("CLUSTER", "MYID"))
        for node in (self.target, self.source, *self.cluster.nodes):
            node.command("CLUSTER", "SETSLOT", self.slot, "NODE", target)


@contextmanager
def migration(cluster: RedisCluster, key: str) -> Iterator[Migration]:
    """The slot of a key, whose way may begin; at the end it is back where it was."""
    away = Migration(cluster, key_slot(key.encode()))
    try:
        yield away
    finally:
        away.carry_all()
        away.end()
        back = Migration(cluster, away.slot)
        back.target = away.source
        back.begin()
        back.carry_all()
        back.end()


async def test_sessions_are_spread_over_all_primaries(store: RedisStore, redis_cluster: RedisCluster) -> None:
    keys = await spread(store)
    sizes = [node.command("DBSIZE") for node in redis_cluster.nodes]
    assert all(sizes)
    assert sum(int(str(size)) for size in sizes) == len(keys)
    records = await asyncio.gather(*(store.load(key) for key in keys))
    assert [isinstance(record, Record) and record.fields["n"] for record in records] == [b"%d" % n for n in range(60)]


def test_the_old_and_the_new_id_of_a_session_share_a_slot_and_other_sessions_do_not() -> None:
    ids = [generate_id() for _ in range(50)]
    slots = [key_slot(f"kick:{key_of(each)}".encode()) for each in ids]
    assert [key_slot(f"kick:{key_of(generate_successor(each))}".encode()) for each in ids] == slots
    assert len(set(slots)) > 40


async def test_the_sessions_of_a_principal_may_be_anywhere(store: RedisStore) -> None:
    keys = {await started(store, principal="ann") for _ in range(30)}
    assert await keys_found(store, "ann") == keys
    assert await store.revoke("ann", keep=min(keys)) == 29
    assert await keys_found(store, "ann") == {min(keys)}


async def test_scripts_that_every_node_forgot_are_sent_again(store: RedisStore, redis_cluster: RedisCluster) -> None:
    keys = await spread(store)
    for node in redis_cluster.nodes:
        node.command("SCRIPT", "FLUSH")
    results = await asyncio.gather(*(store.commit(key, Change(increment={"m": 1}), max_age=LONG) for key in keys))
    assert [isinstance(result, Committed) and result.counters for result in results] == [{"m": 1}] * len(keys)


async def test_a_session_in_a_slot_that_is_moving_is_found_before_and_after(
    store: RedisStore, redis_cluster: RedisCluster
) -> None:
    here = await started(store, {"where": b"here"})
    there, new = new_key(here), new_key(here)
    await store.create(there, Change(set={"where": b"there"}), max_age=LONG)
    with migration(redis_cluster, here) as moving:
        moving.begin()
        moving.carry(there)
        for turn in range(1, 4):
            for key, where in ((here, b"here"), (there, b"there")):
                assert (await record_of(store, key)).fields["where"] == where
                committed = await store.commit(key, Change(increment={"n": 1}), max_age=LONG)
                assert isinstance(committed, Committed)
                assert committed.counters == {"n": turn}
        assert isinstance(await store.create(new, Change(set={"where": b"new"}), max_age=LONG), Committed)
        assert moving.target.command("SCRIPT", "FLUSH") == "OK"
        assert await store.create(new, Change(), max_age=LONG) is TAKEN
        moving.carry_all()
        moving.end()
        for key, where in ((here, b"here"), (there, b"there"), (new, b"new")):
            assert (await record_of(store, key)).fields["where"] == where
            assert await store.touch(key, max_age=2 * LONG) is True
        moved = await store.move(here, last := new_key(here), max_age=LONG, grace=LONG)
        assert isinstance(moved, Committed)
        assert (await fields_of(store, last) or {})["where"] == b"here"


@pytest.mark.parametrize("where", ["here", "there"])
async def test_a_move_waits_until_its_keys_are_on_one_node(
    store: RedisStore, redis_cluster: RedisCluster, where: str
) -> None:
    old = await started(store, {"a": b"1"})
    with migration(redis_cluster, old) as moving:
        moving.begin()
        if where == "there":
            moving.carry(old)
        move = asyncio.ensure_future(store.move(old, new := new_key(old), max_age=LONG, grace=LONG))
        await store.load(old)
        await asyncio.to_thread(moving.carry_all)
        await asyncio.to_thread(moving.end)
        assert isinstance(await move, Committed)
        assert await fields_of(store, new) == {"a": b"1"}


async def test_many_sessions_are_used_while_their_slot_moves(store: RedisStore, redis_cluster: RedisCluster) -> None:
    first = await started(store, {"n": b"0"})
    keys = [first, *(new_key(first) for _ in range(30))]
    for key in keys[1:]:
        await store.create(key, Change(set={"n": b"0"}), max_age=LONG)
    done = asyncio.Event()

    async def count(key: str) -> int:
        counted = 0
        while not done.is_set() or not counted:
            result = await store.commit(key, Change(increment={"n": 1}), max_age=LONG)
            assert isinstance(result, Committed)
            counted += 1
            assert result.counters["n"] == counted
            await asyncio.sleep(0)
        return counted

    with migration(redis_cluster, first) as moving:
        counting = asyncio.gather(*map(count, keys))
        for step in (moving.begin, moving.carry_all, moving.end):
            await asyncio.to_thread(step)
        done.set()
        counted = await counting
        assert [int((await fields_of(store, key) or {})["n"]) for key in keys] == counted


async def test_a_node_that_hangs_disturbs_only_its_own_sessions(redis_cluster: RedisCluster) -> None:
    redis_cluster.flush()
    store = RedisStore(url_of(redis_cluster), timeout=6)
    keys = await spread(store)
    hanging = redis_cluster.nodes[1]
    hanging.pause()
    try:
        results = await asyncio.gather(*(store.load(key) for key in keys), return_exceptions=True)
    finally:
        hanging.resume()
    for key, result in zip(keys, results, strict=True):
        hangs = node_of(redis_cluster, key_slot(f"kick:{key}".encode())) is hanging
        assert isinstance(result, (TookTooLong, LostConnection) if hangs else Record)
    assert all(isinstance(record, Record) for record in await asyncio.gather(*(store.load(key) for key in keys)))
    await store.aclose()


@pytest.mark.parametrize("turns", [4, 8, 12, 16])
async def test_a_process_that_stands_still_while_it_asks_for_the_slots_blames_nobody(
    redis_cluster: RedisCluster, turns: int
) -> None:
    async def attempt() -> object:
        store = RedisStore(f"redis+cluster://127.0.0.1:{redis_cluster.nodes[0].port}", timeout=3)
        try:
            load = asyncio.ensure_future(store.load(new_key()))
            for _ in range(turns):
                await asyncio.sleep(0)
            time.sleep(1.7)  # noqa: ASYNC251 (the delay is the point)
            return await load
        finally:
            await store.aclose()

    assert await eventually(attempt, TookTooLong) is None  # the server may really be late now and then


async def test_one_seed_that_answers_is_enough(redis_cluster: RedisCluster) -> None:
    redis_cluster.flush()
    store = RedisStore(f"redis+cluster://127.0.0.1:1,127.0.0.1:{redis_cluster.nodes[2].port}", timeout=30)
    await spread(store)
    await store.aclose()


async def test_a_cluster_out_of_reach_is_reported_and_asked_again(redis_cluster: RedisCluster) -> None:
    store = RedisStore("redis+cluster://127.0.0.1:1")
    for operation in (store.load(new_key()), store.purge()):
        with pytest.raises(redis.RedisError):
            await operation
    await store.aclose()


async def test_a_server_that_is_no_cluster_is_reported(redis_url: str) -> None:
    store = RedisStore(redis_url.replace("redis://", "redis+cluster://"))
    with pytest.raises(redis.ResponseError, match="cluster support disabled"):
        await store.load(new_key())
    await store.aclose()


async def test_a_client_lends_its_settings(redis_cluster: RedisCluster) -> None:
    redis_cluster.flush()
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=redis_cluster.nodes[1].port, decode_responses=True)
    store = RedisStore(client, timeout=30)
    await spread(store)
    await store.aclose()
    await client.aclose()


async def test_purge_reaches_every_primary(store: RedisStore, redis_cluster: RedisCluster) -> None:
    indexes: list[Any] = [f"principal:{{{n}}}" for n in range(30)]
    for index in indexes:
        node_of(redis_cluster, key_slot(index.encode())).command("ZADD", index, 1, f"name {new_key()}")
    assert await store.purge() == 30
