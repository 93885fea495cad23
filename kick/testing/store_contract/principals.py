"""Contract tests of finding and revoking sessions."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from kick.session.stores.base import GONE, AtomicStore, Change, Record, Superseded
from kick.testing.store_contract.base import (
    LONG,
    StoreCase,
    after_a_turn,
    keys_found,
    new_key,
    record_of,
    started,
)


def _shown(record: Record) -> Record:
    """Return what a list of devices asks for: of the values, the client alone."""
    return replace(record, fields={name: each for name, each in record.fields.items() if name == "$client"})


class PrincipalCases(StoreCase):
    """Tests of sessions with a principal."""

    async def test_a_principal_finds_all_its_sessions_as_they_are(self, store: AtomicStore, other: AtomicStore) -> None:
        keys = {await started(store, {"n": b"%d" % n, "$client": b"{}"}, principal="ann") for n in range(5)}
        keys.add(await started(store, {"$client": b'{"ip":"::1"}'}, principal="ann"))
        keys.add(await started(store, {"n": b"1"}, principal="ann"))
        await started(store, principal="bob")
        await started(store)
        await store.commit(next(iter(keys)), Change(set={"more": b"1"}), max_age=LONG)
        found = await other.find("ann")
        assert {key for key, _ in found} == keys
        loaded = [(key, await record_of(store, key)) for key, _ in found]
        assert [_shown(record) for _, record in found] == [_shown(record) for _, record in loaded]
        assert all(
            record.fields.items() <= stored.fields.items()
            for (_, record), (_, stored) in zip(found, loaded, strict=True)
        )

    async def test_nobody_is_found_under_an_unknown_principal(self, store: AtomicStore) -> None:
        await started(store)
        await started(store, principal="ann")
        for unknown in ("", "Ann", "an", "anna", "None", "%", "*"):
            assert list(await store.find(unknown)) == []

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
        assert list(await store.find("ann")) == []

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
                after_a_turn(other.revoke("ann")),
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
