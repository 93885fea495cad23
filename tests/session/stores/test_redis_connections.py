"""Connections of the Redis store: outages, slow servers, queues, and waiters that give up."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, ReadOnlyError
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as TookTooLong

from kick.session.stores.base import Change, Committed, Record
from kick.session.stores.redis import RedisStore
from kick.session.stores.redis.client import connection as connections
from kick.session.stores.redis.client.commands import Command
from kick.session.stores.redis.client.node import BATCH, Limits
from kick.session.stores.redis.client.protocol import UNFINISHED, new_reader, pack
from kick.session.stores.redis.client.single import Single
from kick.testing.store_contract import new_key
from kick.testing.store_contract.base import LONG, record_of, started
from tests.support.redis import RedisServer
from tests.support.waiting import eventually

Answer = Callable[[int, list[bytes]], Awaitable[bytes | None]]
"""What a server says to a command on its n-th connection; `None` closes the connection."""

RECORD = [b"n", b"7", b"\xff", b"1000 1000 1000 9999999999999 - - - "]


def array(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class FakeRedis:
    """A server that answers as a test wants it to. `seen`: the commands of each connection, without greetings."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seen: list[list[list[bytes]]] = []
        self.url = ""

    async def serve(self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        number = len(self.seen)
        self.seen.append([])
        reader = new_reader()
        try:
            while data := await incoming.read(65536):
                reader.feed(data)
                while (words := reader.gets()) is not UNFINISHED:
                    if words[0] == b"CLIENT":
                        outgoing.write(b"+OK\r\n")
                        continue
                    if words[0] == b"TIME":
                        outgoing.write(array(b"1800000000", b"0"))
                        continue
                    self.seen[number].append(words)
                    answer = await self.answer(number, words)
                    if answer is None:
                        return
                    outgoing.write(answer)
        finally:
            outgoing.close()


@asynccontextmanager
async def fake_redis(answer: Answer) -> AsyncIterator[FakeRedis]:
    fake = FakeRedis(answer)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()


@asynccontextmanager
async def store_at(url: str, *, timeout: float = 30, **options: Any) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, timeout=timeout, **options)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


async def waits(task: asyncio.Future[Any], condition: Callable[[], object]) -> None:
    """Let the loop run until `condition()` holds, while `task` goes on waiting."""
    while not condition():
        assert not task.done()
        await asyncio.sleep(0.001)


# Outages


async def test_a_store_recovers_when_the_server_is_back(own_server: RedisServer) -> None:
    async with store_at(own_server.url) as store:
        key = await started(store)
        own_server.kill()
        for operation in (store.load(key), store.commit(key, Change(), max_age=LONG)):
            with pytest.raises(LostConnection):
                await operation
        own_server.start()
        assert await store.load(key) is None
        await record_of(store, await started(store))


async def test_a_connection_that_broke_while_nobody_used_it_fails_nobody(own_server: RedisServer) -> None:
    async with store_at(own_server.url) as store:
        await started(store)
        own_server.stop()
        own_server.start()
        for _ in range(3):  # turns of the loop, in which it hears of the end of the connection
            await asyncio.sleep(0)
        await record_of(store, await started(store))


@pytest.mark.parametrize("loads", [1, BATCH])
async def test_a_server_that_does_not_answer_is_given_up_in_time_and_asked_again_later(
    own_server: RedisServer, loads: int
) -> None:
    async with store_at(own_server.url, timeout=1) as store, store_at(own_server.url) as patient:
        key = await started(patient, {"a": b"1"})
        await eventually(lambda: store.load(key), TookTooLong)
        own_server.pause()
        loop = asyncio.get_running_loop()
        before = loop.time()
        results = await asyncio.gather(
            *(store.load(key) for _ in range(loads)),
            store.commit(key, Change(set={"b": b"2"}), max_age=LONG),
            return_exceptions=True,
        )
        assert {type(result) for result in results} == {TookTooLong}
        assert 1 <= loop.time() - before < 30
        with pytest.raises((TookTooLong, LostConnection)):
            await store.load(key)
        own_server.resume()
        record = await eventually(lambda: record_of(store, key), TookTooLong, LostConnection)
        assert record.fields["a"] == b"1"


