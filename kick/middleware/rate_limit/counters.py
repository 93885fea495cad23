"""Counters of `rate_limit()`: storages of the library `limits`, which the extra of this name installs."""

from __future__ import annotations

import time as machine
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, Final, TypeAlias

import msgspec
from limits.aio.storage import MemoryStorage, MovingWindowSupport, SlidingWindowCounterSupport, Storage

from kick import clock as process_clock

Clock: TypeAlias = Callable[[], float]

_LOOKED_AT: Final = 8

MAX_KEYS: Final = 100_000
"""The most clients that are counted in the memory of a process."""

_CONNECTIONS: Final = 32
"""The most connections of one process to Redis."""


class Window(msgspec.Struct, eq=False):
    """The counts of one client and one limit; times are those of the monotonic clock."""

    expires: float
    start: float = 0.0
    count: int = 0
    previous: int = 0
    entries: list[float] = []

    @property
    def weight(self) -> int:
        """The number of requests that it has counted."""
        return self.count + self.previous + len(self.entries)


class MemoryCounters(Storage, MovingWindowSupport, SlidingWindowCounterSupport):
    """Counters in the memory of this process.

    The memory storage of `limits` examines all clients with each request. This one examines two, which is enough to
    remove expired ones over time, and never holds more than `max_keys`.

    Arguments:
        max_keys: the most clients in memory.
        clock: measures windows, in seconds, independent of the time of the machine.
        wall: seconds since 1970, by the clock with which the strategies of `limits` describe the end of a window.
    """

    STORAGE_SCHEME = None

    def __init__(
        self, *, max_keys: int = MAX_KEYS, clock: Clock = process_clock.monotonic, wall: Clock = machine.time
    ) -> None:
        super().__init__()
        self._windows: OrderedDict[str, Window] = OrderedDict()
        self._max_keys = max_keys
        self._clock = clock
        self._wall = wall

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        """Exceptions of the storage: none."""
        return ValueError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count in a fixed window of `expiry` seconds, which begins with its first request."""
        now = self._clock()
        window = self._window(key, now, now + expiry)
        window.count += amount
        return window.count

    async def get(self, key: str) -> int:
        """Return the count of the fixed window."""
        window = self._live(key, self._clock())
        return 0 if window is None else window.count

    async def get_expiry(self, key: str) -> float:
        """Return the end of the fixed window."""
        now = self._clock()
        window = self._live(key, now)
        return self._wall() + (0.0 if window is None else window.expires - now)

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` requests, unless the last `expiry` seconds had too many."""
        now = self._clock()
        window = self._window(key, now, now + expiry)
        del window.entries[: bisect_right(window.entries, now - expiry)]
        if len(window.entries) + amount > limit:
            return False
        window.entries += [now] * amount
        window.expires = now + expiry
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return the time of the oldest request in the window, and how many there are."""
        now = self._clock()
        window = self._live(key, now)
        entries = [] if window is None else window.entries[bisect_right(window.entries, now - expiry) :]
        return (self._wall() + (entries[0] - now), len(entries)) if entries else (self._wall(), 0)

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount`, unless this window and the rest of the previous one have too many."""
        now = self._clock()
        window = self._slid(key, now, expiry)
        if window is None:
            window = self._window(key, now, now + 2 * expiry)
            window.start = now
        left = max(0.0, window.start + expiry - now)
        if int(window.previous * left / expiry + window.count) + amount > limit:
            return False
        window.count += amount
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the count of the previous window and the seconds for which it still counts; then those of this one."""
        now = self._clock()
        window = self._slid(key, now, expiry)
        if window is None:
            return 0, 0.0, 0, 0.0
        left = max(0.0, window.start + expiry - now)
        return window.previous, left if window.previous else 0.0, window.count, left + expiry

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Remove the client."""
        self._windows.pop(key, None)

    async def check(self) -> bool:
        """Return true: memory always works."""
        return True

    async def reset(self) -> int:
        """Remove all clients; return their number."""
        held = len(self._windows)
        self._windows.clear()
        return held

    async def clear(self, key: str) -> None:
        """Remove a client."""
        self._windows.pop(key, None)

    def _live(self, key: str, now: float) -> Window | None:
        window = self._windows.get(key)
        return None if window is None or window.expires <= now else window

    def _slid(self, key: str, now: float, expiry: float) -> Window | None:
        """Return the window at the time `now`, moved on from the previous one."""
        window = self._live(key, now)
        if window is not None and now >= window.start + expiry:
            window.start, window.previous, window.count = window.start + expiry, window.count, 0
            window.expires = window.start + 2 * expiry
        return window

    def _window(self, key: str, now: float, expires: float) -> Window:
        """Return the window of a key. For a new one, examine two others, and remove those that have expired."""
        window = self._live(key, now)
        if window is None:
            self._windows.pop(key, None)
            self._sweep(now)
            window = self._windows[key] = Window(expires)
        return window

    def _sweep(self, now: float) -> None:
        windows = self._windows
        for _ in range(min(2, len(windows))):
            key = next(iter(windows))
            if windows[key].expires <= now:
                del windows[key]
            else:
                windows.move_to_end(key)
        if len(windows) >= self._max_keys:
            self._make_room()

    def _make_room(self) -> None:
        """Forget, of a few clients, the one that has asked for the least.

        Whoever has used up a limit could otherwise push his own count out, with a request from each of many addresses.
        """
        windows = self._windows
        looked_at = list(islice(windows, _LOOKED_AT))
        for key in looked_at:
            windows.move_to_end(key)
        del windows[min(looked_at, key=lambda key: windows[key].weight)]


class Counters:
    """An open storage and the function that closes it. `timeout` is in seconds; `None` means that it never waits.

    `meanwhile` counts in the memory of this process while the storage fails. One that never waits has none.
    """

    def __init__(
        self, storage: Storage, *, timeout: float | None, aclose: Callable[[], Awaitable[None]] | None
    ) -> None:
        self.storage = storage
        self.timeout = timeout
        self.meanwhile = None if timeout is None else MemoryCounters()
        self.failing = False
        self._aclose = aclose

    @property
    def is_in_process(self) -> bool:
        """True if the counts are in the memory of this process."""
        return isinstance(self.storage, MemoryCounters | MemoryStorage)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._aclose is not None:
            await self._aclose()


def open_counters(store: Any, *, timeout: float) -> Counters:
    """Return the counters for `rate_limit(store=...)`; `None` means the memory of this process."""
    if store is None:
        return Counters(MemoryCounters(), timeout=None, aclose=None)
    if isinstance(store, Storage):
        return Counters(store, timeout=None if isinstance(store, MemoryCounters) else timeout, aclose=None)
    return _redis_counters(store, timeout=timeout)


def _redis_counters(url: str, *, timeout: float) -> Counters:
    from redis.asyncio import BlockingConnectionPool

    from kick.middleware.rate_limit.redis_counters import RedisCounters  # it imports redis

    # A request waits for a connection until its time limit, so a burst of requests is no failure of the store.
    pool = BlockingConnectionPool.from_url(
        url, max_connections=_CONNECTIONS, timeout=None, socket_connect_timeout=timeout
    )
    return Counters(RedisCounters(pool, key_prefix="kick:limit"), timeout=timeout, aclose=pool.aclose)
