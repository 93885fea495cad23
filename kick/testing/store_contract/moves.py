"""Contract tests of moves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from kick.session.stores.base import GONE, TAKEN, AtomicStore, Change, Committed, Superseded
from kick.testing.store_contract.base import (
    ENDINGS,
    LONG,
    StoreCase,
    after_a_turn,
    fields_of,
    keys_found,
    new_key,
    record_of,
    started,
)


class MoveCases(StoreCase):
    """Tests of moving a session to a new key."""

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

    @pytest.mark.parametrize("before", [None, 90.0])
    async def test_a_move_can_set_a_new_deadline(self, store: AtomicStore, before: float | None) -> None:
        old = await started(store, {"a": b"1"}, absolute_max_age=before)
        moved = await store.move(old, new := new_key(old), max_age=LONG, grace=LONG, absolute_max_age=120.0)
        record = await record_of(store, new)
        assert record.deadline == pytest.approx(record.issued_at + 120, abs=0.01)
        assert record.expires_at == pytest.approx(record.deadline, abs=0.01)
        assert isinstance(moved, Committed)
        assert moved.expires_at == pytest.approx(record.expires_at, abs=0.01)

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
        async def begin(grace: float) -> tuple[str, str] | None:
            old = await started(store, {"a": b"1"})
            await store.move(old, new := new_key(old), max_age=LONG, grace=grace, successor=b"sealed")
            return (old, new) if await store.load(old) == Superseded(b"sealed") else None

        keys, grace = await self.in_time(begin)
        assert keys is not None
        old, new = keys
        await self.advance(grace)
        assert await store.load(old) is None
        assert await fields_of(store, new) == {"a": b"1"}

    async def test_a_move_without_grace_leaves_no_trace(self, store: AtomicStore) -> None:
        old = await started(store, {"a": b"1"})
        await store.move(old, new_key(old), max_age=LONG, grace=0)
        assert await store.load(old) is None

    async def test_a_grace_may_outlast_the_session(self, store: AtomicStore) -> None:
        old = await started(store)
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
                after_a_turn(store.move(old, new := new_key(old), max_age=LONG, grace=LONG)),
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
