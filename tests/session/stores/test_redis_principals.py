"""The index by principal, and revocations that come between the steps of others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any

import pytest
import redis

from kick.clock import CLOCK, Move
from kick.session.stores.base import GONE, TAKEN, Change, Committed, Superseded
from kick.session.stores.redis import RedisStore, purge, scripts
from kick.session.stores.redis.client.commands import Script
from kick.session.stores.redis.scripts import COMMIT, CREATE, MOVE, REVOKE
from kick.testing.store_contract import new_key
from kick.testing.store_contract.base import LONG, keys_found, record_of, started
from tests.support.redis import RedisServer

SHORT = 60.0


class Barrier:
    """Where a store stops: before its n-th call of a script, with a word that holds a text."""

    def __init__(self, script: Script, nth: int, about: str) -> None:
        self.script = script
        self.nth = nth
        self.about = about.encode()
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    def stops(self, script: Script, words: list[bytes]) -> bool:
        if script is not self.script or not any(self.about in word for word in words) or self.reached.is_set():
            return False
        self.nth -= 1
        return self.nth == 0


def name_of(script: Script) -> str:
    return next(name.lower() for name, each in vars(scripts).items() if each is script)


class SteppedStore(RedisStore):
    """Notes the scripts that it runs, and stops before those it is told to stop at."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.ran: list[str] = []
        self.barriers: list[Barrier] = []

    def stop_at(self, script: Script, *, nth: int = 1, about: str = "") -> Barrier:
        barrier = Barrier(script, nth, about)
        self.barriers.append(barrier)
        return barrier

    async def _run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        for barrier in self.barriers:
            if barrier.stops(script, [*keys, *arguments]):
                barrier.reached.set()
                await barrier.opened.wait()
        self.ran.append(name_of(script))
        return await super()._run(script, keys, arguments)


MakeStore = Callable[[], SteppedStore]


@pytest.fixture
async def make(redis_url: str) -> AsyncIterator[MakeStore]:
    made: list[SteppedStore] = []

    def make() -> SteppedStore:
        made.append(SteppedStore(redis_url))
        return made[-1]

    yield make
    for store in made:
        await store.aclose()


@pytest.fixture
def store(make: MakeStore) -> SteppedStore:
    return make()


@pytest.fixture
def other(make: MakeStore) -> SteppedStore:
    return make()


async def stopped(operation: Awaitable[Any], barrier: Barrier) -> "asyncio.Future[Any]":
    """The operation, at the barrier."""
    task = asyncio.ensure_future(operation)
    reached = asyncio.ensure_future(barrier.reached.wait())
    await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED, timeout=30)
    assert reached.done()
    assert not task.done()
    return task


async def on_from(barrier: Barrier, operation: "asyncio.Future[Any]") -> Any:
    barrier.opened.set()
    return await operation


async def assert_none_left(store: RedisStore, *keys: str) -> None:
    """No session is Ann's, and none of these keys is alive."""
    assert await store.find("ann") == []
    assert await store.revoke("ann") == 0
    for key in keys:
        assert await store.load(key) is None


def index_of(principal: str) -> str:
    return f"kick:principal:{{{sha256(principal.encode()).hexdigest()}}}"


def entries(server: RedisServer, principal: str) -> list[str]:
    """The keys of the sessions that are in the index of a principal."""
    members = server.command("ZRANGE", index_of(principal), 0, -1)
    assert isinstance(members, list)
    return [str(member).partition(" ")[2] for member in members]


# A session that is given to a principal while the principal's sessions are revoked


async def test_a_create_whose_entry_is_revoked_before_it_writes_makes_nothing(
    store: SteppedStore, other: SteppedStore
) -> None:
    barrier, key = store.stop_at(CREATE), new_key()
    create = await stopped(store.create(key, Change(principal="ann"), max_age=LONG), barrier)
    assert await other.revoke("ann") == 0
    assert await on_from(barrier, create) is TAKEN
    await assert_none_left(store, key)


