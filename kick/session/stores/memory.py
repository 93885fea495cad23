"""Sessions in the memory of one process: for development, tests, and applications of a single worker."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Collection, Iterator
from typing import Final, Literal, cast

import msgspec
from msgspec.structs import replace

from kick.clock import CLOCK, following
from kick.session.stores.base import (
    GONE,
    KEEP,
    REMEMBERED,
    TAKEN,
    Change,
    CommitResult,
    Committed,
    MoveResult,
    Record,
    Refused,
    Superseded,
)
from kick.session.stores.record_changes import committed, created, moved, touched

SWEEP_AT_ONCE: Final = 32
"""Due entries that one operation handles at most, so that no request pays for many that expired together.

One entry among a million takes 2 to 5 µs, mostly memory access. A create adds one entry, so a few are enough.
"""

SWEEP_PAUSE: Final = 0.01
"""Seconds between the sweeps of the timer while many entries are due."""

SWEEP_EVERY: Final = 60.0
"""Seconds between the sweeps of an idle process."""


class _Marker(msgspec.Struct, frozen=True):
    """The marker at a key whose session has moved away."""

    superseded: Superseded
    expires_at: float


class _Given(msgspec.Struct, frozen=True):
    """A clock that `MemoryStore` was given."""

    monotonic: Callable[[], float]


class MemoryStore:
    """An `AtomicStore` in a dictionary.

    Arguments:
        max_sessions: the number of sessions that are kept. If there are more, the one nearest to its expiry is removed:
            of the sessions without a principal, as long as there are any. So anonymous visitors cannot log users out.
            `on_eviction` is called with each removed key.
        clock: seconds that never go back. The default starts at the Unix time and follows the monotonic clock, so
            that setting the clock of the machine revives nothing. Either moves with `kick.clock`.

    Expired sessions are removed over time, also in an idle process. The cost depends on the number of expired
    sessions, not of stored ones.

    >>> import asyncio
    >>> store = MemoryStore(max_sessions=1000)
    >>> async def visit() -> bytes:
    ...     await store.create("key", Change(set={"n": b"1"}), max_age=60)
    ...     await store.commit("key", Change(increment={"n": 1}), max_age=60)
    ...     return (await store.load("key")).fields["n"]
    >>> asyncio.run(visit())
    b'2'
    """

    in_process: Final = True
    keeps_time: Final = True
    follows_clock: Final = True

    def __init__(self, *, max_sessions: int = 100_000, clock: Callable[[], float] | None = None) -> None:
        if max_sessions < 1:
            raise ValueError(f"max_sessions must be at least 1, not {max_sessions}")
        self.max_sessions = max_sessions
        # The Unix time of the start, and from there on as the monotonic clock goes.
        self._epoch = CLOCK.time() - CLOCK.monotonic() if clock is None else 0.0
        self._clock = CLOCK if clock is None else _Given(following(clock))
        self._entries: dict[str, Record | _Marker] = {}
        self._due: list[tuple[float, str]] = []
        self._anonymous: list[tuple[float, str]] = []
        self.on_eviction: Callable[[str], None] | None = None
        self._keys_of: dict[str, set[str]] = {}
        self._applications: dict[frozenset[str], float] = {}
        self._timer: tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle] | None = None

    def __len__(self) -> int:
        """Return the number of sessions and markers, including expired ones that are not removed yet."""
        return len(self._entries)

    def now(self) -> float:
        """Return the Unix time, in seconds, as it was at the start and has gone on since."""
        return self._clock.monotonic() + self._epoch

    async def load(self, key: str) -> Record | Superseded | None:
        """See `AtomicStore.load`."""
        entry = self._entries.get(key)
        now = self._clock.monotonic() + self._epoch
        if type(entry) is Record and entry.expires_at > now:
            return entry
        entry = self._live(key, now)
        return entry.superseded if type(entry) is _Marker else entry  # type: ignore[return-value]

    async def create(
        self, key: str, change: Change, *, max_age: float, absolute_max_age: float | None = None
    ) -> Committed | Literal[Refused.TAKEN]:
        """See `AtomicStore.create`."""
        now = self.now()
        self._sweep(now, SWEEP_AT_ONCE)
        if self._live(key, now) is not None:
            return TAKEN
        record, counters = created(change, now=now, max_age=max_age, absolute_max_age=absolute_max_age)
        self._make_room()
        self._put(key, record, None)
        return Committed(record.expires_at, counters)

    async def commit(self, key: str, change: Change, *, max_age: float) -> CommitResult:
        """See `AtomicStore.commit`."""
        now = self._clock.monotonic() + self._epoch
        entry = self._entries.get(key)
        if type(entry) is not Record or entry.expires_at <= now:
            gone = self._live(key, now)
            return GONE if gone is None else cast(_Marker, gone).superseded
        expires_at = now + max_age
        if entry.deadline is not None and entry.deadline < expires_at:  # as in `expiry`
            expires_at = entry.deadline
        if (
            expires_at >= entry.expires_at
            and change.principal is KEEP
            and not (change.increment or change.delete or change.expect)
        ):  # the usual case: neither the index nor the heap changes
            fields = {**entry.fields, **change.set}
            self._entries[key] = replace(entry, fields=fields, seen_at=now, expires_at=expires_at)
            return Committed(expires_at)
        result = committed(entry, change, now=now, max_age=max_age)
        if isinstance(result, Refused):
            return result
        changed, counters = result
        self._put(key, changed, entry)
        return Committed(changed.expires_at, counters)

    async def touch(self, key: str, *, max_age: float) -> bool:
        """See `AtomicStore.touch`."""
        now = self.now()
        record = self._live(key, now)
        if type(record) is not Record:
            return False
        self._put(key, touched(record, now=now, max_age=max_age), record)
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
        now = self.now()
        record = self._live(key, now)
        if record is None:
            return GONE
        if type(record) is _Marker:
            return record.superseded
        if self._live(new_key, now) is not None:
            return TAKEN
        assert type(record) is Record  # noqa: S101  # what the type checker cannot see
        after = moved(record, now=now, max_age=max_age, keep=keep, absolute_max_age=absolute_max_age)
        self._remove(key, record)
        self._put(new_key, after, None)
        self._put(key, _Marker(Superseded(successor), now + grace), None)
        return Committed(after.expires_at)

    async def destroy(self, key: str) -> bool | Superseded:
        """See `AtomicStore.destroy`."""
        entry = self._live(key, self.now())
        if type(entry) is _Marker:
            return entry.superseded
        if entry is not None:
            self._remove(key, entry)
        return entry is not None

    async def find(self, principal: str) -> list[tuple[str, Record]]:
        """See `AtomicStore.find`."""
        return list(self._find(principal))

    async def revoke(self, principal: str, *, keep: str | None = None) -> int:
        """See `AtomicStore.revoke`."""
        doomed = [(key, record) for key, record in self._find(principal) if key != keep]
        for key, record in doomed:
            self._remove(key, record)
        return len(doomed)

    async def recognize(self, secrets: frozenset[str], *, remember: bool = True) -> list[frozenset[str]]:
        """See `AtomicStore`."""
        now = self.now()
        if remember:
            self._applications[secrets] = now
        self._applications = {each: seen for each, seen in self._applications.items() if seen > now - REMEMBERED}
        return list(self._applications)

    async def purge(self) -> int:
        """See `AtomicStore.purge`."""
        return self._sweep(self.now(), None)

    async def aclose(self) -> None:
        """Stop the timer that frees expired sessions; the sessions stay."""
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None

    # The dictionary, the index by principal and the heap of expiries are changed together. The heap has one pair for
    # each entry, from its creation: if the expiry was prolonged since, this is noticed when the pair is due.

    def _live(self, key: str, now: float) -> Record | _Marker | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= now:
            self._remove(key, entry)
            return None
        return entry

    def _find(self, principal: str) -> Iterator[tuple[str, Record]]:
        now = self.now()
        for key in list(self._keys_of.get(principal, ())):
            record = self._live(key, now)
            if type(record) is Record:
                yield key, record

    def _put(self, key: str, entry: Record | _Marker, replaced: Record | None) -> None:
        before = replaced.principal if replaced is not None else None
        after = entry.principal if type(entry) is Record else None
        if before != after:
            self._forget_principal(key, before)
            if after is not None:
                self._keys_of.setdefault(after, set()).add(key)
        self._entries[key] = entry
        is_sooner = replaced is None or entry.expires_at < replaced.expires_at
        pair = entry.expires_at, key  # one object in both heaps, to save memory
        if after is None and (is_sooner or before is not None):
            heapq.heappush(self._anonymous, pair)
        if is_sooner:
            heapq.heappush(self._due, pair)
            self._thin_out()
            self._watch(entry.expires_at)

    def _remove(self, key: str, entry: Record | _Marker) -> None:
        del self._entries[key]
        if type(entry) is Record:
            self._forget_principal(key, entry.principal)
        self._thin_out()

    def _thin_out(self) -> None:
        """Remove the pairs of entries that are gone or end sooner now, when they are the larger part of the heap."""
        most = 2 * len(self._entries) + SWEEP_AT_ONCE
        if len(self._due) > most:
            self._due = [(entry.expires_at, key) for key, entry in self._entries.items()]
            heapq.heapify(self._due)
        if len(self._anonymous) > most:
            self._anonymous = [(entry.expires_at, key) for key, entry in self._entries.items() if not _is_owned(entry)]
            heapq.heapify(self._anonymous)

    def _forget_principal(self, key: str, principal: str | None) -> None:
        if principal is None:
            return
        keys = self._keys_of[principal]
        keys.discard(key)
        if not keys:
            del self._keys_of[principal]

    def _make_room(self) -> None:
        now = self.now()
        while len(self._entries) >= self.max_sessions:
            if self._anonymous and self._due[0][0] > now:
                due, key = heapq.heappop(self._anonymous)
                entry = self._entries.get(key)
                if entry is not None and not _is_owned(entry):
                    if entry.expires_at > due:
                        heapq.heappush(self._anonymous, (entry.expires_at, key))
                    else:
                        self._evict(key, entry)
                continue
            due, key = heapq.heappop(self._due)
            entry = self._entries.get(key)
            if entry is not None and now < entry.expires_at <= due:
                self._evict(key, entry)
            else:
                self._settle(due, key, due)

    def _evict(self, key: str, entry: Record | _Marker) -> None:
        self._remove(key, entry)
        if self.on_eviction is not None and type(entry) is Record:
            self.on_eviction(key)

    def _sweep(self, now: float, at_most: int | None) -> int:
        freed = 0
        seen = 0
        while self._due and self._due[0][0] <= now and (at_most is None or seen < at_most):
            due, key = heapq.heappop(self._due)
            freed += self._settle(due, key, now)
            seen += 1
        return freed

    def _settle(self, due: float, key: str, now: float) -> bool:
        """Remove the entry of a pair from the heap if it has expired, else put the pair back with its new expiry."""
        entry = self._entries.get(key)
        if entry is None:
            return False
        if entry.expires_at <= now or entry.expires_at <= due:
            self._remove(key, entry)
            return True
        heapq.heappush(self._due, (entry.expires_at, key))
        return False

    def _watch(self, expires_at: float, *, pause: float = 1.0) -> None:
        """Schedule a sweep for soon after the first entry is due, in case no request comes."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._timer is None or self._timer[0] is not loop:
            delay = min(max(expires_at - self.now(), pause), SWEEP_EVERY)
            self._timer = loop, loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self.now()
        self._sweep(now, SWEEP_AT_ONCE)
        if self._due:
            due = self._due[0][0]
            self._watch(due, pause=SWEEP_PAUSE if due <= now else 1.0)


def _is_owned(entry: Record | _Marker) -> bool:
    return type(entry) is Record and entry.principal is not None
