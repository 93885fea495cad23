"""Contract tests of telling applications apart that share a store."""

from __future__ import annotations

from typing import Any

import pytest

from kick.session.stores.base import AtomicStore
from kick.testing.store_contract.base import StoreCase, fields_of, started


class ApplicationCases(StoreCase):
    """Tests of `recognize`, for stores that have it."""

    @pytest.fixture
    def recognize(self, store: AtomicStore) -> Any:
        """Return the method of the store."""
        method = getattr(store, "recognize", None)
        if method is None:
            pytest.skip("recognize() is optional, and this store does not have it")
        return method

    async def test_the_secrets_of_every_application_are_remembered_once(self, recognize: Any) -> None:
        ours, theirs = frozenset({"aaaa", "bbbb"}), frozenset({"cccc"})
        assert set(await recognize(ours)) == {ours}
        assert set(await recognize(theirs)) == {ours, theirs}
        again = list(await recognize(frozenset({"bbbb", "aaaa"})))
        assert len(again) == 2
        assert set(again) == {ours, theirs}

    async def test_another_client_knows_them_too(self, recognize: Any, other: Any) -> None:
        ours, theirs = frozenset({"aaaa"}), frozenset({"cccc"})
        await recognize(ours)
        assert set(await other.recognize(theirs)) == {ours, theirs}

    async def test_a_look_remembers_nothing(self, recognize: Any) -> None:
        ours, theirs = frozenset({"aaaa"}), frozenset({"cccc"})
        assert theirs not in await recognize(theirs, remember=False)
        assert ours in await recognize(ours)
        assert set(await recognize(theirs, remember=False)) == {ours}
        assert set(await recognize(ours)) == {ours}

    async def test_sessions_and_applications_do_not_touch_each_other(self, store: AtomicStore, recognize: Any) -> None:
        key = await started(store, {"a": b"1"}, principal="ann")
        await recognize(frozenset({"aaaa"}))
        assert await fields_of(store, key) == {"a": b"1"}
        assert await store.revoke("ann") == 1
        await store.purge()
        assert set(await recognize(frozenset({"aaaa"}))) == {frozenset({"aaaa"})}
