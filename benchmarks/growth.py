"""`python -m benchmarks.growth`: how the cost of a request grows with what an application has and holds."""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks import footprint, page, results
from benchmarks.apps.setting import SECRET
from benchmarks.apps.with_kick import Plain
from benchmarks.checks import log_in
from benchmarks.contenders import KICK, RAW, Contender
from benchmarks.inprocess import cookie_of, microseconds, run, scope_of
from benchmarks.load import drive
from benchmarks.results import Panel
from benchmarks.servers import LOAD_CORE, SERVER_CORE, redis, serving, store_url
from benchmarks.work import ROWS, Work
from kick import App, Controller, Get, Module, RequestContext, bootstrap
from kick.http import cookie_parser
from kick.session import MemoryStore, session
from kick.session.store import AtomicStore, Change
from kick.session.stores.url import open_store

ROUTES: Final = (1, 10, 100, 1000, 10_000)
MIDDLEWARE: Final = (0, 5, 10, 15, 20)
SESSIONS: Final = (1_000, 10_000, 100_000, 1_000_000)
KEYS: Final = (1, 10, 100, 1000)
CLIENTS: Final = (1, 10, 100, 1000)
WORKERS: Final = (1, 2)
REPEAT: Final = 5
"""How often each point in process is timed; the least counts, for others on the machine can only add to it."""
LOOKS: Final = 2000
"""Sessions that are read, or added, for one timing."""
A_DAY: Final = 86_400.0
CHANGE: Final = Change(set={"user_id": b"7", "role": b'"editor"', "n": b"0"})

Points = list[tuple[float, float]]


async def _least(work: Callable[[], Any]) -> float:
    return float(min([await work() for _ in range(REPEAT)]))


# What an application has


