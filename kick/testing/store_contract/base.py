"""Shared parts of the contract tests: hooks, fixtures, keys, and the ways to end a session."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

import pytest

from kick.session.stores.base import AtomicStore, Change, Committed, Record

Result = TypeVar("Result")
MakeStore: TypeAlias = Callable[[], Awaitable[AtomicStore]]

LONG: Final = 3600.0
"""A lifetime in seconds that is longer than any test."""

ENDINGS: Final = ("never was", "destroyed", "expired", "revoked", "past its deadline", "past its grace")
"""The reasons why a key may be missing."""

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
"""Names that a store might truncate, confuse or fail to quote."""


def new_key(beside: str | None = None) -> str:
    """Return a key in the format of the engine, with the tag of `beside` if given, as in a move.

    >>> key = new_key()
    >>> new_key(beside=key)[:6] == key[:6], new_key(beside=key) == key
    (True, False)
    """
    tag = beside[1:5] if beside else secrets.token_urlsafe(3)
    return f"{{{tag}}}:{secrets.token_urlsafe(32)}"


async def fields_of(store: AtomicStore, key: str) -> dict[str, bytes] | None:
    """Return the fields of a record, or `None` if there is none or only a marker."""
    record = await store.load(key)
    return dict(record.fields) if isinstance(record, Record) else None


async def record_of(store: AtomicStore, key: str) -> Record:
    """Return the record of a key, which must exist."""
    record = await store.load(key)
    assert isinstance(record, Record)
    return record


async def started(store: AtomicStore, fields: Mapping[str, bytes] | None = None, **options: Any) -> str:
    """Create a session and return its key. It lives longer than the test, unless `options` say otherwise."""
    key = new_key()
    change = Change(set=fields or {}, principal=options.pop("principal", None))
    assert isinstance(await store.create(key, change, **{"max_age": LONG} | options), Committed)
    return key


async def keys_found(store: AtomicStore, principal: str) -> set[str]:
    """Return the keys of the live sessions of a principal."""
    found = await store.find(principal)
    assert len({key for key, _ in found}) == len(found)
    return {key for key, _ in found}


async def after_a_turn(operation: Awaitable[Result]) -> Result:
    """Run `operation` a little later than concurrent ones, and return its result."""
    await asyncio.sleep(0)
    return await operation


class StoreCase:
    """The hooks for the author of a store, and the fixtures of the tests."""

    pytestmark = pytest.mark.anyio
    controls_time: ClassVar[bool] = False
    moves_time: ClassVar[bool] = False
    short: ClassVar[float] = 0.5

    @property
    def brief(self) -> float:
        """The lifetime of a session that a test uses before it expires."""
        return self.short if self.controls_time else max(self.short, 1.5)

    async def in_time(self, begin: Callable[[float], Awaitable[Result | None]]) -> tuple[Result | None, float]:
        """Return the result of `begin(life)` and the lifetime, which is longer where a slow machine lets it run out.

        `None` is the result for a session that has ended. It is returned if its life was not over yet.
        """
        life = self.brief
        while True:
            began = time.monotonic()
            result = await begin(life)
            if result is not None or time.monotonic() - began < life:
                return result, life
            life *= 2

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass for the stores of this test."""
        await asyncio.sleep(seconds * 1.01 + 0.01)

    async def second_client(self, store: AtomicStore) -> AtomicStore:
        """Return another client of the data of `store`."""
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
        """Return a key that is missing for one of the reasons in `ENDINGS`."""
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
        """Return the old and the new key of a moved session."""
        old = await started(store, {"a": b"1"}, **options)
        new = new_key(old)
        moved = await store.move(old, new, max_age=LONG, grace=LONG, successor=successor)
        assert isinstance(moved, Committed)
        return old, new
