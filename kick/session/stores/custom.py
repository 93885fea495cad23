"""Adapter from a class with `get`, `set` and `destroy` to an `AtomicStore`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, NoReturn
from weakref import WeakValueDictionary

import msgspec
from msgspec.structs import replace

from kick.clock import CLOCK
from kick.session.errors import store_without_index
from kick.session.stores.base import (
    GONE,
    TAKEN,
    Change,
    CommitResult,
    Committed,
    MoveResult,
    Record,
    Refused,
    SessionStore,
    Superseded,
    check_times,
)
from kick.session.stores.record_changes import committed, created, moved, touched

logger: Final = logging.getLogger("kick.session")

_META: Final = "$kick"
"""The key in a stored dict for kick's own data: times, deadline, principal."""


LEAST_LIFE: Final = 1.0
"""The shortest `max_age` for `set` and `touch`, in seconds: databases refuse an expiry of 0."""


MOST_TOUCHES: Final = 10_000
"""The number of sessions whose last touch is remembered."""


class _Meta(msgspec.Struct, omit_defaults=True):
    created: float
    issued: float
    seen: float
    expires: float
    deadline: float | None = None
    principal: str | None = None
    superseded: bool = False
    successor: bytes | None = None


class BasicStore:
    """An `AtomicStore` on top of a `SessionStore`.

    Within this process, the operations on one session wait for each other, so all guarantees hold. Another process can
    write between the `get` and the `set` of a commit: then one of two commits can be lost, and a session that is
    destroyed in between can be revived. This window is as long as one round trip.

    Sessions cannot be found by principal here; `find` and `revoke` raise `session-store-no-index`.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._touch_of_store = getattr(store, "touch", None)
        self.follows_clock = self._touch_of_store is None  # else the class lets sessions expire by its own clock
        self.recognize: Any = getattr(store, "recognize", None)
        self.review: Any = getattr(store, "review", None)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._touched: dict[str, float] = {}

    async def load(self, key: str) -> Record | Superseded | None:
        """See `AtomicStore.load`."""
        found = await self._get(key)
        if isinstance(found, Record) and key in self._touched:
            return replace(found, seen_at=max(found.seen_at, self._touched[key]))
        return found

    async def create(
        self, key: str, change: Change, *, max_age: float, absolute_max_age: float | None = None
    ) -> Committed | Literal[Refused.TAKEN]:
        """See `AtomicStore.create`."""
        async with self._lock(key):
            if await self._get(key) is not None:
                return TAKEN
            now = CLOCK.time()
            record, counters = created(change, now=now, max_age=max_age, absolute_max_age=absolute_max_age)
            await self._set(key, record)
            return Committed(record.expires_at, counters)

    async def commit(self, key: str, change: Change, *, max_age: float) -> CommitResult:
        """See `AtomicStore.commit`."""
        async with self._lock(key):
            found = await self._get(key)
            if not isinstance(found, Record):
                return found or GONE
            result = committed(found, change, now=CLOCK.time(), max_age=max_age)
            if isinstance(result, Refused):
                return result
            record, counters = result
            await self._set(key, record)
            return Committed(record.expires_at, counters)

    async def touch(self, key: str, *, max_age: float) -> bool:
        """See `AtomicStore.touch`."""
        async with self._lock(key):
            found = await self._get(key)
            if not isinstance(found, Record):
                return False
            now = CLOCK.time()
            record = touched(found, now=now, max_age=max_age)
            if self._touch_of_store is not None:
                await self._touch_of_store(_sid(key), max(LEAST_LIFE, record.expires_at - now))
                self._remember_touch(key, now)
            else:
                await self._set(key, record)
            return True

    async def move(
        self,
        key: str,
        new_key: str,
        *,
        max_age: float,
        grace: float,
        keep: Collection[str] | None = None,
        successor: bytes | None = None,
        absolute_max_age: float | None = None,
    ) -> MoveResult:
        """See `AtomicStore.move`."""
        async with self._lock(key), self._lock(new_key):
            found = await self._get(key)
            if not isinstance(found, Record):
                return found or GONE
            if await self._get(new_key) is not None:
                return TAKEN
            now = CLOCK.time()
            record = moved(found, now=now, max_age=max_age, keep=keep, absolute_max_age=absolute_max_age)
            await self._put(key, {}, _Meta(now, now, now, now + grace, superseded=True, successor=successor))
            await self._set(new_key, record)
            return Committed(record.expires_at)

    async def destroy(self, key: str) -> bool | Superseded:
        """See `AtomicStore.destroy`."""
        async with self._lock(key):
            found = await self._get(key)
            if not isinstance(found, Record):
                return found or False
            await self._store.destroy(_sid(key))
            return True

    async def find(self, principal: str) -> Sequence[tuple[str, Record]]:
        """Raise `KickError` (`session-store-no-index`)."""
        self._refuse()

    async def revoke(self, principal: str, *, keep: str | None = None) -> int:
        """Raise `KickError` (`session-store-no-index`)."""
        self._refuse()

    async def purge(self) -> int:
        """Do nothing: the class removes expired sessions itself."""
        return 0

    async def aclose(self) -> None:
        """Close the class too, if it has a coroutine method `aclose`."""
        close = getattr(self._store, "aclose", None)
        if close is not None:
            await close()

    def _remember_touch(self, key: str, now: float) -> None:
        """Remember the time of a touch, which the class does not store, so that the next touch happens in time."""
        self._touched.pop(key, None)
        self._touched[key] = now
        if len(self._touched) > MOST_TOUCHES:
            del self._touched[next(iter(self._touched))]

    def _refuse(self) -> NoReturn:
        raise store_without_index(self._store)

    def _lock(self, key: str) -> asyncio.Lock:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    async def _get(self, key: str) -> Record | Superseded | None:
        data = await self._store.get(_sid(key))
        if data is None:
            return None
        try:
            meta = msgspec.convert(data[_META], _Meta)
            check_times(meta.created, meta.issued, meta.seen, meta.expires, meta.deadline)
            fields = {name: msgspec.json.encode(value) for name, value in data.items() if name != _META}
        except (KeyError, TypeError, AttributeError, ValueError) as error:  # msgspec.ValidationError is one
            logger.warning("a stored session cannot be read and is ignored: %s", error)
            return None
        ends_at = meta.expires if self._touch_of_store is None or meta.superseded else meta.deadline
        if ends_at is not None and ends_at <= CLOCK.time():
            return None
        if meta.superseded:
            return Superseded(meta.successor)
        return Record(fields, meta.created, meta.issued, meta.seen, meta.expires, meta.deadline, meta.principal)

    async def _set(self, key: str, record: Record) -> None:
        times = record.created_at, record.issued_at, record.seen_at, record.expires_at
        await self._put(key, record.fields, _Meta(*times, record.deadline, record.principal))

    async def _put(self, key: str, fields: Mapping[str, bytes], meta: _Meta) -> None:
        data: dict[str, Any] = {name: msgspec.json.decode(raw) for name, raw in fields.items()}
        data[_META] = msgspec.to_builtins(meta)
        await self._store.set(_sid(key), data, max(LEAST_LIFE, meta.expires - CLOCK.time()))


def _sid(key: str) -> str:
    return key.rpartition(":")[2]