async def test_a_create_between_the_steps_of_a_revocation_is_ended(store: SteppedStore, other: SteppedStore) -> None:
    writing, ending, key = store.stop_at(CREATE), other.stop_at(REVOKE), new_key()
    create = await stopped(store.create(key, Change(principal="ann"), max_age=LONG), writing)
    revoke = await stopped(other.revoke("ann"), ending)
    assert isinstance(await on_from(writing, create), Committed)
    assert await on_from(ending, revoke) == 1
    await assert_none_left(store, key)


async def test_a_create_that_begins_after_a_revocation_did_is_given_as_a_whole(
    store: SteppedStore, other: SteppedStore
) -> None:
    before = await started(store, principal="ann")
    ending = other.stop_at(REVOKE)
    revoke = await stopped(other.revoke("ann"), ending)
    key = await started(store, principal="ann")
    assert await on_from(ending, revoke) == 1
    assert await store.load(before) is None
    assert await keys_found(store, "ann") == {key}
    assert await other.revoke("ann") == 1
    await assert_none_left(store, key)


async def test_a_commit_whose_entry_is_revoked_before_it_writes_ends_its_session(
    store: SteppedStore, other: SteppedStore
) -> None:
    key, barrier = await started(store, {"a": b"1"}, principal="bob"), store.stop_at(COMMIT)
    commit = await stopped(store.commit(key, Change(principal="ann"), max_age=LONG), barrier)
    assert await other.revoke("ann") == 0
    assert await on_from(barrier, commit) is GONE
    await assert_none_left(store, key)
    assert await store.find("bob") == []


async def test_a_commit_between_the_steps_of_a_revocation_is_ended(store: SteppedStore, other: SteppedStore) -> None:
    key, writing, ending = await started(store), store.stop_at(COMMIT), other.stop_at(REVOKE)
    commit = await stopped(store.commit(key, Change(principal="ann"), max_age=LONG), writing)
    revoke = await stopped(other.revoke("ann"), ending)
    assert isinstance(await on_from(writing, commit), Committed)
    assert await on_from(ending, revoke) == 1
    await assert_none_left(store, key)


async def test_two_commits_of_which_one_was_on_its_way_do_not_cover_for_each_other(
    store: SteppedStore, other: SteppedStore, make: MakeStore
) -> None:
    key, barrier = await started(store), store.stop_at(COMMIT)
    early = await stopped(store.commit(key, Change(principal="ann"), max_age=LONG), barrier)
    await other.revoke("ann")
    assert isinstance(await make().commit(key, Change(principal="ann"), max_age=LONG), Committed)
    assert await on_from(barrier, early) is GONE
    await assert_none_left(store, key)


async def test_a_session_that_changed_hands_meanwhile_is_not_ended(store: SteppedStore, other: SteppedStore) -> None:
    key, ending = await started(store, principal="ann"), other.stop_at(REVOKE)
    revoke = await stopped(other.revoke("ann"), ending)
    assert isinstance(await store.commit(key, Change(principal="bob"), max_age=LONG), Committed)
    assert await on_from(ending, revoke) == 0
    assert (await record_of(store, key)).principal == "bob"
    assert await keys_found(store, "bob") == {key}


# A session that moves meanwhile


async def test_a_move_whose_entry_is_revoked_before_it_writes_ends(store: SteppedStore, other: SteppedStore) -> None:
    old, barrier = await started(store, principal="ann"), store.stop_at(MOVE, nth=2)
    move = await stopped(store.move(old, new := new_key(old), max_age=LONG, grace=LONG), barrier)
    assert await other.revoke("ann") == 1
    assert await on_from(barrier, move) is GONE
    await assert_none_left(store, old, new)


@pytest.mark.parametrize("first", ["old", "new"])
async def test_a_move_between_the_steps_of_a_revocation_is_ended_under_its_new_key(
    store: SteppedStore, other: SteppedStore, first: str
) -> None:
    old = await started(store, principal="ann")
    new = new_key(old)
    moving = store.stop_at(MOVE, nth=2)
    late = other.stop_at(REVOKE, about=new if first == "old" else old)
    move = await stopped(store.move(old, new, max_age=LONG, grace=LONG), moving)
    revoke = await stopped(other.revoke("ann"), late)
    await other.load(old)  # by now, the step that was not stopped has been done
    moved = await on_from(moving, move)
    ended = await on_from(late, revoke)
    assert (moved, ended) == (GONE, 1) if first == "old" else (GONE, 0)
    await assert_none_left(store, old, new)


