"""Options of `rate_limit()`, and their checks."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from kick.errors import KickError, missing_extra, without_secrets
from kick.http import RequestContext
from kick.middleware.rate_limit.clients import KeyOf

if TYPE_CHECKING:
    from limits import RateLimitItem

CostOf: TypeAlias = Callable[[RequestContext[Any]], int | Awaitable[int]]
Strategy: TypeAlias = Literal["sliding-window", "fixed-window", "moving-window"]
OnError: TypeAlias = Literal["open", "closed"]


STRATEGIES: Final = ("sliding-window", "fixed-window", "moving-window")
SCHEMES: Final = ("memory://", "redis://", "rediss://", "unix://")

_LARGEST: Final = 10**15 - 1
"""The largest integer of a structured field (RFC 9651, section 3.3.1)."""

_has_no_window: Final = re.compile(r"(?:/|per)\s*0+\s*[a-z]", re.IGNORECASE).search
"""The library reads `5/0 minutes` as one minute."""

_is_name: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}").fullmatch


def bad_rate_limit(given: object, reason: str) -> KickError:
    """Return the error of an invalid limit."""
    return KickError(
        "rate-limit",
        cause=f"rate_limit({given!r}): {reason}.",
        fix='Write a number and a time: `rate_limit("100/minute")`, or several: `"5/second; 100/hour"`.',
    )


def bad_rate_limit_option(option: str, given: object, expected: str, example: str) -> KickError:
    """Return the error of an invalid option of `rate_limit()`."""
    return KickError(
        "rate-limit-option",
        cause=f"rate_limit({option}={given!r}) is not {expected}.",
        fix=f'Write, for example, `rate_limit("100/minute", {example})`.',
    )


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `rate_limit()`."""

    limits: tuple[RateLimitItem, ...]
    key: KeyOf
    store: Any
    name: str | None
    cost: int | CostOf
    strategy: Strategy
    on_error: OnError
    timeout: float
    by_principal: bool
    uses_session: bool
    """True if the key or the cost may come from the session."""


def parse_limits(text: object) -> tuple[RateLimitItem, ...]:
    """Return the limits in a text.

    >>> [each.get_expiry() for each in parse_limits("5/second; 100 per 2 hours")]
    [1, 7200]
    """
    try:
        from limits import parse_many
    except ModuleNotFoundError:
        raise missing_extra("rate_limit()", "limits", "limits") from None
    if not isinstance(text, str) or len(text) > 200:
        raise bad_rate_limit(text, "this is not a text such as 100/minute")
    try:
        items = parse_many(text)
    except ValueError:
        raise bad_rate_limit(text, "that is no limit") from None
    if _has_no_window(text):
        raise bad_rate_limit(text, "a window of no time")
    if any(item.amount < 1 or item.get_expiry() < 1 for item in items):
        raise bad_rate_limit(text, "no request would be accepted")
    if any(max(item.amount, item.get_expiry()) > _LARGEST for item in items):
        raise bad_rate_limit(text, f"the headers allow no number above {_LARGEST}")
    return tuple(items)


def check_options(key: Any, store: Any, name: Any, strategy: Any, on_error: Any, timeout: Any) -> None:
    """Raise `rate-limit-option` for an invalid option."""
    if not (key in ("ip", "site", "principal") if isinstance(key, str) else callable(key)):
        raise bad_rate_limit_option("key", key, '"ip", "site", "principal" or a function of the context', 'key="ip"')
    if name is not None and not (isinstance(name, str) and _is_name(name)):
        raise bad_rate_limit_option("name", name, "a name of letters, digits and _.:-", 'name="login"')
    if strategy not in STRATEGIES:
        raise bad_rate_limit_option("strategy", strategy, f"one of {', '.join(STRATEGIES)}", 'strategy="fixed-window"')
    if on_error not in ("open", "closed"):
        raise bad_rate_limit_option("on_error", on_error, '"open" or "closed"', 'on_error="closed"')
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
        raise bad_rate_limit_option("timeout", timeout, "a number of seconds above 0", "timeout=0.25")
    _check_store(store, strategy)


def _check_store(store: Any, strategy: Strategy) -> None:
    from limits.aio.storage import MovingWindowSupport, SlidingWindowCounterSupport, Storage

    example = 'store="memory://"'
    if store is None:
        return
    if isinstance(store, str):
        if not store.startswith(SCHEMES):
            scheme, mark, _ = store.partition("://")
            shown = f"{scheme}://..." if mark else without_secrets(store)
            raise bad_rate_limit_option("store", shown, f"one of {', '.join(SCHEMES)}", example)
        if store != "memory://":
            _require_redis(store)
        return
    needed = {"sliding-window": SlidingWindowCounterSupport, "moving-window": MovingWindowSupport}
    if not isinstance(store, Storage):
        raise bad_rate_limit_option("store", store, "a URL or an asynchronous storage of `limits`", example)
    if not isinstance(store, needed.get(strategy, Storage)):
        raise bad_rate_limit_option("store", store, f"a storage that can do {strategy}", 'strategy="fixed-window"')


def _require_redis(url: str) -> None:
    try:
        urlsplit(url).port  # noqa: B018  # raises for what is no port
    except ValueError:  # its text may quote a part of the password
        shown = without_secrets(url)
        raise bad_rate_limit_option("store", shown, "a URL of Redis", 'store="redis://localhost:6379/0"') from None
    try:
        import redis  # noqa: F401
    except ModuleNotFoundError:
        raise missing_extra(f"rate_limit(store={url.partition('://')[0] + '://...'!r})", "redis", "redis") from None


def check_cost(cost: Any, smallest: int) -> None:
    """Raise `rate-limit-option` for a cost above `smallest`, the smallest limit."""
    if callable(cost):
        return
    if isinstance(cost, bool) or not isinstance(cost, int) or not 0 < cost <= smallest:
        raise bad_rate_limit_option("cost", cost, f"a function, or a number from 1 to {smallest}", "cost=1")