async def test_nobody_listening_is_told_at_once(unused_url: str) -> None:
    async with store_at(unused_url, timeout=30) as store:
        results = await asyncio.gather(*(store.load(new_key()) for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [LostConnection] * 5
        assert len({id(result) for result in results}) == 5


@pytest.fixture
def unused_url(tmp_path: Path) -> str:
    with RedisServer(tmp_path) as server:
        return server.url


async def test_a_wrong_password_is_reported_as_such(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        server.command("CONFIG", "SET", "requirepass", "right")
        address = server.url.partition("//")[2]
        async with store_at(f"redis://:wrong@{address}") as store:
            with pytest.raises(AuthenticationError):
                await store.load(new_key())
        async with store_at(f"redis://:right@{address}") as store:
            assert await store.load(new_key()) is None


async def test_a_load_whose_connection_broke_is_sent_once_more_on_a_new_one() -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        return None if number == 0 else array(*RECORD)

    async with fake_redis(answer) as fake, store_at(fake.url) as store:
        assert (await record_of(store, new_key())).fields == {"n": b"7"}
        assert [len(commands) for commands in fake.seen] == [1, 1]


async def test_a_load_is_not_sent_a_third_time() -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        return None

    async with fake_redis(answer) as fake, store_at(fake.url) as store:
        with pytest.raises(LostConnection):
            await store.load(new_key())
        assert [len(commands) for commands in fake.seen] == [1, 1]


async def test_a_change_whose_connection_broke_is_never_sent_again() -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        return None

    async with fake_redis(answer) as fake, store_at(fake.url) as store:
        for operation in (
            store.commit(new_key(), Change(increment={"n": 1}), max_age=LONG),
            store.create(new_key(), Change(), max_age=LONG),
            store.move(new_key(), new_key(), max_age=LONG, grace=LONG),
            store.touch(new_key(), max_age=LONG),
            store.destroy(new_key()),
        ):
            with pytest.raises(LostConnection):
                await operation
        assert [len(commands) for commands in fake.seen] == [1] * 5


async def test_a_change_that_a_replica_refused_is_sent_to_the_next_connection() -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        refusal = b"-READONLY You can't write against a read only replica.\r\n"
        return refusal if number == 0 else b"*2\r\n" + b"$2\r\nok\r\n" + b"$13\r\n9999999999999\r\n"

    async with fake_redis(answer) as fake, store_at(fake.url) as store:
        assert isinstance(await store.create(new_key(), Change(), max_age=LONG), Committed)
        assert [len(commands) for commands in fake.seen] == [1, 1]


async def test_a_server_that_stays_a_replica_is_reported() -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        return b"-ERR Error running script (call to f_0): @user_script:9: @user_script: 9: -READONLY You can't.\r\n"

    async with fake_redis(answer) as fake, store_at(fake.url) as store:
        with pytest.raises(ReadOnlyError, match=r"^READONLY You can't"):
            await store.destroy(new_key())


@pytest.mark.parametrize(
    "nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*0\r\n*0\r\n", b"%1\r\n%1\r\n+a\r\n:1\r\n:1\r\n"]
)
async def test_what_is_no_answer_breaks_the_connection_and_nothing_else(nonsense: bytes) -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        return nonsense if number == 0 else array(*RECORD)

    async with fake_redis(answer) as fake, store_at(fake.url) as store:
        await store.load(new_key())
        await record_of(store, new_key())
        assert len(fake.seen) == 2


@pytest.mark.parametrize("facts", [b"x", b"1000", b"1000 +0 +0 +1 - - -", b"1000 +0 +0 +1 " + b"6" * 400 + b" - - "])
async def test_a_record_that_cannot_be_read_counts_as_missing(facts: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        return array(b"n", b"7", b"\xff", facts)

    async with fake_redis(answer) as fake, store_at(fake.url) as store:
        assert await store.load(new_key()) is None
    assert "cannot be read and is ignored" in caplog.text


async def test_a_connection_that_cannot_be_opened_fails_those_who_waited_for_it_and_nobody_else() -> None:
    loop = asyncio.get_running_loop()
    tries: list[asyncio.Future[Any]] = []

    async def connect() -> Any:
        tries.append(loop.create_future())
        return await tries[-1]

    client = Single("server", connect, Limits(30, 8))
    early, late = (Command(b"", pack(b"PING"), loop.create_future()) for _ in range(2))
    client.submit(early)
    await waits(early.answer, lambda: tries)
    client.submit(late)
    await asyncio.sleep(0)
    tries[0].set_exception(LostConnection("first"))
    with pytest.raises(LostConnection, match="first"):
        await early.answer
    await waits(late.answer, lambda: len(tries) == 2)
    tries[1].set_exception(LostConnection("second"))
    with pytest.raises(LostConnection, match="second"):
        await late.answer
    await client.aclose()


# Delays of the event loop


async def keep_busy(seconds: float) -> None:
    """Let no turn of the event loop be shorter."""
    while True:
        time.sleep(seconds)  # noqa: ASYNC251 (the delay is the point)
        await asyncio.sleep(0)


@pytest.mark.parametrize("act", [lambda store: store.load("any"), lambda store: change(store)], ids=["load", "change"])
async def test_a_silent_server_is_given_up_by_a_process_that_is_always_late(
    act: Callable[[RedisStore], Awaitable[object]],
) -> None:
    is_silent = False

    async def answer(number: int, words: list[bytes]) -> bytes | None:
        if is_silent:
            await asyncio.Event().wait()
        return array(*RECORD)

    async with fake_redis(answer) as fake, store_at(fake.url, timeout=0.2) as store:
        await eventually(lambda: store.load("connected"), TookTooLong)
        is_silent = True
        busy = asyncio.ensure_future(keep_busy(0.06))
        try:
            async with asyncio.timeout(60):
                with pytest.raises(TookTooLong, match="did not answer"):
                    await act(store)
        finally:
            busy.cancel()


async def change(store: RedisStore) -> None:
    await store.commit("any", Change(set={"n": b"8"}), max_age=LONG)


@pytest.mark.parametrize("turns", range(6))
async def test_a_process_that_stands_still_while_it_connects_blames_nobody(redis_url: str, turns: int) -> None:
    async def attempt() -> object:
        async with store_at(redis_url, timeout=1.5) as store:
            load = asyncio.ensure_future(store.load(new_key()))
            for _ in range(turns):
                await asyncio.sleep(0)
            time.sleep(2)  # noqa: ASYNC251 (the delay is the point)
            return await load

    assert await eventually(attempt, TookTooLong) is None  # the server may really be late now and then


# Slow servers and queues


async def test_a_slow_answer_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SLOW_AFTER", -1.0)
    slow = asyncio.Event()

    async def answer(number: int, words: list[bytes]) -> bytes | None:
        if words[1].endswith(b"slow"):
            await slow.wait()
        return array(*RECORD)

    async with fake_redis(answer) as fake, store_at(fake.url) as store:
        held_up = asyncio.ensure_future(store.load("slow"))
        await waits(held_up, lambda: fake.seen and fake.seen[0])
        assert isinstance(await store.load("quick"), Record)
        assert not held_up.done()
        slow.set()
        assert isinstance(await held_up, Record)
        assert [len(commands) for commands in fake.seen] == [1, 1]


@pytest.mark.parametrize(("limit", "value"), [("SLOW_AFTER", -1.0), ("MOST_IN_FLIGHT", 1)])
async def test_without_a_free_connection_a_command_waits_for_one(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(connections, limit, value)
    slow = asyncio.Event()

    async def answer(number: int, words: list[bytes]) -> bytes | None:
        await slow.wait()
        return array(*RECORD)

    # With such a time limit, the clock of the node does not send them either.
    async with fake_redis(answer) as fake, store_at(fake.url, max_connections=1, timeout=3600) as store:
        first = asyncio.ensure_future(store.load("first"))
        await waits(first, lambda: fake.seen and fake.seen[0])
        others = asyncio.gather(*(store.load(f"{n}") for n in range(5)))
        await asyncio.sleep(0)
        assert len(fake.seen[0]) == 1
        slow.set()
        async with asyncio.timeout(60):
            assert [isinstance(record, Record) for record in [await first, *await others]] == [True] * 6
        assert len(fake.seen) == 1


async def test_a_command_waits_for_a_connection_no_longer_than_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SLOW_AFTER", -1.0)

    async def answer(number: int, words: list[bytes]) -> bytes | None:
        return b"*%d\r\n" % (2**20) if words[1].endswith(b"endless") else array(*RECORD)

    async with fake_redis(answer) as fake, store_at(fake.url, max_connections=1, timeout=0.2) as store:
        endless = asyncio.ensure_future(store.load("endless"))
        await waits(endless, lambda: fake.seen and fake.seen[0])
        with pytest.raises(TookTooLong, match=r"free|did not answer"):
            await store.load("also endless")
        with pytest.raises(TookTooLong):
            await endless


async def test_connections_are_no_more_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SLOW_AFTER", -1.0)
    slow = asyncio.Event()

    async def answer(number: int, words: list[bytes]) -> bytes | None:
        await slow.wait()
        return array(*RECORD)

    async with fake_redis(answer) as fake, store_at(fake.url, max_connections=3) as store:
        loads: list[asyncio.Future[Any]] = []
        for n in range(1, 9):
            loads.append(asyncio.ensure_future(store.load(f"{n}")))
            await waits(loads[0], partial(_at_least, min(n, 3), fake))
        slow.set()
        assert all(isinstance(record, Record) for record in await asyncio.gather(*loads))
        assert len(fake.seen) == 3


def _at_least(count: int, fake: FakeRedis) -> bool:
    return sum(map(len, fake.seen)) >= count


# Waiters that give up


async def test_the_answers_go_to_those_who_asked_when_some_have_given_up() -> None:
    gate = asyncio.Event()

    async def answer(number: int, words: list[bytes]) -> bytes | None:
        await gate.wait()
        return array(b"key", words[1], *RECORD[2:])

    async with fake_redis(answer) as fake, store_at(fake.url, prefix="") as store:
        loads = [asyncio.ensure_future(store.load(f"{n}")) for n in range(10)]
        await waits(loads[0], lambda: fake.seen and fake.seen[0])
        for load in loads[::2]:
            load.cancel()
        gate.set()
        records = await asyncio.gather(*loads[1::2])
        keys = [record.fields["key"] for record in records if isinstance(record, Record)]
        assert keys == [b"1", b"3", b"5", b"7", b"9"]


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        return array(*RECORD)

    async with fake_redis(answer) as fake, store_at(fake.url, prefix="") as store:
        await store.load("first")
        loads = [asyncio.ensure_future(store.load(f"{n}")) for n in range(4)]
        await asyncio.sleep(0)
        for load in loads[::2]:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        assert [words[1] for words in fake.seen[0]] == [b"first", b"1", b"3"]


# Closing, event loops


async def test_closing_waits_for_the_answers_that_are_due() -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        await asyncio.sleep(0.01)
        return array(*RECORD)

    async with fake_redis(answer) as fake:
        store = RedisStore(fake.url, timeout=30)
        loads = [asyncio.ensure_future(store.load(f"{n}")) for n in range(5)]
        await asyncio.sleep(0)
        await store.aclose()
        assert [isinstance(await load, Record) for load in loads] == [True] * 5


async def test_closing_does_not_wait_for_ever() -> None:
    async def answer(number: int, words: list[bytes]) -> bytes | None:
        await asyncio.Event().wait()
        return None

    async with fake_redis(answer) as fake:
        store = RedisStore(fake.url, timeout=0.1)
        load = asyncio.ensure_future(store.load("1"))
        await waits(load, lambda: fake.seen and fake.seen[0])
        await store.aclose()
        with pytest.raises((LostConnection, TookTooLong)):
            await load


def test_a_store_serves_one_event_loop_after_another(redis_url: str) -> None:
    store = RedisStore(redis_url, timeout=30)

    async def visit(key: str) -> int:
        result = await store.commit(key, Change(increment={"n": 1}), max_age=LONG)
        await store.aclose()
        assert isinstance(result, Committed)
        return result.counters["n"]

    async def start() -> str:
        key = await started(store)
        await store.aclose()
        return key

    key = asyncio.run(start())
    assert [asyncio.run(visit(key)) for _ in range(3)] == [1, 2, 3]