async def test_a_move_before_the_last_steps_of_a_revocation_is_ended_under_its_new_key(
    store: SteppedStore, other: SteppedStore
) -> None:
    old = await started(store, principal="ann")
    new = new_key(old)
    moving = store.stop_at(MOVE, nth=2)
    ends = [other.stop_at(REVOKE, about=key) for key in (old, new)]
    move = await stopped(store.move(old, new, max_age=LONG, grace=LONG), moving)
    revoke = asyncio.ensure_future(other.revoke("ann"))
    for end in ends:
        await end.reached.wait()
    assert isinstance(await on_from(moving, move), Committed)
    ends[0].opened.set()
    assert await on_from(ends[1], revoke) == 1
    await assert_none_left(store, new)
    assert await store.load(old) == Superseded()


async def test_a_move_that_begins_after_a_revocation_did_is_refused_and_then_nothing_is_alive(
    store: SteppedStore, other: SteppedStore
) -> None:
    old, ending = await started(store, principal="ann"), other.stop_at(REVOKE)
    revoke = await stopped(other.revoke("ann"), ending)
    new = new_key(old)
    assert await store.move(old, new, max_age=LONG, grace=LONG) is GONE
    assert await store.load(old) is None
    await on_from(ending, revoke)
    await assert_none_left(store, old, new)


async def test_a_move_of_a_session_that_changes_hands_carries_the_last_principal(
    store: SteppedStore, other: SteppedStore
) -> None:
    old, barrier = await started(store, principal="ann"), store.stop_at(MOVE, nth=2)
    move = await stopped(store.move(old, new := new_key(old), max_age=LONG, grace=LONG), barrier)
    await other.commit(old, Change(principal="bob"), max_age=LONG)
    assert isinstance(await on_from(barrier, move), Committed)
    assert await keys_found(store, "bob") == {new}
    assert await store.find("ann") == []


# A session whose life grows beyond what the index was told


@pytest.mark.parametrize("operation", ["commit", "touch"])
async def test_a_longer_life_is_first_told_to_the_index(
    store: SteppedStore, redis_server: RedisServer, operation: str
) -> None:
    key = await started(store, principal="ann", max_age=SHORT)
    store.ran.clear()
    for _ in range(3):
        if operation == "commit":
            assert isinstance(await store.commit(key, Change(set={"a": b"1"}), max_age=LONG), Committed)
        else:
            assert await store.touch(key, max_age=LONG) is True
    assert store.ran == [operation, "enter", operation, operation, operation]
    record = await record_of(store, key)
    (member,) = await _members(redis_server)
    assert float(str(redis_server.command("ZSCORE", index_of("ann"), member))) / 1000 > record.expires_at
    assert int(str(redis_server.command("PTTL", index_of("ann")))) > LONG * 1000


async def _members(server: RedisServer) -> list[str]:
    members = server.command("ZRANGE", index_of("ann"), 0, -1)
    assert isinstance(members, list)
    return [str(member) for member in members]


async def test_a_life_does_not_grow_while_the_session_is_revoked(store: SteppedStore, other: SteppedStore) -> None:
    keys = [await started(store, principal="ann", max_age=SHORT) for _ in range(2)]
    ending = [other.stop_at(REVOKE, about=key) for key in keys]
    revoke = asyncio.ensure_future(other.revoke("ann"))
    for end in ending:
        await end.reached.wait()
    assert await store.commit(keys[0], Change(set={"a": b"1"}), max_age=LONG) is GONE
    assert await store.touch(keys[1], max_age=LONG) is False
    assert [await store.load(key) for key in keys] == [None, None]
    ending[0].opened.set()
    await on_from(ending[1], revoke)
    await assert_none_left(store, *keys)


async def test_a_session_that_is_anonymous_has_nothing_to_do_with_the_index(store: SteppedStore) -> None:
    key = await started(store, {"a": b"1"}, max_age=SHORT)
    await store.commit(key, Change(set={"a": b"2"}), max_age=LONG)
    await store.touch(key, max_age=9 * LONG)
    await store.move(key, new := new_key(key), max_age=99 * LONG, grace=LONG)
    await store.destroy(new)
    assert store.ran == ["create", "commit", "touch", "move", "destroy"]


