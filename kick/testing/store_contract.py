"""The promises of `AtomicStore` as a pytest suite, for authors of stores.

    import pytest
    from kick.testing.store_contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make_store(self, tmp_path):
            async def make():
                return MyStore(tmp_path / "sessions")

            return make

`make_store` gives a coroutine function that makes a store with nothing in it; the suite closes what it makes. Three things
may be said on top:

    second_client(store)     another client of the same data, as another process would have it; half of the
                             racing operations go through it
    advance(seconds)         let time pass; the default sleeps. A store with a clock argument moves that clock, and says
    controls_time = True     so; then `short` may be long, and the tests that need exact time are run too
    short = 0.5              seconds: the life of a session that a test outlives

Put `pytest.register_assert_rewrite("kick.testing.store_contract")` above the import in `conftest.py`, and a
failing test shows the values it compared. The suite needs pytest, hypothesis and anyio's pytest plugin.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias

import pytest

from kick.session.store import GONE, NOT_A_COUNTER, TAKEN, AtomicStore, Change, Committed, Record, Superseded

MakeStore: TypeAlias = Callable[[], Awaitable[AtomicStore]]

LONG: Final = 3600.0
"""Seconds that no test outlives."""

ENDINGS: Final = ("never was", "destroyed", "expired", "revoked", "past its deadline", "past its grace")
"""The ways for a key not to be there."""

NOT_COUNTERS: Final = (
    b'"7"',
    b"1.5",
    b"true",
    b"null",
    b"[1]",
    b"",
    b"junk",
    b"9223372036854775808",
    b"-9223372036854775809",
)
MAX_COUNTER: Final = 2**63 - 1
MIN_COUNTER: Final = -(2**63)

NASTY_TEXTS: Final = (
    "",
    " ",
    "$",
    "$flash",
    "a'b\"c`d",
    "a\\b",
    "a\0b",
    "\0",
    "a\nb\r",
    "ключ",
    "鍵🔑",
    "%s{}",
    "é",
    "e\u0301",
    "x" * 2000,
)
"""Names that a store might cut short, confuse or fail to quote."""


def new_key(beside: str | None = None) -> str:
    """A key as the engine makes them; one that shares the tag of `beside`, as the two keys of a move do.

    >>> key = new_key()
    >>> new_key(beside=key)[:6] == key[:6], new_key(beside=key) == key
    (True, False)
    """
    tag = beside[1:5] if beside else secrets.token_urlsafe(3)
    return f"{{{tag}}}:{secrets.token_urlsafe(32)}"


async def fields_of(store: AtomicStore, key: str) -> dict[str, bytes] | None:
    """What the record of `key` holds; `None` when there is none, or only a marker."""
    record = await store.load(key)
    return dict(record.fields) if isinstance(record, Record) else None


async def record_of(store: AtomicStore, key: str) -> Record:
    """The record of a key that has one."""
    record = await store.load(key)
    assert isinstance(record, Record)
    return record


async def started(store: AtomicStore, fields: Mapping[str, bytes] | None = None, **options: Any) -> str:
    """The key of a new session that outlives the test, unless `options` say otherwise."""
    key = new_key()
    change = Change(set=fields or {}, principal=options.pop("principal", None))
    assert isinstance(await store.create(key, change, **{"max_age": LONG} | options), Committed)
    return key


async def keys_found(store: AtomicStore, principal: str) -> set[str]:
    """The keys of the live sessions of a principal."""
    found = await store.find(principal)
    assert len({key for key, _ in found}) == len(found)
    return {key for key, _ in found}


class StoreContract:
    """Subclass it with a name that starts with `Test`; the module's docstring says how."""

    pytestmark = pytest.mark.anyio
    controls_time: ClassVar[bool] = False
    short: ClassVar[float] = 0.5

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass for the store."""
        await asyncio.sleep(seconds * 1.01 + 0.01)

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        """Another client of the data of `store`."""
        return store

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def make_store(self) -> MakeStore:
        raise NotImplementedError("the subclass has to define the fixture `make_store`")

    @pytest.fixture
    async def store(self, make_store: MakeStore) -> AsyncIterator[AtomicStore]:
        store = await make_store()
        yield store
        await store.aclose()

    @pytest.fixture
    async def other(self, store: AtomicStore) -> AsyncIterator[AtomicStore]:
        other = await self.second_client(store)
        yield other
        await other.aclose()

    async def ended(self, store: AtomicStore, how: str) -> str:
        """A key that is not there, for one of the reasons of `ENDINGS`."""
        key, change = new_key(), Change(set={"old": b"1", "n": b"1"}, principal="ended")
        if how == "never was":
            return key
        deadline = self.short if how == "past its deadline" else None
        await store.create(key, change, max_age=self.short if how == "expired" else LONG, absolute_max_age=deadline)
        if how == "destroyed":
            await store.destroy(key)
        elif how == "revoked":
            await store.revoke("ended")
        elif how == "past its grace":
            await store.move(key, new := new_key(key), max_age=LONG, grace=self.short, successor=b"next")
            await store.destroy(new)
        if how in ("expired", "past its deadline", "past its grace"):
            await self.advance(self.short)
        return key

    async def superseded(self, store: AtomicStore, successor: bytes | None, **options: Any) -> tuple[str, str]:
        """The old and the new key of a session that has moved."""
        old = await started(store, {"a": b"1"}, **options)
        new = new_key(old)
        moved = await store.move(old, new, max_age=LONG, grace=LONG, successor=successor)
        assert isinstance(moved, Committed)
        return old, new

    # load and create

    async def test_an_unknown_key_has_no_record(self, store: AtomicStore) -> None:
        assert await store.load(new_key()) is None

    async def test_a_created_session_is_loaded_as_it_was_set(self, store: AtomicStore, other: AtomicStore) -> None:
        fields = {"user_id": b"7", "cart": b'{"items":[1,2]}', "$flash": b"[]"}
        key = await started(store, fields, principal="ann")
        for client in (store, other):
            record = await record_of(client, key)
            assert dict(record.fields) == fields
            assert record.principal == "ann"
            assert record.deadline is None

    async def test_a_session_of_nothing_is_a_session(self, store: AtomicStore) -> None:
        assert await fields_of(store, await started(store)) == {}

    async def test_the_times_of_a_new_session_begin_now(self, store: AtomicStore) -> None:
        key = new_key()
        created = await store.create(key, Change(), max_age=60, absolute_max_age=90)
        record = await record_of(store, key)
        assert record.created_at == record.issued_at == record.seen_at
        assert record.expires_at == pytest.approx(record.created_at + 60, abs=0.01)
        assert record.deadline == pytest.approx(record.created_at + 90, abs=0.01)
        assert isinstance(created, Committed)
        assert created.expires_at == pytest.approx(record.expires_at, abs=0.01)

    async def test_create_never_overwrites_a_live_session(self, store: AtomicStore, other: AtomicStore) -> None:
        key = await started(store, {"a": b"1"}, principal="ann")
        before = await store.load(key)
        assert await other.create(key, Change(set={"b": b"2"}, principal="bob"), max_age=9 * LONG) is TAKEN
        assert await store.load(key) == before
        assert await keys_found(store, "bob") == set()

    @pytest.mark.parametrize("successor", [None, b"sealed"])
    async def test_create_never_takes_a_superseded_key(self, store: AtomicStore, successor: bytes | None) -> None:
        old, _ = await self.superseded(store, successor)
        assert await store.create(old, Change(set={"b": b"2"}), max_age=LONG) is TAKEN
        assert await store.load(old) == Superseded(successor)

    @pytest.mark.parametrize("how", ENDINGS)
    async def test_create_takes_a_key_that_is_not_there_and_finds_no_leftovers(
        self, store: AtomicStore, how: str
    ) -> None:
        key = await self.ended(store, how)
        assert isinstance(await store.create(key, Change(set={"b": b"2"}, increment={"n": 5}), max_age=LONG), Committed)
        record = await record_of(store, key)
        assert dict(record.fields) == {"b": b"2", "n": b"5"}
        assert record.principal is None
        assert record.deadline is None
        assert await keys_found(store, "ended") == set()

    async def test_of_many_creates_of_one_key_one_wins(self, store: AtomicStore, other: AtomicStore) -> None:
        key = new_key()
        creates = [
            client.create(key, Change(set={"by": b"%d" % n}), max_age=LONG)
            for n, client in enumerate([store, other] * 10)
        ]
        results = await asyncio.gather(*creates)
        (winner,) = [n for n, result in enumerate(results) if result is not TAKEN]
        assert await fields_of(store, key) == {"by": b"%d" % winner}

    async def test_create_counts_on_top_of_what_it_sets(self, store: AtomicStore) -> None:
        key = new_key()
        created = await store.create(
            key, Change(set={"n": b"5"}, delete=["n"], increment={"n": 2, "m": -1}), max_age=LONG
        )
        assert isinstance(created, Committed)
        assert created.counters == {"n": 7, "m": -1}
        assert await fields_of(store, key) == {"n": b"7", "m": b"-1"}

    async def test_create_that_cannot_count_raises_and_makes_nothing(self, store: AtomicStore) -> None:
        key = new_key()
        with pytest.raises(ValueError, match="n"):
            await store.create(key, Change(set={"n": b'"x"', "a": b"1"}, increment={"n": 1}), max_age=LONG)
        assert await store.load(key) is None

    # commit

    async def test_a_commit_changes_what_it_names_and_nothing_else(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1", "b": b"2", "c": b"3"}, principal="ann")
        await store.commit(key, Change(set={"b": b"20", "d": b"4"}, delete=["c", "not there"]), max_age=LONG)
        record = await record_of(store, key)
        assert dict(record.fields) == {"a": b"1", "b": b"20", "d": b"4"}
        assert record.principal == "ann"

    async def test_a_change_deletes_then_sets_then_counts(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1", "b": b"2", "n": b"100"})
        change = Change(set={"a": b"9", "n": b"5"}, delete=["a", "b"], increment={"n": 1, "b": 3})
        committed = await store.commit(key, change, max_age=LONG)
        assert isinstance(committed, Committed)
        assert committed.counters == {"n": 6, "b": 3}
        assert await fields_of(store, key) == {"a": b"9", "n": b"6", "b": b"3"}

    async def test_a_session_emptied_key_by_key_is_still_there(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1"})
        assert isinstance(await store.commit(key, Change(delete=["a"]), max_age=LONG), Committed)
        assert await fields_of(store, key) == {}
        assert isinstance(await store.commit(key, Change(set={"b": b"2"}), max_age=LONG), Committed)
        assert await fields_of(store, key) == {"b": b"2"}

    async def test_a_commit_of_nothing_renews_the_session_and_keeps_its_data(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1"}, max_age=self.short, principal="ann")
        committed = await store.commit(key, Change(), max_age=LONG)
        assert isinstance(committed, Committed)
        assert committed.counters == {}
        await self.advance(self.short)
        record = await record_of(store, key)
        assert (dict(record.fields), record.principal) == ({"a": b"1"}, "ann")

    async def test_a_commit_sets_the_life_anew_to_a_shorter_one_too(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1"})
        await store.commit(key, Change(set={"a": b"2"}), max_age=self.short)
        await self.advance(self.short)
        assert await store.load(key) is None

    async def test_a_commit_marks_the_session_as_seen_and_leaves_its_other_times(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1"}, absolute_max_age=2 * LONG)
        before = await record_of(store, key)
        await self.advance(self.short)
        committed = await store.commit(key, Change(set={"a": b"2"}), max_age=60)
        after = await record_of(store, key)
        assert (after.created_at, after.issued_at, after.deadline) == (
            before.created_at,
            before.issued_at,
            before.deadline,
        )
        assert after.seen_at >= before.seen_at + self.short - 0.01
        assert after.expires_at == pytest.approx(after.seen_at + 60, abs=0.01)
        assert isinstance(committed, Committed)
        assert committed.expires_at == pytest.approx(after.expires_at, abs=0.01)

    async def test_a_record_loaded_earlier_does_not_change(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1"})
        record = await record_of(store, key)
        await store.commit(key, Change(set={"a": b"2", "b": b"2"}), max_age=LONG)
        assert dict(record.fields) == {"a": b"1"}

    async def test_what_was_handed_in_is_not_held_on_to(self, store: AtomicStore) -> None:
        created, committed = {"a": b"1"}, {"b": b"2"}
        key = await started(store, created)
        await store.commit(key, Change(set=committed), max_age=LONG)
        created["a"] = committed["b"] = b"changed"
        created["more"] = committed["more"] = b"1"
        assert await fields_of(store, key) == {"a": b"1", "b": b"2"}

    async def test_different_keys_of_parallel_commits_are_all_there(
        self, store: AtomicStore, other: AtomicStore
    ) -> None:
        key = await started(store, {"kept": b"0"})
        changes = [{f"k{n}": b"%d" % n} for n in range(40)]
        commits = [
            client.commit(key, Change(set=each), max_age=LONG)
            for client, each in zip([store, other] * 20, changes, strict=True)
        ]
        assert all(isinstance(result, Committed) for result in await asyncio.gather(*commits))
        assert await fields_of(store, key) == {"kept": b"0"} | {f"k{n}": b"%d" % n for n in range(40)}

    async def test_the_same_key_holds_what_the_last_commit_set(self, store: AtomicStore, other: AtomicStore) -> None:
        key = await started(store)
        for n, client in enumerate([store, other, store, other]):
            await client.commit(key, Change(set={"k": b"%d" % n}), max_age=LONG)
        assert await fields_of(store, key) == {"k": b"3"}

    async def test_parallel_commits_never_mix(self, store: AtomicStore, other: AtomicStore) -> None:
        key = await started(store)
        for _ in range(10):
            values = [b"%d" % n for n in range(20)]
            commits = [
                client.commit(key, Change(set={"a": v, "b": v, "c": v}), max_age=LONG)
                for client, v in zip([store, other] * 10, values, strict=True)
            ]
            await asyncio.gather(*commits)
            fields = await fields_of(store, key)
            assert fields is not None
            assert fields["a"] == fields["b"] == fields["c"]

    async def test_a_delete_and_an_update_of_one_key_end_as_one_of_the_two(
        self, store: AtomicStore, other: AtomicStore
    ) -> None:
        key = await started(store)
        for _ in range(20):
            await store.commit(key, Change(set={"k": b"old", "a": b"0", "b": b"0"}), max_age=LONG)
            await asyncio.gather(
                store.commit(key, Change(delete=["k"], set={"a": b"1"}), max_age=LONG),
                other.commit(key, Change(set={"k": b"new", "b": b"1"}), max_age=LONG),
            )
            fields = await fields_of(store, key)
            assert fields in ({"a": b"1", "b": b"1"}, {"k": b"new", "a": b"1", "b": b"1"})

    async def test_parallel_increments_lose_nothing(self, store: AtomicStore, other: AtomicStore) -> None:
        key = await started(store, {"n": b"10"})
        results = await asyncio.gather(
            *(client.commit(key, Change(increment={"n": 1}), max_age=LONG) for client in [store, other] * 100)
        )
        seen = sorted(result.counters["n"] for result in results if isinstance(result, Committed))
        assert seen == list(range(11, 211))
        assert await fields_of(store, key) == {"n": b"210"}

    async def test_counters_count_from_zero_in_any_direction(self, store: AtomicStore) -> None:
        key = await started(store)
        committed = await store.commit(key, Change(increment={"up": 3, "down": -3, "still": 0}), max_age=LONG)
        assert isinstance(committed, Committed)
        assert committed.counters == {"up": 3, "down": -3, "still": 0}
        assert await fields_of(store, key) == {"up": b"3", "down": b"-3", "still": b"0"}

    @pytest.mark.parametrize(
        ("start", "by", "end"),
        [
            (MAX_COUNTER - 1, 1, MAX_COUNTER),
            (MIN_COUNTER + 1, -1, MIN_COUNTER),
            (MIN_COUNTER, MAX_COUNTER, -1),
            (0, MIN_COUNTER, MIN_COUNTER),
        ],
    )
    async def test_counters_are_exact_to_the_limits_of_64_bits(
        self, store: AtomicStore, start: int, by: int, end: int
    ) -> None:
        key = await started(store, {"n": b"%d" % start})
        committed = await store.commit(key, Change(increment={"n": by}), max_age=LONG)
        assert isinstance(committed, Committed)
        assert committed.counters == {"n": end}
        assert await fields_of(store, key) == {"n": b"%d" % end}

    @pytest.mark.parametrize("held", [*NOT_COUNTERS, b"%d" % MAX_COUNTER])
    async def test_what_cannot_be_counted_leaves_everything_as_it_was(self, store: AtomicStore, held: bytes) -> None:
        key = await started(store, {"n": held, "m": b"1"}, principal="ann")
        before = await store.load(key)
        change = Change(set={"a": b"1"}, delete=["m"], increment={"m": 1, "n": 1, "o": 1}, principal="bob")
        assert await store.commit(key, change, max_age=9 * LONG) is NOT_A_COUNTER
        assert await store.load(key) == before
        assert await keys_found(store, "bob") == set()

    # touch

    async def test_a_touch_prolongs_a_life(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1"}, max_age=self.short)
        assert await store.touch(key, max_age=LONG) is True
        await self.advance(self.short)
        assert await fields_of(store, key) == {"a": b"1"}

    async def test_a_touch_never_shortens_a_life(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1"})
        before = await record_of(store, key)
        assert await store.touch(key, max_age=self.short) is True
        assert (await record_of(store, key)).expires_at == before.expires_at
        await self.advance(self.short)
        assert await fields_of(store, key) == {"a": b"1"}

    async def test_a_touch_changes_only_when_the_session_was_seen(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1"}, principal="ann", absolute_max_age=2 * LONG)
        before = await record_of(store, key)
        await self.advance(self.short)
        assert await store.touch(key, max_age=60) is True
        after = await record_of(store, key)
        assert after.seen_at >= before.seen_at + self.short - 0.01
        assert (after.fields, after.principal, after.deadline) == (before.fields, before.principal, before.deadline)
        assert (after.created_at, after.issued_at, after.expires_at) == (
            before.created_at,
            before.issued_at,
            before.expires_at,
        )

    # the deadline

    async def test_nothing_passes_the_deadline(self, store: AtomicStore) -> None:
        key = new_key()
        created = await store.create(key, Change(), max_age=LONG, absolute_max_age=60)
        deadline = (await record_of(store, key)).deadline
        committed = await store.commit(key, Change(set={"a": b"1"}), max_age=LONG)
        assert await store.touch(key, max_age=LONG) is True
        touched = await record_of(store, key)
        moved = await store.move(key, new := new_key(key), max_age=LONG, grace=0)
        assert deadline is not None
        for result in (created, committed, touched, moved, await record_of(store, new)):
            assert isinstance(result, (Committed, Record))
            assert result.expires_at == pytest.approx(deadline, abs=0.01)
        assert (await record_of(store, new)).deadline == deadline

    async def test_at_the_deadline_a_session_ends_however_busy_it_was(self, store: AtomicStore) -> None:
        key = await started(store, absolute_max_age=self.short)
        await store.commit(key, Change(set={"a": b"1"}), max_age=LONG)
        await store.move(key, new := new_key(key), max_age=LONG, grace=0)
        await store.touch(new, max_age=LONG)
        await self.advance(self.short)
        assert await store.load(new) is None
        assert await store.commit(new, Change(set={"a": b"2"}), max_age=LONG) is GONE

    # what has ended

    @pytest.mark.parametrize("how", ENDINGS)
    async def test_what_has_ended_is_never_written_again(
        self, store: AtomicStore, other: AtomicStore, how: str
    ) -> None:
        key = await self.ended(store, how)
        new = new_key(key)
        change = Change(set={"a": b"1"}, increment={"n": 1}, principal="ended")
        for client in (store, other):
            assert await client.commit(key, change, max_age=LONG) is GONE
            assert await client.touch(key, max_age=LONG) is False
            assert await client.move(key, new, max_age=LONG, grace=LONG) is GONE
            assert await client.destroy(key) is False
            assert await client.load(key) is None
            assert await client.load(new) is None
            assert await keys_found(client, "ended") == set()

    @pytest.mark.parametrize("how", ENDINGS)
    async def test_what_has_ended_is_not_found_by_its_principal(self, store: AtomicStore, how: str) -> None:
        await self.ended(store, how)
        assert await store.find("ended") == []
        assert await store.revoke("ended") == 0

    async def test_a_session_is_destroyed_once(self, store: AtomicStore, other: AtomicStore) -> None:
        key = await started(store, {"a": b"1"})
        results = await asyncio.gather(*(client.destroy(key) for client in [store, other] * 5))
        assert sorted(results, key=bool) == [False] * 9 + [True]
        assert await store.load(key) is None

    async def test_a_commit_that_races_with_a_destroy_leaves_nothing(
        self, store: AtomicStore, other: AtomicStore
    ) -> None:
        for _ in range(20):
            key = await started(store, {"a": b"1"})
            change = Change(set={"b": b"2"}, increment={"n": 1}, principal="racing")
            clients = [store, other] * 4
            await asyncio.gather(
                *(client.commit(key, change, max_age=LONG) for client in clients),
                store.destroy(key),
                *(client.touch(key, max_age=LONG) for client in clients),
            )
            assert await store.load(key) is None
        assert await store.find("racing") == []

    # move

    async def test_a_move_carries_the_session_over(self, store: AtomicStore, other: AtomicStore) -> None:
        old = await started(store, {"a": b"1", "b": b"2"}, principal="ann", absolute_max_age=2 * LONG)
        before = await record_of(store, old)
        await self.advance(self.short)
        moved = await store.move(old, new := new_key(old), max_age=60, grace=LONG)
        after = await record_of(other, new)
        assert isinstance(moved, Committed)
        assert moved.expires_at == pytest.approx(after.expires_at, abs=0.01)
        assert (after.fields, after.principal) == (before.fields, before.principal)
        assert (after.created_at, after.deadline) == (before.created_at, before.deadline)
        assert after.issued_at == after.seen_at >= before.issued_at + self.short - 0.01
        assert after.expires_at == pytest.approx(after.seen_at + 60, abs=0.01)

    @pytest.mark.parametrize(
        ("keep", "kept"), [((), {}), (("a", "not there"), {"a": b"1"}), (["a", "b"], {"a": b"1", "b": b"2"})]
    )
    async def test_a_move_can_leave_fields_behind_and_then_the_principal_too(
        self, store: AtomicStore, keep: Sequence[str], kept: dict[str, bytes]
    ) -> None:
        old = await started(store, {"a": b"1", "b": b"2"}, principal="ann")
        await store.move(old, new := new_key(old), max_age=LONG, grace=LONG, keep=keep)
        record = await record_of(store, new)
        assert (dict(record.fields), record.principal) == (kept, None)
        assert await keys_found(store, "ann") == set()

    @pytest.mark.parametrize("successor", [None, b"", b"\0sealed\xff"])
    async def test_a_superseded_key_says_so_and_is_never_written(
        self, store: AtomicStore, other: AtomicStore, successor: bytes | None
    ) -> None:
        old, new = await self.superseded(store, successor, principal="ann")
        third = new_key(old)
        for client in (store, other):
            assert await client.load(old) == Superseded(successor)
            assert await client.commit(old, Change(set={"b": b"2"}, principal="bob"), max_age=LONG) == Superseded(
                successor
            )
            assert await client.touch(old, max_age=LONG) is False
            assert await client.move(old, third, max_age=LONG, grace=LONG, successor=b"other") == Superseded(successor)
            assert await client.destroy(old) == Superseded(successor)
        assert await store.load(old) == Superseded(successor)
        assert await store.load(third) is None
        assert await fields_of(store, new) == {"a": b"1"}
        assert await keys_found(store, "ann") == {new}

    async def test_a_superseded_key_is_forgotten_after_its_grace(self, store: AtomicStore) -> None:
        old = await started(store, {"a": b"1"})
        await store.move(old, new := new_key(old), max_age=LONG, grace=self.short, successor=b"sealed")
        assert await store.load(old) == Superseded(b"sealed")
        await self.advance(self.short)
        assert await store.load(old) is None
        assert await fields_of(store, new) == {"a": b"1"}

    async def test_a_move_without_grace_leaves_no_trace(self, store: AtomicStore) -> None:
        old = await started(store, {"a": b"1"})
        await store.move(old, new_key(old), max_age=LONG, grace=0)
        assert await store.load(old) is None

    async def test_a_grace_may_outlast_the_session(self, store: AtomicStore) -> None:
        old = await started(store, max_age=self.short)
        await store.move(old, new := new_key(old), max_age=self.short, grace=LONG, successor=b"sealed")
        await self.advance(self.short)
        assert await store.load(old) == Superseded(b"sealed")
        assert await store.load(new) is None

    async def test_a_session_moves_as_often_as_one_likes(self, store: AtomicStore) -> None:
        keys = [await started(store, {"a": b"1"}, principal="ann")]
        for n in range(5):
            keys.append(new_key(keys[-1]))
            assert isinstance(
                await store.move(keys[-2], keys[-1], max_age=LONG, grace=LONG, successor=b"%d" % n), Committed
            )
        assert [await store.load(key) for key in keys[:-1]] == [Superseded(b"%d" % n) for n in range(5)]
        assert await fields_of(store, keys[-1]) == {"a": b"1"}
        assert await keys_found(store, "ann") == {keys[-1]}

    async def test_a_move_onto_a_taken_key_changes_neither(self, store: AtomicStore) -> None:
        old, live = await started(store, {"a": b"1"}, principal="ann"), await started(store, {"b": b"2"})
        marker, _ = await self.superseded(store, b"sealed")
        for taken in (live, marker, old):
            before = await store.load(old), await store.load(taken)
            assert await store.move(old, taken, max_age=9 * LONG, grace=LONG) is TAKEN
            assert (await store.load(old), await store.load(taken)) == before

    @pytest.mark.parametrize("how", ENDINGS)
    async def test_a_move_takes_a_key_that_is_not_there_and_finds_no_leftovers(
        self, store: AtomicStore, how: str
    ) -> None:
        new = await self.ended(store, how)
        old = await started(store, {"a": b"1"}, principal="ann")
        assert isinstance(await store.move(old, new, max_age=LONG, grace=LONG), Committed)
        assert await fields_of(store, new) == {"a": b"1"}
        assert await keys_found(store, "ended") == set()
        assert await keys_found(store, "ann") == {new}

    @pytest.mark.parametrize("successor", [None, b"sealed"])
    async def test_of_several_moves_of_one_session_one_wins(
        self, store: AtomicStore, other: AtomicStore, successor: bytes | None
    ) -> None:
        for _ in range(10):
            old = await started(store, {"a": b"1"}, principal="ann")
            news = [new_key(old) for _ in range(6)]
            moves = [
                client.move(old, new, max_age=LONG, grace=LONG, successor=successor)
                for client, new in zip([store, other] * 3, news, strict=True)
            ]
            results = await asyncio.gather(*moves)
            won = [new for new, result in zip(news, results, strict=True) if isinstance(result, Committed)]
            assert [result for result in results if not isinstance(result, Committed)] == [Superseded(successor)] * 5
            assert [new for new in news if await store.load(new) is not None] == won
            assert await keys_found(store, "ann") == set(won)
            await store.destroy(won[0])

    async def test_a_commit_that_races_with_a_move_is_inside_or_refused(
        self, store: AtomicStore, other: AtomicStore
    ) -> None:
        for _ in range(20):
            old = await started(store, {"a": b"1"})
            clients = [store, other] * 4
            moved, *results = await asyncio.gather(
                self.after_a_turn(store.move(old, new := new_key(old), max_age=LONG, grace=LONG)),
                *(
                    client.commit(old, Change(set={f"k{n}": b"1"}, increment={"n": 1}), max_age=LONG)
                    for n, client in enumerate(clients)
                ),
            )
            assert isinstance(moved, Committed)
            assert all(isinstance(result, Committed) or result == Superseded() for result in results)
            inside = {f"k{n}" for n, result in enumerate(results) if isinstance(result, Committed)}
            fields = await fields_of(store, new)
            assert fields is not None
            assert int(fields.pop("n", b"0")) == len(inside)
            assert fields.keys() == {"a"} | inside

    async def test_a_move_and_a_destroy_agree_on_who_came_first(self, store: AtomicStore, other: AtomicStore) -> None:
        for turn in range(20):
            old = await started(store, {"a": b"1"})
            racers = [other.destroy(old), store.move(old, new := new_key(old), max_age=LONG, grace=LONG)]
            destroyed, moved = (
                await asyncio.gather(*racers) if turn % 2 else reversed(await asyncio.gather(*racers[::-1]))
            )
            if isinstance(moved, Committed):
                assert destroyed == Superseded()
                assert await fields_of(store, new) == {"a": b"1"}
            else:
                assert (destroyed, moved) == (True, GONE)
                assert await store.load(new) is None

    async def after_a_turn(self, operation: Awaitable[Any]) -> Any:
        """What `operation` gives, begun a little later than those beside it."""
        await asyncio.sleep(0)
        return await operation

    # find and revoke

    async def test_a_principal_finds_all_its_sessions_as_they_are(self, store: AtomicStore, other: AtomicStore) -> None:
        keys = {await started(store, {"n": b"%d" % n}, principal="ann") for n in range(5)}
        await started(store, principal="bob")
        await started(store)
        await store.commit(next(iter(keys)), Change(set={"more": b"1"}), max_age=LONG)
        found = await other.find("ann")
        assert {key for key, _ in found} == keys
        assert [record for _, record in found] == [await store.load(key) for key, _ in found]

    async def test_nobody_is_found_under_an_unknown_principal(self, store: AtomicStore) -> None:
        await started(store)
        await started(store, principal="ann")
        for unknown in ("", "Ann", "an", "anna", "None", "%", "*"):
            assert await store.find(unknown) == []

    async def test_a_commit_changes_the_principal_or_leaves_it(self, store: AtomicStore) -> None:
        key = await started(store, principal="ann")
        await store.commit(key, Change(set={"a": b"1"}), max_age=LONG)
        assert await keys_found(store, "ann") == {key}
        await store.commit(key, Change(principal="bob"), max_age=LONG)
        assert (await keys_found(store, "ann"), await keys_found(store, "bob")) == (set(), {key})
        await store.commit(key, Change(principal=None), max_age=LONG)
        assert await keys_found(store, "bob") == set()
        assert (await record_of(store, key)).principal is None
        await store.commit(key, Change(principal="ann"), max_age=LONG)
        assert await keys_found(store, "ann") == {key}

    async def test_the_empty_text_is_a_principal_like_any_other(self, store: AtomicStore) -> None:
        key = await started(store, principal="")
        await started(store)
        assert await keys_found(store, "") == {key}
        assert (await record_of(store, key)).principal == ""
        assert await store.revoke("") == 1

    async def test_revoke_ends_every_session_of_the_principal_and_no_other(
        self, store: AtomicStore, other: AtomicStore
    ) -> None:
        doomed = [await started(store, principal="ann") for _ in range(5)]
        spared = [await started(store, principal="bob"), await started(store)]
        assert await other.revoke("ann") == 5
        assert [await store.load(key) for key in doomed] == [None] * 5
        assert [await store.commit(key, Change(set={"a": b"1"}), max_age=LONG) for key in doomed] == [GONE] * 5
        assert all([isinstance(await store.load(key), Record) for key in spared])
        assert await store.revoke("ann") == 0

    async def test_revoke_spares_the_session_it_is_told_to_keep(self, store: AtomicStore) -> None:
        keys = [await started(store, principal="ann") for _ in range(4)]
        assert await store.revoke("ann", keep=keys[1]) == 3
        assert await keys_found(store, "ann") == {keys[1]}
        assert await store.revoke("ann", keep=new_key()) == 1
        assert await store.find("ann") == []

    async def test_revoke_ends_a_session_under_its_new_key(self, store: AtomicStore) -> None:
        old, new = await self.superseded(store, b"sealed", principal="ann")
        assert await store.revoke("ann") == 1
        assert await store.load(new) is None
        assert await store.load(old) == Superseded(b"sealed")

    async def test_a_session_that_left_the_principal_is_not_revoked(self, store: AtomicStore) -> None:
        key = await started(store, principal="ann")
        await store.commit(key, Change(principal="bob"), max_age=LONG)
        assert await store.revoke("ann") == 0
        assert isinstance(await store.load(key), Record)

    async def test_a_principal_may_log_in_again_after_a_revocation(self, store: AtomicStore) -> None:
        await started(store, principal="ann")
        await store.revoke("ann")
        key = await started(store, principal="ann")
        assert await keys_found(store, "ann") == {key}

    async def test_no_login_slips_through_a_revocation_half_way(self, store: AtomicStore, other: AtomicStore) -> None:
        for _ in range(10):
            anonymous = [await started(store) for _ in range(6)]
            before = [await started(store, principal="ann") for _ in range(3)]
            created = [new_key() for _ in range(6)]
            await asyncio.gather(
                *(
                    client.commit(key, Change(principal="ann"), max_age=LONG)
                    for client, key in zip([store, other] * 3, anonymous, strict=True)
                ),
                self.after_a_turn(other.revoke("ann")),
                *(
                    client.create(key, Change(principal="ann"), max_age=LONG)
                    for client, key in zip([store, other] * 3, created, strict=True)
                ),
            )
            assert [await store.load(key) for key in before] == [None] * 3
            live = {key for key in anonymous + created if await store.load(key) is not None}
            assert await keys_found(store, "ann") == live
            assert await store.revoke("ann") == len(live)
            assert [await store.load(key) for key in live] == [None] * len(live)

    # values and names

    @pytest.mark.parametrize("text", NASTY_TEXTS, ids=ascii)
    async def test_any_text_is_a_name_a_value_and_a_principal(self, store: AtomicStore, text: str) -> None:
        key = await started(store, {text: text.encode(), "other": b"1"}, principal=text)
        assert await fields_of(store, key) == {text: text.encode(), "other": b"1"}
        assert await keys_found(store, text) == {key}
        await store.commit(key, Change(set={"other": b"2"}, delete=[text]), max_age=LONG)
        assert await fields_of(store, key) == {"other": b"2"}
        committed = await store.commit(key, Change(increment={text: 2}), max_age=LONG)
        assert isinstance(committed, Committed)
        assert committed.counters == {text: 2}
        await store.move(key, new := new_key(key), max_age=LONG, grace=0, keep=[text])
        assert await fields_of(store, new) == {text: b"2"}

    async def test_a_value_is_any_bytes(self, store: AtomicStore) -> None:
        fields = {
            "all": bytes(range(256)),
            "none": b"",
            "nul": b"\0" * 3,
            "crlf": b"\r\n$5\r\n*1\r\n",
            "utf-8": b"\xff\xfe",
        }
        key = await started(store, fields)
        assert await fields_of(store, key) == fields

    async def test_a_value_of_a_mebibyte_comes_back(self, store: AtomicStore) -> None:
        large = secrets.token_bytes(1 << 20)
        key = await started(store, {"large": large})
        await store.commit(key, Change(set={"small": b"1"}), max_age=LONG)
        assert await fields_of(store, key) == {"large": large, "small": b"1"}

    async def test_a_session_has_many_fields(self, store: AtomicStore) -> None:
        fields = {f"field {n}": b"%d" % n for n in range(5000)}
        key = await started(store, fields)
        await store.commit(
            key, Change(set={"field 1": b"new"}, delete=[f"field {n}" for n in range(2, 5000)]), max_age=LONG
        )
        assert await fields_of(store, key) == {"field 0": b"0", "field 1": b"new"}

    async def test_a_store_has_many_sessions(self, store: AtomicStore, other: AtomicStore) -> None:
        keys = [new_key() for _ in range(3000)]
        await asyncio.gather(
            *(store.create(key, Change(set={"n": b"%d" % n}), max_age=LONG) for n, key in enumerate(keys))
        )
        records = await asyncio.gather(*(other.load(key) for key in keys))
        assert [isinstance(record, Record) and record.fields["n"] for record in records] == [
            b"%d" % n for n in range(3000)
        ]

    async def test_keys_that_differ_in_case_are_different_sessions(self, store: AtomicStore) -> None:
        key = "{aBcD}:" + "aB_-" * 10 + "abc"
        await store.create(key, Change(set={"a": b"1"}), max_age=LONG)
        for unlike in (key.lower(), key.upper(), key[:-1], key + "d", key.replace("_", "%")):
            assert await store.load(unlike) is None

    # time

    async def test_a_session_of_60_seconds_is_alive_at_59_and_dead_at_61(self, store: AtomicStore) -> None:
        if not self.controls_time:
            pytest.skip("this store keeps its own time")
        key = await started(store, {"a": b"1"}, max_age=60)
        await self.advance(59)
        assert await fields_of(store, key) == {"a": b"1"}
        await self.advance(2)
        assert await store.load(key) is None

    async def test_a_session_is_over_at_the_moment_it_expires(self, store: AtomicStore) -> None:
        if not self.controls_time:
            pytest.skip("this store keeps its own time")
        key = await started(store, max_age=60)
        await self.advance(60)
        assert await store.touch(key, max_age=60) is False

    async def test_purge_frees_what_has_expired_and_nothing_else(self, store: AtomicStore) -> None:
        for _ in range(20):
            await started(store, max_age=self.short, principal="ann")
        live = [await started(store, {"a": b"1"}, principal="ann") for _ in range(5)]
        old, new = await self.superseded(store, b"sealed")
        await self.advance(self.short)
        assert 0 <= await store.purge() <= 20
        assert await store.purge() == 0
        assert [await fields_of(store, key) for key in [*live, new]] == [{"a": b"1"}] * 6
        assert await store.load(old) == Superseded(b"sealed")
        assert await keys_found(store, "ann") == set(live)

    # closing, cancelling

    async def test_a_closed_store_may_be_used_again(self, store: AtomicStore) -> None:
        await store.aclose()
        key = await started(store, {"a": b"1"})
        await store.aclose()
        await store.aclose()
        assert await store.load(new_key()) is None
        assert isinstance(await store.create(key, Change(), max_age=LONG) or TAKEN, (Committed, type(TAKEN)))

    async def test_an_operation_that_is_cancelled_disturbs_no_other(self, store: AtomicStore) -> None:
        key = await started(store, {"n": b"0"})
        for turns in range(4):
            commits = [
                asyncio.ensure_future(store.commit(key, Change(increment={"n": 1, "m": 1}), max_age=LONG))
                for _ in range(20)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for commit in commits[::2]:
                commit.cancel()
            results = await asyncio.gather(*commits, return_exceptions=True)
            assert all(isinstance(result, (Committed, asyncio.CancelledError)) for result in results)
            assert all(isinstance(result, Committed) for result in results[1::2])
        fields = await fields_of(store, key)
        assert fields is not None
        assert fields["n"] == fields["m"]
        assert 40 <= int(fields["n"]) <= 80
