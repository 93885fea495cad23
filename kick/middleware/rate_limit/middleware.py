"""`rate_limit()`: at most so many requests a client, for the application or for a route."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import anyio

from kick import optional_types
from kick.errors import KickError
from kick.exceptions import ServiceUnavailable, TooManyRequests
from kick.http import CallNext, Middleware, RequestContext, Response, Route, Settings
from kick.http.errors import middleware_order
from kick.middleware.cors import CorsLayer
from kick.middleware.own_response import own_response
from kick.middleware.rate_limit.clients import KEYS, KeyOf, plain_key
from kick.middleware.rate_limit.options import (
    CostOf,
    OnError,
    Options,
    Strategy,
    check_cost,
    check_options,
    parse_limits,
)
from kick.middleware.session import SessionLayer

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.strategies import RateLimiter

    from kick.middleware.rate_limit.counters import Counters  # it imports limits

logger: Final = logging.getLogger("kick.http")


class Verdict(NamedTuple):
    """The result of counting a request: the seconds to wait if there are too many, and the headers."""

    wait: int | None
    headers: list[tuple[bytes, bytes]]


class RateLimitLayer(Middleware):
    """Middleware that `rate_limit()` returns; each route gets counters of its own from it, unless it has a name."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.uses_session = options.uses_session
        self._shared: dict[str, Any] = {}
        self._number = 0
        self._opened: list[Counters] = []
        self._alone: RouteRateLimitLayer | None = None

    def configure(self, settings: Settings) -> None:
        """Remember what the limits of one application have in common: the connections, and their numbers."""
        self._shared = settings.shared
        self._number = self._shared["rate_limit"] = self._shared.get("rate_limit", -1) + 1

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> list[KickError]:
        """Return the mistakes in its place among the middleware."""
        problems: list[KickError] = []
        if any(isinstance(layer, CorsLayer) for layer in after):
            problems.append(
                middleware_order(
                    "cors() stands after rate_limit(): browsers could not read its 429, and would be counted twice.",
                    'cors(allow_origins=["https://app.example.com"]), rate_limit("100/minute")',
                )
            )
        if self.options.by_principal and not any(isinstance(layer, SessionLayer) for layer in before):
            problems.append(
                middleware_order(
                    'rate_limit(key="principal") needs session() before it, which says whose request it is.',
                    'session(secret=secret), rate_limit("100/minute", key="principal")',
                )
            )
        return problems

    def for_route(self, route: Route | None) -> RouteRateLimitLayer:
        """Return the limit as it holds for one route, or, where it stands around the application, for all."""
        scope = f"app {self._number}"
        if route is not None:
            places = [index for index, layer in enumerate(route.middleware) if layer is self]
            method = "WEBSOCKET" if route.is_websocket else route.method
            scope = f"{method} {route.path} {places[0]}" if places else scope
        name = self.options.name
        return RouteRateLimitLayer(self.options, scope if name is None else f"name {name}", self._counters())

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Count as for a whole application: this is for chains that are composed by hand."""
        if self._alone is None:
            self._alone = self.for_route(None)
        return await self._alone(ctx, call_next)

    async def aclose(self) -> None:
        """Close the store."""
        for counters in self._opened:
            await counters.aclose()

    def _counters(self) -> Counters:
        """Return the store, opened once an application."""
        from kick.middleware.rate_limit.counters import open_counters

        store = self.options.store
        place = f"rate_limit {store if isinstance(store, str) else id(store)} {self.options.timeout}"
        if place not in self._shared:
            self._shared[place] = open_counters(store, timeout=self.options.timeout)
            self._opened.append(self._shared[place])
        counters: Counters = self._shared[place]
        return counters


class RouteRateLimitLayer(Middleware):
    """The limits of one `rate_limit()` in one place."""

    def __init__(self, options: Options, scope: str, counters: Counters) -> None:
        from limits.aio.strategies import STRATEGIES as LIMITERS

        self.uses_session = options.uses_session
        kind = "sliding-window-counter" if options.strategy == "sliding-window" else options.strategy
        limiter: Callable[..., RateLimiter] = LIMITERS[kind]
        self._limiter = limiter(counters.storage)
        self._counters = counters
        self._timeout = counters.timeout
        self._closed = options.on_error == "closed"
        self._scope = f"{options.strategy} {scope}"  # what one strategy has stored, another cannot read
        self._key = options.key
        self._cost = options.cost
        self._limits = [(item, _policy_name(item, options.name)) for item in options.limits]
        policies = [f'"{name}";q={item.amount};w={item.get_expiry()}' for item, name in self._limits]
        self._policy = (b"ratelimit-policy", ", ".join(policies).encode("ascii"))

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Count the request; hand it on, or refuse it."""
        key: Any = self._key(ctx)
        if type(key) is not str and isinstance(key, Awaitable):
            key = await key
        cost = self._cost if isinstance(self._cost, int) else await _cost_of(self._cost, ctx)
        if key is None or cost < 1:
            return await call_next(ctx)
        verdict = await self._verdict(plain_key(str(key)), cost)
        if verdict is None:
            return await call_next(ctx)
        if verdict.wait is not None:
            _tell(ctx, None, verdict.headers)
            raise TooManyRequests(f"Too many requests. Try again in {verdict.wait} s.", retry_after=verdict.wait)
        try:
            response = await call_next(ctx)
        except Exception:
            _tell(ctx, None, verdict.headers)
            raise
        mine = own_response(ctx, response)
        if mine is None:
            return response
        _tell(ctx, mine, verdict.headers)
        return mine

    async def _verdict(self, key: str, cost: int) -> Verdict | None:
        """Count the request. Returns `None` where the store failed, and requests are let through then."""
        try:
            if self._timeout is None:
                verdict = await self._count(key, cost)
            else:
                with anyio.fail_after(self._timeout):
                    verdict = await self._count(key, cost)
        except Exception as error:  # noqa: BLE001  # whatever it is, the policy for a store that is down says what follows
            self._note_failure(error)
            if self._closed:
                raise ServiceUnavailable("Try again in a moment.", retry_after=1) from None
            return None
        if self._counters.failing:
            self._counters.failing = False
            logger.warning("the store of rate_limit() works again")
        return verdict

    async def _count(self, key: str, cost: int) -> Verdict:
        limiter, scope = self._limiter, self._scope
        told: list[str] = []
        wait: int | None = None
        for item, name in self._limits:
            allowed = await limiter.hit(item, scope, key, cost=cost)
            reset, remaining = await limiter.get_window_stats(item, scope, key)
            left = reset - time.time()
            seconds = math.ceil(left) if left > 0 else item.get_expiry()  # the library reads a window just begun as 0
            told.append(f'"{name}";r={max(0, remaining) if allowed else 0};t={seconds}')
            if not allowed:
                wait = seconds
                break
        return Verdict(wait, [self._policy, (b"ratelimit", ", ".join(told).encode("ascii"))])

    def _note_failure(self, error: Exception) -> None:
        """One entry in the log when it begins, not one for each request."""
        if not self._counters.failing:
            self._counters.failing = True
            meanwhile = "refused" if self._closed else "let through without a limit"
            logger.error("the store of rate_limit() failed; requests are %s", meanwhile, exc_info=error)


