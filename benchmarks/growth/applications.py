"""Routes, middleware, and keys of a session."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from benchmarks.apps.setting import SECRET
from benchmarks.apps.with_kick import Plain
from benchmarks.growth.points import Points, least
from benchmarks.inprocess import cookie_of, microseconds, scope_of
from benchmarks.results import Panel
from kick import App, Controller, Get, Module, RequestContext, bootstrap
from kick.http import cookie_parser
from kick.session import MemoryStore, session

ROUTES: Final = (1, 10, 100, 1000, 10_000)
STARTS: Final = 3
"""How often an application is started; the quickest counts."""
MIDDLEWARE: Final = (0, 5, 10, 15, 20)
KEYS: Final = (1, 10, 100, 1000)


def _static(number: int) -> type:
    class Area:
        @Get("/all")
        async def all(self) -> dict[str, int]:
            return {"route": number}

    return _controller(Area, number)


def _varying(number: int) -> type:
    class Area:
        @Get("/{item}")
        async def one(self, item: int) -> dict[str, int]:
            return {"route": item}

    return _controller(Area, number)


def _controller(area: type, number: int) -> type:
    area.__name__ = area.__qualname__ = f"Area{number}"
    return Controller(f"/area{number}")(area)


def _started(controllers: Sequence[type]) -> tuple[App, float]:
    """An application, and the microseconds that `bootstrap()` took for each of its routes."""
    began = time.perf_counter()
    app = bootstrap([Module("areas", controllers=controllers)])
    return app, (time.perf_counter() - began) / len(app.routes) * 1e6


async def routes() -> list[Panel]:
    """A request, and the start, with more and more routes, each with a controller of its own."""
    requests: dict[str, Points] = {}
    starts: dict[str, Points] = {}
    for name, make, end in (("static paths", _static, "all"), ("int parameters", _varying, "42")):
        for count in ROUTES:
            controllers = [make(number) for number in range(count)]
            found = [_started(controllers) for _ in range(STARTS)]
            if count >= 10:  # fewer show only what every start costs
                starts.setdefault(name, []).append((count, min(each for _, each in found)))
            scope = scope_of(f"/area{count - 1}/{end}")
            time_of = partial(microseconds, found[-1][0], scope)
            requests.setdefault(name, []).append((count, await least(time_of)))
    return [
        Panel("Routes: a request to the last one", "routes", "µs", requests, note="constant: one or two look-ups"),
        Panel("Routes: the start, a controller for each", "routes", "µs a route", starts, note="constant"),
    ]


async def middleware() -> list[Panel]:
    """A request through more and more middleware that does nothing."""

    def copy() -> Any:
        async def layer(ctx: RequestContext, call_next: Any) -> Any:
            return await call_next(ctx)

        return layer

    points: Points = []
    for count in MIDDLEWARE:
        app = bootstrap([Module("plain", controllers=[Plain])], [copy() for _ in range(count)])
        points.append((count, await least(partial(microseconds, app, scope_of("/json")))))
    lines = {"GET, JSON": points}
    note = "linear: one call and one `await` for each"
    return [Panel("Middleware that does nothing", "middleware", "µs", lines, logarithmic=False, note=note)]


@Controller("")
class Drawers:
    @Get("/fill/{count}")
    async def fill(self, ctx: RequestContext, count: int) -> dict[str, int]:
        ctx.session.data.update({f"key{number}": {"number": number} for number in range(count)})
        return {"count": count}

    @Get("/one")
    async def one(self, ctx: RequestContext) -> dict[str, object]:
        return {"found": ctx.session.data["key0"]}

    @Get("/change")
    async def change(self, ctx: RequestContext) -> dict[str, object]:
        ctx.session.data["key0"] = {"number": time.perf_counter()}
        return {}


async def keys() -> list[Panel]:
    """A request that reads, or changes, one key of many."""
    read: Points = []
    changed: Points = []
    for count in KEYS:
        app = bootstrap(
            [Module("drawers", controllers=[Drawers])],
            [cookie_parser(), session(SECRET, save_uninitialized=False, store=MemoryStore())],
        )
        cookie = await cookie_of(app, f"/fill/{count}")
        for points, path in ((read, "/one"), (changed, "/change")):
            scope = scope_of(path, headers=[cookie])
            points.append((count, await least(partial(microseconds, app, scope))))
        await app.aclose()
    lines = {"one is read": read, "one is changed": changed}
    note = "constant for a read, which decodes one key; linear for a change, which copies all keys"
    return [Panel("Keys in a session, in memory", "keys", "µs", lines, note=note)]
