"""`python -m benchmarks.growth`: time it all, and draw the lines."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import footprint, page, results
from benchmarks.growth.applications import keys, middleware, routes
from benchmarks.growth.clients import CLIENTS, clients, workers
from benchmarks.growth.stores import SESSIONS, memory, outside
from benchmarks.inprocess import run
from benchmarks.postgres import postgres
from benchmarks.results import Panel
from benchmarks.servers import redis, store_url


def _outside(most: int) -> list[Panel]:
    with tempfile.TemporaryDirectory() as name, redis(Path(name)), postgres(Path(name)):
        stores = {"SQLite": "sqlite", "Redis": "redis", "PostgreSQL": "postgres"}
        urls = {title: store_url(store, Path(name)) for title, store in stores.items()}
        urls["PostgreSQL"] += "&options=-csynchronous_commit%3Doff"  # else it is the disk that is timed
        panels: list[Panel] = run(outside(most, urls))
        return panels


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
        "outside": lambda: _outside(given.sessions),
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