def rate_limit(
    limits: str,
    *,
    key: Literal["ip", "principal"] | KeyOf = "ip",
    store: str | optional_types.Storage | None = None,
    name: str | None = None,
    cost: int | CostOf = 1,
    strategy: Strategy = "sliding-window",
    on_error: OnError = "open",
    timeout: timedelta | float = 0.25,
) -> RateLimitLayer:
    """Middleware that answers 429 to a client that asks too often: for an application, or for a route with `@Use`.

    Responses carry `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), a 429 `Retry-After`
    too (RFC 9110, section 10.2.3).

    Arguments:
        limits: how many in what time, `"100/minute"`; several `"5/second; 100 per 2 hours"`, all of which hold.
        key: whose requests are counted together: `"ip"` (`ctx.client_ip`; of IPv6 the first 64 bits), `"principal"`
            (that of the session; the address where nobody is logged in), or a function of the context, `async` or
            not. Requests for which it returns `None` are not counted.
        store: `None` for the memory of this process, a URL (`redis://host:6379/0`), or an asynchronous storage of
            the library `limits`.
        name: limits of one name share their counters. Without, each route and each `rate_limit()` counts by itself.
        cost: how much a request counts, or a function of the context that says so; 0 is not counted.
        strategy: `"sliding-window"` weighs the last window (two numbers a client), `"fixed-window"` starts at 0 in
            each (up to twice as many around its end), `"moving-window"` is exact (one number a request).
        on_error: when the store fails, `"open"` lets requests through and `"closed"` answers 503.
        timeout: how long the store may take, a `timedelta` or seconds.

    >>> limit = rate_limit("5/minute; 100/day", key=lambda ctx: ctx.headers.get("x-api-key"))
    >>> [str(each) for each in limit.options.limits]
    ['5 per 1 minute', '100 per 1 day']

    Raises `KickError` for a text that is no limit and an option that makes no sense, `missing-extra` without the
    extra `limits`.
    """
    items = parse_limits(limits)
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    check_options(key, store, name, strategy, on_error, seconds)
    check_cost(cost, min(item.amount for item in items))
    return RateLimitLayer(
        Options(
            limits=items,
            key=KEYS[key] if isinstance(key, str) else key,
            store=None if store == "memory://" else store,
            name=name,
            cost=cost,
            strategy=strategy,
            on_error=on_error,
            timeout=seconds,
            by_principal=key == "principal",
            uses_session=key != "ip" or not isinstance(cost, int),
        )
    )


async def _cost_of(function: CostOf, ctx: RequestContext[Any]) -> int:
    cost = function(ctx)
    return await cost if isinstance(cost, Awaitable) else cost


def _policy_name(item: RateLimitItem, name: str | None) -> str:
    unit = item.GRANULARITY.name
    text = f"{item.amount}/{unit}" if item.multiples == 1 else f"{item.amount}/{item.multiples} {unit}s"
    return text if name is None else f"{name} {text}"


def _tell(ctx: RequestContext[Any], response: Response | None, headers: list[tuple[bytes, bytes]]) -> None:
    """Add the headers to a response, or to whichever there will be; another limit may have told its own already."""
    told = ctx.added_headers
    for name, value in headers:
        places = [index for index, (each, _) in enumerate(told) if each == name] if told is not None else []
        if told is not None and places:
            told[places[0]] = (name, told[places[0]][1] + b", " + value)
        elif response is not None:
            response.raw_headers.append((name, value))
        else:
            ctx.add_raw_header(name, value)
