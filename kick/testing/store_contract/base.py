"""What the tests of the contract have in common: hooks, fixtures, keys and the ways for a session to end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

import pytest

from kick.session.stores.base import AtomicStore, Change, Committed, Record

Result = TypeVar("Result")
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


async def after_a_turn(operation: Awaitable[Result]) -> Result:
    """What `operation` gives, begun a little later than those beside it."""
    await asyncio.sleep(0)
    return await operation


class StoreCase:
    """What the author of a store fills in, and what the tests are made from."""

    pytestmark = pytest.mark.anyio
    controls_time: ClassVar[bool] = False
    moves_time: ClassVar[bool] = False
    short: ClassVar[float] = 0.5

    @property
    def brief(self) -> float:
        """The life of a session with which a test has something to do before it is over."""
        return self.short if self.controls_time else max(self.short, 1.5)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass for the stores of this test."""
        await asyncio.sleep(seconds * 1.01 + 0.01)

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        """Another client of the data of `store`."""
        return store

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def make_store(self) -> MakeStore:
        pytest.fail("the subclass of StoreContract has to define the fixture `make_store`", pytrace=False)

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
