"""The limits of `rate_limit()` and `LoginLimit`, applied to one client after the other."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from kick.exceptions import ServiceUnavailable
from kick.middleware.rate_limit.options import OnError, Strategy

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.strategies import RateLimiter

    from kick.middleware.rate_limit.counters import Counters  # it imports limits

logger: Final = logging.getLogger("kick.http")


class Verdict(NamedTuple):
    """The result of counting a request: the seconds to wait if there are too many, and the headers."""

    wait: int | None
    headers: list[tuple[bytes, bytes]]


class Limiter:
    """Limits, and where they are counted: clients of one `scope` are counted together."""

    def __init__(
        self,
        limits: Iterable[RateLimitItem],
        counters: Counters,
        *,
        scope: str,
        name: str | None,
        strategy: Strategy = "sliding-window",
        on_error: OnError = "open",
    ) -> None:
        from limits.aio.strategies import STRATEGIES as LIMITERS

        kind = "sliding-window-counter" if strategy == "sliding-window" else strategy
        limiter: Callable[..., RateLimiter] = LIMITERS[kind]
        self._limiter = limiter(counters.storage)
        self._meanwhile = None if counters.meanwhile is None else limiter(counters.meanwhile)
        self._counters = counters
        self._timeout = counters.timeout
        self._closed = on_error == "closed"
        self._scope = f"{strategy} {scope}"  # each strategy has its own format in the store
        self._limits = [(item, _policy_name(item, name)) for item in limits]
        policies = [f'"{policy}";q={item.amount};w={item.get_expiry()}' for item, policy in self._limits]
        self._policy = (b"ratelimit-policy", ", ".join(policies).encode("ascii"))

    async def hit(self, key: str, *, cost: int = 1) -> Verdict | None:
        """Count a request. Returns `None` if the store fails and the request is accepted.

        Raises `ServiceUnavailable` if the store fails and such requests are rejected. Otherwise, this process counts
        them alone: a client that makes the store slow could have no limit.
        """
        try:
            if self._timeout is None:
                verdict = await self._count(self._limiter, key, cost)
            else:
                with anyio.fail_after(self._timeout):
                    verdict = await self._count(self._limiter, key, cost)
        except Exception as error:  # noqa: BLE001  # `on_error` decides for any failure of the store
            self._note_failure(error)
            if self._closed:
                raise ServiceUnavailable("Try again in a moment.", retry_after=1) from None
            if self._meanwhile is None:
                return None
            own = await self._count(self._meanwhile, key, cost)
            return None if own.wait is None else Verdict(own.wait, [])  # headers would be those of one process
        if self._counters.failing:
            self._counters.failing = False
            logger.warning("the store of rate_limit() works again")
        return verdict

    async def _count(self, limiter: RateLimiter, key: str, cost: int) -> Verdict:
        scope = self._scope
        told: list[str] = []
        wait: int | None = None
        for item, name in self._limits:
            allowed = await limiter.hit(item, scope, key, cost=cost)
            reset, remaining = await limiter.get_window_stats(item, scope, key)
            left = reset - time()  # by the clock that `limits` reads, also while a test has moved that of kick
            seconds = (
                math.ceil(left) if left > 0 else item.get_expiry()
            )  # the library returns 0 for a window that has just begun
            told.append(f'"{name}";r={max(0, remaining) if allowed else 0};t={seconds}')
            if not allowed:
                wait = seconds
                break
        return Verdict(wait, [self._policy, (b"ratelimit", ", ".join(told).encode("ascii"))])

    def _note_failure(self, error: Exception) -> None:
        """Log the first failure only, not that of each request."""
        if not self._counters.failing:
            self._counters.failing = True
            meanwhile = "refused" if self._closed else "counted by each process alone"
            logger.error("the store of rate_limit() failed; requests are %s", meanwhile, exc_info=error)


def _policy_name(item: RateLimitItem, name: str | None) -> str:
    unit = item.GRANULARITY.name
    text = f"{item.amount}/{unit}" if item.multiples == 1 else f"{item.amount}/{item.multiples} {unit}s"
    return text if name is None else f"{name} {text}"
