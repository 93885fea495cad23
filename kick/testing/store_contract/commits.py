"""Contract tests of create, commit and touch."""

from __future__ import annotations

import asyncio

import pytest

from kick.session.stores.base import NOT_A_COUNTER, TAKEN, AtomicStore, Change, Committed, Superseded
from kick.testing.store_contract.base import (
    ENDINGS,
    LONG,
    MAX_COUNTER,
    MIN_COUNTER,
    NOT_COUNTERS,
    StoreCase,
    fields_of,
    keys_found,
    new_key,
    record_of,
    started,
)


class CommitCases(StoreCase):
    """Tests of creating and changing records."""

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
        async def begin(life: float) -> str | None:
            key = await started(store, {"a": b"1"}, max_age=life, principal="ann")
            committed = await store.commit(key, Change(), max_age=LONG)
            return key if isinstance(committed, Committed) and committed.counters == {} else None

        key, life = await self.in_time(begin)
        assert key is not None
        await self.advance(life)
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

    async def test_a_touch_prolongs_a_life(self, store: AtomicStore) -> None:
        async def begin(life: float) -> str | None:
            key = await started(store, {"a": b"1"}, max_age=life)
            return key if await store.touch(key, max_age=LONG) is True else None

        key, life = await self.in_time(begin)
        assert key is not None
        await self.advance(life)
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