# What the index holds


async def test_the_index_holds_what_is_the_principals_and_no_more(
    store: SteppedStore, redis_server: RedisServer
) -> None:
    async def settled() -> list[str]:
        await store.aclose()  # waits for what nobody waits for
        return entries(redis_server, "ann")

    key = await started(store, principal="ann")
    assert await settled() == [key]
    await store.commit(key, Change(principal="ann"), max_age=LONG)
    assert await settled() == [key]
    await store.move(key, new := new_key(key), max_age=LONG, grace=LONG)
    assert await settled() == [new]
    await store.move(new, last := new_key(key), max_age=LONG, grace=LONG, keep=["a"])
    assert await settled() == []
    await store.commit(last, Change(principal="ann"), max_age=LONG)
    assert await settled() == [last]
    await store.commit(last, Change(principal=None), max_age=LONG)
    assert await settled() == []
    await store.commit(last, Change(principal="ann"), max_age=LONG)
    await store.destroy(last)
    assert await settled() == []
    kept = await started(store, principal="ann")
    for _ in range(3):
        await started(store, principal="ann")
    assert await store.revoke("ann", keep=kept) == 3
    assert await settled() == [kept]
    assert redis_server.command("EXISTS", index_of("ann") + ":revoking") == 0


async def test_a_revocation_that_was_interrupted_is_finished_by_the_next(
    store: SteppedStore, other: SteppedStore
) -> None:
    keys = {await started(store, principal="ann") for _ in range(3)}
    barrier = other.stop_at(REVOKE)
    revoke = await stopped(other.revoke("ann"), barrier)
    revoke.cancel()
    await asyncio.gather(revoke, return_exceptions=True)
    left = await keys_found(store, "ann")
    assert left
    assert left <= keys
    kept = left.pop()
    assert await store.revoke("ann", keep=kept) == len(left)
    assert await keys_found(store, "ann") == {kept}
    assert isinstance(await store.move(kept, new_key(kept), max_age=LONG, grace=LONG), Committed)
    assert await store.revoke("ann") == 1


async def test_a_lost_index_is_made_anew_as_sessions_move(store: SteppedStore, redis_server: RedisServer) -> None:
    key = await started(store, principal="ann")
    redis_server.command("DEL", index_of("ann"))
    assert await store.find("ann") == []
    assert isinstance(await store.move(key, new := new_key(key), max_age=LONG, grace=LONG), Committed)
    assert await keys_found(store, "ann") == {new}


async def test_purge_frees_entries_that_have_lapsed(store: SteppedStore, redis_server: RedisServer) -> None:
    live = await started(store, principal="ann")
    for n in range(5):
        redis_server.command("ZADD", index_of("ann"), n, f"name{n} {new_key()}")
    redis_server.command("ZADD", index_of("bob"), 1, f"name {new_key()}")
    redis_server.command("ZADD", "kick:other", 1, "not ours")
    redis_server.command("ZADD", "another:principal:{x}", 1, "not ours")
    assert await store.purge() == 6
    assert await store.purge() == 0
    assert entries(redis_server, "ann") == [live]
    assert redis_server.command("EXISTS", "kick:other", "another:principal:{x}") == 2


async def test_a_purge_goes_on_where_the_last_one_stopped(
    store: SteppedStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "KEYS_AT_ONCE", b"10")
    monkeypatch.setattr(purge, "MOST_STEPS", 3)
    for n in range(200):
        redis_server.command("ZADD", index_of(f"{n}"), 1, f"name {new_key()}")
    freed = [await store.purge() for _ in range(20)]
    assert freed[0] < 200
    assert sum(freed) == 200


FOREIGN = [b"", b" ", b"x", b"no-space", b"n ", b"a b c", b"\xff\xfe", b"n \xff", b"n {a}:\xff", b"n text"]


