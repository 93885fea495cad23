"""Contract tests of expiry and of the end of sessions."""

from __future__ import annotations

import asyncio

import pytest

from kick.session.stores.base import GONE, AtomicStore, Change, Committed, Record, Superseded
from kick.testing.store_contract.base import (
    ENDINGS,
    LONG,
    StoreCase,
    fields_of,
    keys_found,
    new_key,
    record_of,
    started,
)


class EndingCases(StoreCase):
    """Tests that an ended session does not come back."""

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
        assert list(await store.find("ended")) == []
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
        assert list(await store.find("racing")) == []

    async def test_a_session_of_60_seconds_is_alive_at_59_and_dead_from_60_on(self, store: AtomicStore) -> None:
        key, other = [await started(store, {"a": b"1"}, max_age=60) for _ in range(2)]
        record = await record_of(store, key)
        assert record.expires_at - record.seen_at == pytest.approx(60, abs=0.01)
        if self.controls_time:
            await self.advance(59)
            assert await fields_of(store, key) == {"a": b"1"}
            await self.advance(1)
            assert await store.touch(key, max_age=60) is False
            await self.advance(1)
            assert await store.load(other) is None

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