def _many_routes(count: int) -> tuple[App, str, str]:
    """An application, a static path and one with a parameter, both of the last routes."""

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

    last = max(1, count // 2)
    app = bootstrap([Module("areas", controllers=[pair(number) for number in range(last)])])
    return app, f"/area{last - 1}/all", f"/area{last - 1}/42"


async def routes() -> list[Panel]:
    """A request, and the start, with more and more routes."""
    static: Points = []
    varying: Points = []
    starts: Points = []
    for count in ROUTES:
        began = time.perf_counter()
        app, fixed, one = _many_routes(count)
        starts.append((count, (time.perf_counter() - began) / len(app.routes) * 1e6))
        for points, path in ((static, fixed), (varying, one)):
            points.append((count, await _least(lambda app=app, path=path: microseconds(app, scope_of(path)))))
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
        points.append((count, await _least(lambda app=app: microseconds(app, scope_of("/json")))))
    return [Panel("Middleware that does nothing", "middleware", "µs", {"GET, JSON": points}, logarithmic=False)]


# What a session holds


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
            points.append((count, await _least(lambda app=app, scope=scope: microseconds(app, scope))))
        await app.aclose()
    lines = {"one is read": read, "one is changed": changed}
    return [Panel("Keys in a session, in memory", "keys", "µs", lines)]


# What a store holds


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def _key(number: int) -> str:
    return f"{number % 9973:04d}:{number:039d}"


async def _fill(store: AtomicStore, first: int, last: int, *, at_once: int = 1) -> None:
    """Add sessions; those of a store that is elsewhere go there several `at_once`."""
    if at_once == 1:
        for number in range(first, last):
            await store.create(_key(number), CHANGE, max_age=A_DAY)
        return
    for start in range(first, last, at_once):
        numbers = range(start, min(start + at_once, last))
        await asyncio.gather(*(store.create(_key(number), CHANGE, max_age=A_DAY) for number in numbers))


async def _reading(store: AtomicStore, count: int, looks: int = LOOKS) -> float:
    """Microseconds of a load, of sessions from all over the store."""
    step = max(1, count // looks)
    numbers = [number % count for number in range(0, looks * step, step)]
    began = time.perf_counter()
    for number in numbers:
        assert await store.load(_key(number)) is not None
    return (time.perf_counter() - began) / len(numbers) * 1e6


async def _adding(store: AtomicStore, numbers: Iterator[int]) -> float:
    """Microseconds of a create."""
    keys = [_key(number) for number in itertools.islice(numbers, LOOKS)]
    began = time.perf_counter()
    for key in keys:
        await store.create(key, CHANGE, max_age=A_DAY)
    return (time.perf_counter() - began) / LOOKS * 1e6


async def _expiring(store: MemoryStore, clock: Clock, numbers: Iterator[int]) -> tuple[float, float]:
    """Microseconds of a create while all that the store holds has expired and is freed bit by bit: mean and 99%."""
    clock.now += 2 * A_DAY
    times = []
    for number in itertools.islice(numbers, LOOKS):
        began = time.perf_counter()
        await store.create(_key(number), CHANGE, max_age=A_DAY)
        times.append((time.perf_counter() - began) * 1e6)
    return sum(times) / LOOKS, sorted(times)[LOOKS * 99 // 100]


async def memory(most: int) -> list[Panel]:
    """The memory store with more and more sessions."""
    read: Points = []
    added: Points = []
    mean: Points = []
    slow: Points = []
    sizes: Points = []
    for count in _up_to(most):
        sizes.append((count, await _bytes_each(count)))
        clock = Clock()
        store = MemoryStore(max_sessions=count * 2 + 1_000_000, clock=clock)
        await _fill(store, 0, count)
        numbers = itertools.count(10 * most)
        read.append((count, await _least(lambda store=store, count=count: _reading(store, count))))
        added.append((count, await _least(lambda store=store, numbers=numbers: _adding(store, numbers))))
        for points, found in zip((mean, slow), await _expiring(store, clock, numbers), strict=True):
            points.append((count, found))
        await store.aclose()
        del store
        gc.collect()
        print(f"  memory store, {count:,} sessions", flush=True)
    return [
        Panel("Sessions in memory: one operation", "sessions", "µs", {"load": read, "create": added}),
        Panel("Sessions in memory: a create, all have expired", "sessions", "µs", {"mean": mean, "99% within": slow}),
        Panel("Sessions in memory: size", "sessions", "bytes each", {"three keys": sizes}),
    ]


async def _bytes_each(count: int) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        store = MemoryStore(max_sessions=count)
        await _fill(store, 0, count)
        size, _ = tracemalloc.get_traced_memory()
        await store.aclose()
    finally:
        tracemalloc.stop()
    return size / count


async def outside(most: int) -> list[Panel]:
    """Reading from SQLite and Redis with more and more sessions."""
    lines: dict[str, Points] = {"SQLite": [], "Redis": []}
    with tempfile.TemporaryDirectory() as folder, redis(Path(folder)):
        for name, points in lines.items():
            store: Any = open_store(store_url(name.lower(), Path(folder)))
            held = 0
            for count in _up_to(most):
                await _fill(store, held, count, at_once=100)
                held = count
                points.append((count, await _least(lambda store=store, count=count: _reading(store, count, 500))))
                print(f"  {name}, {count:,} sessions", flush=True)
            await store.aclose()
    return [Panel("Sessions in SQLite and Redis: a load", "sessions", "µs", lines)]


def _up_to(most: int) -> list[int]:
    return [count for count in SESSIONS if count <= most]


# Who asks


def _row(name: str) -> Work:
    return next(row for row in ROWS if row.name == name)


def clients(seconds: float) -> list[Panel]:
    """Requests a second, and the slowest of them, with more and more connections at once."""
    rates: dict[str, Points] = {}
    for contender in (KICK, RAW):
        for name in ("json", "memory-read") if contender is KICK else ("json",):
            line = rates.setdefault(f"{contender.name}, {name}", [])
            for count in CLIENTS:
                line.append((count, _rate(contender, _row(name), seconds, connections=count)))
    return [Panel("Concurrent clients", "connections", "requests/s", rates)]


def workers(seconds: float) -> list[Panel]:
    """Requests a second with one and two workers, which share both cores with the load."""
    lines: dict[str, Points] = {}
    for contender in (KICK, RAW):
        for name in ("json", "sqlite-read") if contender is KICK else ("json",):
            cores = f"{SERVER_CORE},{LOAD_CORE}"
            lines[f"{contender.name}, {name}"] = [
                (count, _rate(contender, _row(name), seconds, workers=count, cores=cores)) for count in WORKERS
            ]
    note = "the load runs on the same two cores, so two workers cannot give twice as much."
    return [Panel("Workers", "workers", "requests/s", lines, logarithmic=False, note=note)]


def _rate(
    contender: Contender,
    row: Work,
    seconds: float,
    *,
    connections: int = 64,
    workers: int = 1,
    cores: str = SERVER_CORE,
) -> float:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        process = stack.enter_context(serving(contender, row, folder, workers=workers, cores=cores))
        time.sleep(0.5 if workers > 1 else 0)  # the port is open as soon as one of them listens
        cookies = log_in(contender, row, connections) if row.with_sessions else []
        core = cores if workers > 1 else LOAD_CORE
        return max(
            drive(row, cookies, folder, process, seconds=seconds, connections=connections, core=core).rate
            for _ in range(2)
        )


def main() -> None:
    """See `python -m benchmarks.growth --help`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--only", default="", help="routes, middleware, keys, memory, outside, clients, workers")
    parser.add_argument("--seconds", type=float, default=2, help="of load, for clients and workers (default: 2)")
    parser.add_argument("--sessions", type=int, default=SESSIONS[-1], help="at most so many (default: 1,000,000)")
    given = parser.parse_args()
    footprint.allow_files(max(CLIENTS) * 2)
    parts: dict[str, Callable[[], Sequence[Panel]]] = {
        "routes": lambda: run(routes()),
        "middleware": lambda: run(middleware()),
        "keys": lambda: run(keys()),
        "memory": lambda: run(memory(given.sessions)),
        "outside": lambda: run(outside(given.sessions)),
        "clients": lambda: clients(given.seconds),
        "workers": lambda: workers(given.seconds),
    }
    wanted = [word for word in given.only.split(",") if word]
    for name, part in parts.items():
        if wanted and name not in wanted:
            continue
        print(name, flush=True)
        panels = part()
        found = results.load()
        found.replace_panels(list(panels))
        results.save(found)
    page.write(results.load())


if __name__ == "__main__":
    main()
