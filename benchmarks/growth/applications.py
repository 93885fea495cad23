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
MIDDLEWARE: Final = (0, 5, 10, 15, 20)
KEYS: Final = (1, 10, 100, 1000)


def _controllers(count: int) -> list[type]:
    """Two routes a controller: a static path, and one with a parameter."""

    def pair(number: int) -> type:
        class Area:
            @Get("/all")
            async def all(self) -> dict[str, int]:
                return {"route": number}

            @Get("/{item}")
            async def one(self, item: int) -> dict[str, int]:
                return {"route": item}

        Area.__name__ = Area.__qualname__ = f"Area{number}"
        return Controller(f"/area{number}")(Area)

    return [pair(number) for number in range(max(1, count // 2))]


def _started(controllers: Sequence[type]) -> tuple[App, float]:
    """An application, and the microseconds that `bootstrap()` took for each of its routes."""
    began = time.perf_counter()
    app = bootstrap([Module("areas", controllers=controllers)])
    return app, (time.perf_counter() - began) / len(app.routes) * 1e6


async def routes() -> list[Panel]:
    """A request, and the start, with more and more routes."""
    static: Points = []
    varying: Points = []
    starts: Points = []
    for count in ROUTES:
        controllers = _controllers(count)
        app, each = _started(controllers)
        if count >= 10:  # fewer show only what every start costs
            starts.append((count, min(each, *(_started(controllers)[1] for _ in range(2)))))
        area = f"/area{len(controllers) - 1}"
        for points, path in ((static, f"{area}/all"), (varying, f"{area}/42")):
            points.append((count, await least(partial(microseconds, app, scope_of(path)))))
    return [
        Panel("Routes: a request to the last one", "routes", "µs", {"static path": static, "int parameter": varying}),
        Panel("Routes: the start, two routes a controller", "routes", "µs a route", {"bootstrap()": starts}),
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
    return [Panel("Middleware that does nothing", "middleware", "µs", {"GET, JSON": points}, logarithmic=False)]


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
    return [Panel("Keys in a session, in memory", "keys", "µs", lines)]
