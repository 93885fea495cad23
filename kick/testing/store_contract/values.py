"""Contract tests of names, values, numbers, closing and cancellation."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from kick.session.stores.base import AtomicStore, Change, Committed, Record
from kick.testing.store_contract.base import (
    LONG,
    NASTY_TEXTS,
    StoreCase,
    fields_of,
    keys_found,
    new_key,
    started,
)


class ValueCases(StoreCase):
    """Tests that stored values are returned unchanged."""

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

    async def test_a_closed_store_may_be_used_again(self, store: AtomicStore) -> None:
        await store.aclose()
        key = await started(store, {"a": b"1"})
        await store.aclose()
        await store.aclose()
        assert await fields_of(store, key) == {"a": b"1"}
        assert isinstance(await store.commit(key, Change(set={"b": b"2"}), max_age=LONG), Committed)

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