@pytest.mark.parametrize("member", FOREIGN)
@pytest.mark.parametrize("is_interrupted", [False, True])
async def test_what_somebody_else_wrote_into_the_index_is_in_the_way_of_nothing(
    store: SteppedStore, redis_server: RedisServer, member: bytes, is_interrupted: bool
) -> None:
    keys = [await started(store, principal="ann") for _ in range(3)]
    with redis.Redis.from_url(redis_server.url) as server:
        server.set("kick:text", "not a session")
        server.zadd(index_of("ann") + ":revoking" * is_interrupted, {member: 9e15})
    assert await keys_found(store, "ann") == set(keys)
    assert await store.revoke("ann", keep=keys[0]) == 2
    assert await keys_found(store, "ann") == {keys[0]}
    assert await store.revoke("ann") == 1
    await assert_none_left(store, *keys)
    assert redis_server.command("EXISTS", index_of("ann"), index_of("ann") + ":revoking") == 0


async def test_a_key_of_a_session_that_holds_something_else_is_in_the_way_of_no_revocation(
    store: SteppedStore, redis_server: RedisServer
) -> None:
    keys = [await started(store, principal="ann") for _ in range(2)]
    redis_server.command("SET", f"kick:{keys[0]}", "not a session")
    assert await keys_found(store, "ann") == {keys[1]}
    assert await store.revoke("ann") == 1
    await assert_none_left(store, *keys)


TIMES = ["x", "x +1 +1 +1 -", "1 +a +1 +1 -", "1 +1 +1 - -", "1e3 +1 +1 +1 -", "1 + + + -", "-1 +1 +1 +1 -"]
DAMAGED = [f"{times} - e ann" for times in TIMES]


@pytest.mark.parametrize("facts", DAMAGED)
async def test_a_session_that_cannot_be_read_is_in_the_way_of_no_revocation(
    store: SteppedStore, redis_server: RedisServer, facts: str
) -> None:
    keys = [await started(store, principal="ann") for _ in range(2)]
    with redis.Redis.from_url(redis_server.url) as server:
        server.hset(f"kick:{keys[0]}", mapping={b"\xff": facts})
    assert await store.revoke("ann") == 1
    assert await store.find("ann") == []
    assert await store.revoke("ann") == 0


async def test_a_server_whose_clock_is_behind_that_of_the_one_before_loses_no_session(
    store: SteppedStore, redis_server: RedisServer
) -> None:
    key, moved = await started(store, {"a": b"1"}, principal="ann"), new_key()
    with redis.Redis.from_url(redis_server.url) as server:
        facts: Any = server.hget(f"kick:{key}", b"\xff")
        created, *rest = facts.split(b" ")
        later = b" ".join([b"%d" % (int(created) + 30_000), *rest])
        server.hset(f"kick:{key}", mapping={b"\xff": later})
    assert isinstance(await store.commit(key, Change(set={"b": b"2"}), max_age=LONG), Committed)
    assert set((await record_of(store, key)).fields) == {"a", "b"}
    assert isinstance(await store.move(key, moved, max_age=LONG, grace=0), Committed)
    assert (await record_of(store, moved)).issued_at >= (await record_of(store, moved)).created_at


@pytest.mark.parametrize("protocol", ["2", "3"])
@pytest.mark.parametrize("moves", [False, True])
async def test_lists_of_sessions_have_none_of_their_values(
    redis_url: str, redis_server: RedisServer, protocol: str, *, moves: bool
) -> None:
    """A user with many full sessions can list them, and the requests of others do not wait for 30 times 1 MB."""
    store = RedisStore(f"{redis_url}?protocol={protocol}", timeout=30)
    values = {"cart": b'"' + b"a" * 1_000_000 + b'"', "$client": b'{"ip":"::1"}', "$login": b'{"id":7}'}
    for _ in range(30):
        await store.create(new_key(), Change(set=values, principal="7"), max_age=LONG, absolute_max_age=LONG)
    bare = await started(store, principal="7")
    sent = int(redis_server.info("stats")["total_net_output_bytes"])
    CLOCK.set(Move(5.0) if moves else None)
    try:
        found = await store.find("7")
    finally:
        CLOCK.set(None)
    assert sorted(sorted(record.fields.items()) for _, record in found) == [[]] + [[("$client", b'{"ip":"::1"}')]] * 30
    assert bare in {key for key, _ in found}
    assert int(redis_server.info("stats")["total_net_output_bytes"]) - sent < 100_000
    await store.aclose()
