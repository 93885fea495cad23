"""`rate_limit()`: limits of the requests of a client, for the application or for a route."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from kick.errors import KickError
from kick.exceptions import TooManyRequests
from kick.http import CallNext, Description, Middleware, RequestContext, Response, Route, Settings
from kick.http.errors import middleware_order
from kick.middleware.cors import CorsLayer
from kick.middleware.own_response import own_response
from kick.middleware.proxies import has_ignored_headers
from kick.middleware.rate_limit import optional_types
from kick.middleware.rate_limit.clients import KEYS, KeyOf, plain_key
from kick.middleware.rate_limit.limiter import Limiter
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
    from kick.middleware.rate_limit.counters import Counters  # it imports limits


logger: Final = logging.getLogger("kick.http")


class RateLimitLayer(Middleware):
    """The middleware that `rate_limit()` returns. Each route has separate counters, unless the limit has a name."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.uses_session = options.uses_session
        self._shared: dict[str, Any] = {}
        self._number = 0
        self._opened: list[Counters] = []
        self._alone: RouteRateLimitLayer | None = None

    def configure(self, settings: Settings) -> None:
        """Keep the values that the limits of one application share: the connections, and their numbers."""
        self._shared = settings.shared
        self._number = self._shared["rate_limit"] = self._shared.get("rate_limit", -1) + 1

    def check(self, before: Sequence[Any], after: Sequence[Any]) -> list[KickError]:
        """Return the mistakes in its place among the middleware."""
        problems: list[KickError] = []
        if any(isinstance(layer, CorsLayer) for layer in after):
            problems.append(
                middleware_order(
                    "cors() is listed after rate_limit(): browsers could not read its 429, and preflights count.",
                    'cors(allow_origins=["https://app.example.com"]), rate_limit("100/minute")',
                )
            )
        if self.options.by_principal and not any(isinstance(layer, SessionLayer) for layer in before):
            problems.append(
                middleware_order(
                    'rate_limit(key="principal") needs session() before it, which has the principal.',
                    'session(secret=secret), rate_limit("100/minute", key="principal")',
                )
            )
        return problems

    def for_route(self, route: Route | None) -> RouteRateLimitLayer:
        """Return the limit of one route; a limit of the application is the same for all routes."""
        scope = f"app {self._number}"
        if route is not None:
            places = [index for index, layer in enumerate(route.middleware) if layer is self]
            method = "WEBSOCKET" if route.is_websocket else route.method
            scope = f"{method} {route.path} {places[0]}" if places else scope
        name = self.options.name
        limiter = Limiter(
            self.options.limits,
            self._counters(),
            scope=scope if name is None else f"name {name}",
            name=name,
            strategy=self.options.strategy,
            on_error=self.options.on_error,
        )
        return RouteRateLimitLayer(self.options, limiter)

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Count as a limit of the application, for chains that were composed by hand."""
        if self._alone is None:
            self._alone = self.for_route(None)
        return await self._alone(ctx, call_next)

    @property
    def is_in_process(self) -> bool:
        """True if the requests are counted in the memory of this process."""
        return self._counters().is_in_process

    async def aclose(self) -> None:
        """Close the store."""
        for counters in self._opened:
            await counters.aclose()

    def _counters(self) -> Counters:
        """Return the store, which is opened once for an application."""
        from kick.middleware.rate_limit.counters import open_counters

        store = self.options.store
        place = f"rate_limit {store if isinstance(store, str) else id(store)} {self.options.timeout}"
        if place not in self._shared:
            self._shared[place] = open_counters(store, timeout=self.options.timeout)
            self._opened.append(self._shared[place])
        counters: Counters = self._shared[place]
        return counters


class RouteRateLimitLayer(Middleware):
    """The limits of one `rate_limit()` at one position."""

    def __init__(self, options: Options, limiter: Limiter) -> None:
        self.uses_session = options.uses_session
        self._limiter = limiter
        self._key = options.key
        self._cost = options.cost
        self._is_closed = options.on_error == "closed"
        self._has_warned = False

    def describe(self, route: Route | None) -> Description:
        """Return its errors: 429, and 503 if a store that is down closes the application."""
        errors = {429: "Too many requests. `Retry-After` says when to try again."}
        if self._is_closed:
            errors[503] = "The store of the rate limit cannot be reached."
        return Description(errors=errors)

    async def __call__(self, ctx: RequestContext[Any], call_next: CallNext) -> Response:
        """Count the request; pass it on, or reject it."""
        key: Any = self._key(ctx)
        if type(key) is not str and isinstance(key, Awaitable):
            key = await key
        cost = self._cost if isinstance(self._cost, int) else await _cost_of(self._cost, ctx)
        if key is None or cost < 1:
            return await call_next(ctx)
        verdict = await self._limiter.hit(plain_key(str(key)), cost=cost)
        if verdict is None:
            return await call_next(ctx)
        if verdict.wait is not None:
            self._warn_of_proxies(ctx)
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

    def _warn_of_proxies(self, ctx: RequestContext[Any]) -> None:
        """Warn once if all clients of a proxy are probably counted as one."""
        if not self._has_warned and has_ignored_headers(ctx.scope):
            self._has_warned = True
            logger.warning(
                "rate_limit() refuses %s, which forwards requests and is not trusted. If it is your proxy, "
                "all of its clients are counted as one: see bootstrap(trusted_proxies=...) and KICK_TRUSTED_PROXIES",
                ctx.client_ip,
            )


def rate_limit(
    limits: str,
    *,
    key: Literal["ip", "site", "principal"] | KeyOf = "ip",
    store: str | optional_types.Storage | None = None,
    name: str | None = None,
    cost: int | CostOf = 1,
    strategy: Strategy = "sliding-window",
    on_error: OnError = "open",
    timeout: timedelta | float = 0.25,
) -> RateLimitLayer:
    """Middleware that responds with 429 to a client with too many requests, for an application or a route (`@Use`).

    Responses carry `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), a 429 `Retry-After`
    too (RFC 9110, section 10.2.3).

    Arguments:
        limits: a number of requests in a time, `"100/minute"`, or several: `"5/second; 100 per 2 hours"`.
        key: the requests that are counted together: `"ip"` (`ctx.client_ip`; of IPv6 the first 64 bits), `"site"` (of
            IPv6 the first 48 bits), `"principal"` (that of the session; the address for anonymous users), or a
            function of the context, `async` or not. Requests for which it returns `None` are not counted.
        store: `None` for the memory of this process, a URL (`redis://host:6379/0`), or an asynchronous storage of
            the library `limits`.
        name: limits with the same name share their counters. Without a name, each route and each `rate_limit()` has its
            own.
        cost: the number that a request counts as, or a function of the context that returns it; 0 is not counted.
        strategy: `"sliding-window"` weighs the last window (two numbers a client), `"fixed-window"` starts at 0 in
            each (up to twice as many around its end), `"moving-window"` is exact (one number a request).
        on_error: if the store fails, `"open"` lets each process count alone, and `"closed"` responds with 503.
        timeout: the time limit of the store, as a `timedelta` or in seconds.

    >>> limit = rate_limit("5/minute; 100/day", key=lambda ctx: ctx.headers.get("x-api-key"))
    >>> [str(each) for each in limit.options.limits]
    ['5 per 1 minute', '100 per 1 day']

    Raises `KickError` for an invalid limit or option, and `missing-extra` without the extra `limits`.
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
            uses_session=key not in ("ip", "site") or not isinstance(cost, int),
        )
    )


async def _cost_of(function: CostOf, ctx: RequestContext[Any]) -> int:
    cost = function(ctx)
    return await cost if isinstance(cost, Awaitable) else cost


def _tell(ctx: RequestContext[Any], response: Response | None, headers: list[tuple[bytes, bytes]]) -> None:
    """Add the headers to a response, or to any that is sent later. Another limit may have added its own already."""
    told = ctx.added_headers
    for name, value in headers:
        places = [index for index, (each, _) in enumerate(told) if each == name] if told is not None else []
        if told is not None and places:
            told[places[0]] = (name, told[places[0]][1] + b", " + value)
        elif response is not None:
            response.raw_headers.append((name, value))
        else:
            ctx.add_raw_header(name, value)
