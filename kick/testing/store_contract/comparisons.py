"""Contract tests of changes that compare first: `Change(expect=...)`."""

from __future__ import annotations

import asyncio

import pytest

from kick.session.stores.base import CHANGED, GONE, AtomicStore, Change, Committed, Superseded
from kick.testing.store_contract.base import (
    ENDINGS,
    LONG,
    NASTY_TEXTS,
    StoreCase,
    fields_of,
    keys_found,
    record_of,
    started,
)


class ComparisonCases(StoreCase):
    """Tests of compare and set."""

    async def test_a_change_that_expects_what_is_there_is_applied(self, store: AtomicStore) -> None:
        key = await started(store, {"a": b"1", "b": b"2"})
        change = Change(set={"a": b"10"}, delete=["b"], increment={"n": 1}, expect={"a": b"1", "n": None})
        committed = await store.commit(key, change, max_age=LONG)
        assert isinstance(committed, Committed)
        assert committed.counters == {"n": 1}
        assert await fields_of(store, key) == {"a": b"10", "n": b"1"}

    @pytest.mark.parametrize("expect", [{"a": b"2"}, {"a": None}, {"z": b"1"}, {"a": b"1", "b": b""}, {"a": b"1 "}])
    async def test_a_change_that_expects_something_else_changes_nothing(
        self, store: AtomicStore, other: AtomicStore, expect: dict[str, bytes | None]
    ) -> None:
        key = await started(store, {"a": b"1", "b": b"2"}, principal="ann")
        before = await record_of(store, key)
        change = Change(set={"a": b"9"}, delete=["b"], increment={"n": 1}, principal="bob", expect=expect)
        assert await other.commit(key, change, max_age=9 * LONG) is CHANGED
        assert await record_of(store, key) == before
        assert await keys_found(store, "ann") == {key}
        assert await keys_found(store, "bob") == set()

    async def test_names_and_values_of_any_kind_are_compared(self, store: AtomicStore) -> None:
        fields = {name: b"\0\xff%d" % number for number, name in enumerate(NASTY_TEXTS) if name}
        key = await started(store, fields)
        expect = {**fields, "not there": None}
        assert isinstance(await store.commit(key, Change(set={"ok": b"1"}, expect=expect), max_age=LONG), Committed)

    @pytest.mark.parametrize("how", ENDINGS)
    async def test_an_ended_session_is_gone_and_not_changed(self, store: AtomicStore, how: str) -> None:
        key = await self.ended(store, how)
        assert await store.commit(key, Change(set={"a": b"1"}, expect={"a": b"2"}), max_age=LONG) is GONE
        assert await store.load(key) is None

    async def test_a_moved_session_says_where_it_went(self, store: AtomicStore) -> None:
        old, _ = await self.superseded(store, b"next")
        assert await store.commit(old, Change(expect={"a": b"9"}), max_age=LONG) == Superseded(b"next")

    async def test_of_many_that_expect_the_same_one_wins(self, store: AtomicStore, other: AtomicStore) -> None:
        key = await started(store, {"a": b"0"})
        commits = [
            client.commit(key, Change(set={"a": b"%d" % n}, expect={"a": b"0"}), max_age=LONG)
            for n, client in enumerate([store, other] * 10, 1)
        ]
        results = await asyncio.gather(*commits)
        (winner,) = [n for n, result in enumerate(results, 1) if result is not CHANGED]
        assert await fields_of(store, key) == {"a": b"%d" % winner}
