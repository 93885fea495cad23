"""Counters of `rate_limit()` in Redis, which follow `kick.clock`."""

from __future__ import annotations

import math
import time as machine
from typing import Any, Final

from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.bridge import RedisBridge
from redis.asyncio import ConnectionPool, Redis

from kick.clock import CLOCK, Move

_AGED: Final = """
local shift, stands_at = tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])
local mark = KEYS[#KEYS] .. '/moved'

local function set(command, key, number)
  redis.call(command, key, string.format('%%.0f', number))
end

local function offset()
  if not stands_at then
    return shift
  end
  local now, far = mark .. '/now', 32503680000000
  redis.call('SET', now, '')
  set('PEXPIREAT', now, far)
  local left = redis.call('PTTL', now) -- TIME may differ by a millisecond
  redis.call('DEL', now)
  return stands_at - far + left
end

local function prolong(milliseconds)
  local longest = 0
  for _, key in ipairs(KEYS) do
    local left = redis.call('PTTL', key)
    if left >= 0 then
      left = left + milliseconds
      set('PEXPIRE', key, left)
      longest = math.max(longest, left)
    end
  end
  return longest
end

prolong((tonumber(redis.call('GET', mark)) or 0) - offset())
local function count()
%s
end
local counted = count()
local reserve = stands_at and 600000 or 0
local longest = prolong(reserve)
if longest > 0 then
  set('SET', mark, offset() - reserve) -- asked for again: a script that takes time makes no life longer
  set('PEXPIRE', mark, longest)
end
return counted
"""
"""A script around another one, for a clock that is `shift` milliseconds ahead, or stands still.

Redis lets keys expire by its own clock. So the script shortens their lives by the time that the clock was moved since
the last call, and notes the offset beside them. While the clock stands still they live longer than they should, and the
next call takes that back.
"""

_COUNT: Final = "return redis.call('GET', KEYS[1])"
_LEFT: Final = "return redis.call('PTTL', KEYS[1])"


class RedisCounters(RedisStorage):
    """The Redis storage of `limits`. While a test has moved the clock, its scripts run inside one that follows it."""

    def __init__(self, pool: ConnectionPool, *, key_prefix: str) -> None:
        options: dict[str, Any] = {"connection_pool": pool}
        super().__init__("async+redis://", implementation="redispy", key_prefix=key_prefix, **options)
        self._redis: Any = Redis(connection_pool=pool)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in a fixed window of `expiry` seconds."""
        if (moved := CLOCK.moved) is None:
            return await super().incr(key, expiry, amount)
        return int(await self._aged(moved, RedisBridge.SCRIPT_INCR_EXPIRE, [key], expiry, amount))

    async def get(self, key: str) -> int:
        """Return the count of the fixed window."""
        if (moved := CLOCK.moved) is None:
            return await super().get(key)
        return int(await self._aged(moved, _COUNT, [key]) or 0)

    async def get_expiry(self, key: str) -> float:
        """Return the end of the fixed window, by the clock of the machine."""
        if (moved := CLOCK.moved) is None:
            return await super().get_expiry(key)
        return machine.time() + max(0, int(await self._aged(moved, _LEFT, [key]))) / 1000

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` requests, unless the last `expiry` seconds had too many."""
        if (moved := CLOCK.moved) is None:
            return await super().acquire_entry(key, limit, expiry, amount)
        script = RedisBridge.SCRIPT_ACQUIRE_MOVING_WINDOW
        return bool(await self._aged(moved, script, [key], _shown(CLOCK.time()), limit, expiry, amount))

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return the time of the oldest request in the window, by the clock of the machine, and how many there are."""
        if (moved := CLOCK.moved) is None:
            return await super().get_moving_window(key, limit, expiry)
        now = CLOCK.time()
        window = await self._aged(moved, RedisBridge.SCRIPT_MOVING_WINDOW, [key], _shown(now - expiry), limit)
        oldest, held = (float(window[0]), int(window[1])) if window else (now, 0)
        return machine.time() + (oldest - now), held

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount`, unless this window and the rest of the previous one have too many."""
        if (moved := CLOCK.moved) is None:
            return await super().acquire_sliding_window_entry(key, limit, expiry, amount)
        script = RedisBridge.SCRIPT_ACQUIRE_SLIDING_WINDOW
        return bool(await self._aged(moved, script, _windows(key), limit, expiry, amount))

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the count of the previous window and the seconds for which it still counts; then those of this one."""
        if (moved := CLOCK.moved) is None:
            return await super().get_sliding_window(key, expiry)
        found = await self._aged(moved, RedisBridge.SCRIPT_SLIDING_WINDOW, _windows(key), expiry)
        before, before_left, count, left = (max(0, int(each or 0)) for each in found)
        return before, before_left / 1000, count, left / 1000

    async def _aged(self, moved: Move, script: str | bytes, keys: list[str], *arguments: Any) -> Any:
        """Run a script with the clock moved."""
        text = script.decode() if isinstance(script, bytes) else script
        shift = f"{moved.shift * 1000:.0f}"
        stands_at = "" if moved.frozen_at is None else f"{moved.frozen_at * 1000:.0f}"
        names = [self.bridge.prefixed_key(key) for key in keys]
        return await self._redis.eval(_AGED % text, len(names), *names, *arguments, shift, stands_at)


def _shown(time: float) -> str:
    """Return a time with as many digits as Lua shows of it, so that no request seems to be later than it was.

    >>> _shown(1_800_000_000.12349)
    '1800000000.1234'
    """
    return f"{math.floor(time * 10_000) / 10_000:.4f}"


def _windows(key: str) -> list[str]:
    """Return the keys of the previous window and of the present one: those of `limits`."""
    return [f"{{{key}}}/-1", f"{{{key}}}"]
