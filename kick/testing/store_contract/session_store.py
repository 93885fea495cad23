"""Contract tests of the small protocol, `SessionStore`: `get`, `set`, `destroy`, and `touch` if the class has it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import pytest

from kick.session.stores.base import GONE, AtomicStore, Change, Committed, SessionStore
from kick.session.stores.url import open_store
from kick.testing.store_contract.base import LONG, NASTY_TEXTS, fields_of, new_key

MakeSessionStore: TypeAlias = Callable[[], Awaitable[SessionStore]]

BRIEF: Final = 1.0
"""The shortest lifetime for which kick asks such a store, in seconds."""

VALUES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"user": 7, "cart": ["tea", {"price": 1.5, "gift": None}], "open": True},
    {"$kick": {"created": 1_800_000_000.25}, "$flash": [["success", "Saved."]]},
    {"whole": 9_007_199_254_740_991, "negative": -1, "small": 1e-9, "empty": [[], {}, ""]},
    dict.fromkeys(NASTY_TEXTS, "a"),
    {f"text {number}": text for number, text in enumerate(NASTY_TEXTS)},
    {"long": "x" * 100_000},
)


def new_sid() -> str:
    """Return a `sid` in the format of kick.

    >>> len(new_sid())
    43
    """
    return secrets.token_urlsafe(32)


class SessionStoreContract:
    """The guarantees of a class with `get`, `set` and `destroy`. Subclass it with a name that starts with `Test`.

    Define the fixture `make_store`, a coroutine function that returns an empty store at each call. If the class has
    `touch`, its database lets sessions expire, and the suite waits for that.
    """

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def make_store(self) -> MakeSessionStore:
        pytest.fail("the subclass of SessionStoreContract has to define the fixture `make_store`", pytrace=False)

    @pytest.fixture
    async def store(self, make_store: MakeSessionStore) -> AsyncIterator[Any]:
        store = await make_store()
        yield store
        await self.opened(store).aclose()

    @pytest.fixture
    def touch(self, store: Any) -> Any:
        """Return the method `touch` of the store."""
        if not hasattr(store, "touch"):
            pytest.skip("touch() is optional, and this store does not have it")
        return store.touch

    def opened(self, store: SessionStore) -> AtomicStore:
        """Return the store as `session(store=...)` uses it."""
        return open_store(store)

    async def until_gone(self, store: SessionStore, sid: str) -> None:
        """Wait until a session has expired."""
        async with asyncio.timeout(60):
            while await store.get(sid) is not None:  # noqa: ASYNC110  # a store tells nobody
                await asyncio.sleep(0.02)

    @pytest.mark.parametrize("data", VALUES, ids=range(len(VALUES)))
    async def test_what_is_set_comes_back_unchanged(self, store: Any, data: dict[str, Any]) -> None:
        await store.set(sid := new_sid(), data, LONG)
        assert await store.get(sid) == data

    async def test_what_nobody_set_is_not_there(self, store: Any) -> None:
        assert await store.get(new_sid()) is None

    async def test_a_set_replaces_all_that_was_there(self, store: Any) -> None:
        await store.set(sid := new_sid(), {"a": 1, "b": 2}, LONG)
        await store.set(sid, {"b": 3}, LONG)
        assert await store.get(sid) == {"b": 3}

    async def test_sessions_do_not_touch_each_other(self, store: Any) -> None:
        sids = [new_sid() for _ in range(50)]
        await asyncio.gather(*(store.set(sid, {"sid": sid}, LONG) for sid in sids))
        await store.destroy(sids[0])
        found = await asyncio.gather(*(store.get(sid) for sid in sids))
        assert found == [None, *({"sid": sid} for sid in sids[1:])]

    async def test_upper_and_lower_case_are_different_sessions(self, store: Any) -> None:
        await store.set("a" * 43, {"case": "lower"}, LONG)
        await store.set("A" * 43, {"case": "upper"}, LONG)
        assert await store.get("a" * 43) == {"case": "lower"}

    async def test_what_is_destroyed_is_gone(self, store: Any) -> None:
        await store.set(sid := new_sid(), {"a": 1}, LONG)
        await store.destroy(sid)
        assert await store.get(sid) is None

    async def test_destroying_what_is_not_there_does_nothing(self, store: Any) -> None:
        await store.set(sid := new_sid(), {}, LONG)
        for _ in range(2):
            await store.destroy(sid)
        await store.destroy(new_sid())

    async def test_each_set_decides_how_long_a_session_lives(self, store: Any, touch: Any) -> None:
        shorter, longer = new_sid(), new_sid()
        await store.set(shorter, {"a": 1}, LONG)
        await store.set(longer, {"a": 1}, BRIEF)
        await store.set(longer, {"a": 1}, LONG)
        await store.set(shorter, {"a": 1}, BRIEF)
        await self.until_gone(store, shorter)
        assert await store.get(longer) == {"a": 1}

    async def test_a_touch_decides_how_long_a_session_lives(self, store: Any, touch: Any) -> None:
        shorter, longer = new_sid(), new_sid()
        await store.set(shorter, {"a": 1}, LONG)
        await store.set(longer, {"a": 1}, 60)
        await touch(longer, LONG + 0.5)
        await touch(shorter, BRIEF)
        assert await store.get(longer) == {"a": 1}
        await self.until_gone(store, shorter)

    async def test_a_touch_revives_nothing(self, store: Any, touch: Any) -> None:
        await store.set(sid := new_sid(), {"a": 1}, LONG)
        await store.destroy(sid)
        await touch(sid, LONG)
        assert await store.get(sid) is None

    async def test_parallel_requests_keep_the_changes_of_each_other(self, store: Any) -> None:
        opened = self.opened(store)
        await opened.create(key := new_key(), Change(), max_age=LONG)
        changes = [Change(set={f"field {number}": b"1"}) for number in range(20)]
        results = await asyncio.gather(*(opened.commit(key, change, max_age=LONG) for change in changes))
        assert all(isinstance(each, Committed) for each in results)
        assert await fields_of(opened, key) == {f"field {number}": b"1" for number in range(20)}

    async def test_a_request_that_is_late_revives_no_session(self, store: Any) -> None:
        opened = self.opened(store)
        await opened.create(key := new_key(), Change(set={"a": b"1"}), max_age=LONG)
        assert await opened.destroy(key) is True
        assert await opened.commit(key, Change(set={"b": b"2"}), max_age=LONG) is GONE
        assert await opened.load(key) is None
