"""More and more clients at once, and one or two workers."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.checks import log_in
from benchmarks.contenders import KICK, RAW, Contender
from benchmarks.growth.points import Points
from benchmarks.load import Timing, drive
from benchmarks.results import Panel
from benchmarks.servers import LOAD_CORE, SERVER_CORE, serving
from benchmarks.work import ROWS, Work

CLIENTS: Final = (1, 10, 100, 1000)
WORKERS: Final = (1, 2)


def _row(name: str) -> Work:
    return next(row for row in ROWS if row.name == name)


def clients(seconds: float) -> list[Panel]:
    """Requests a second, and what each takes, with more and more connections at once."""
    rates: dict[str, Points] = {}
    costs: dict[str, Points] = {}
    for count in CLIENTS:
        for contender, name in ((KICK, "json"), (KICK, "memory-read"), (RAW, "json")):
            timing = _timed(contender, _row(name), seconds, connections=count)
            rates.setdefault(f"{contender.name}, {name}", []).append((count, timing.rate))
            costs.setdefault(f"{contender.name}, {name}", []).append((count, timing.cpu))
    few = "grows until the core of the server is busy; a single client waits for each response"
    many = (
        "falls with the number of requests that are read together; rises when the connections no longer fit into the "
        "processor caches"
    )
    return [
        Panel("Concurrent clients", "connections", "requests/s", rates, note=few),
        Panel("Concurrent clients: processor time of a request", "connections", "µs", costs, note=many),
    ]


def workers(seconds: float) -> list[Panel]:
    """The same with one and two workers, which share both cores with the load."""
    rates: dict[str, Points] = {}
    costs: dict[str, Points] = {}
    cores = f"{SERVER_CORE},{LOAD_CORE}"
    for count in WORKERS:
        for contender, name in ((KICK, "json"), (KICK, "sqlite-read"), (RAW, "json")):
            timing = _timed(contender, _row(name), seconds, workers=count, cores=cores)
            rates.setdefault(f"{contender.name}, {name}", []).append((count, timing.rate))
            costs.setdefault(f"{contender.name}, {name}", []).append((count, timing.cpu))
    shared = "less than twice as much, because the load generator uses the same two cores"
    flat = "constant: workers share only the database of the sessions"
    return [
        Panel("Workers", "workers", "requests/s", rates, logarithmic=False, note=shared),
        Panel("Workers: processor time of a request", "workers", "µs", costs, logarithmic=False, note=flat),
    ]


def _timed(
    contender: Contender,
    row: Work,
    seconds: float,
    *,
    connections: int = 64,
    workers: int = 1,
    cores: str = SERVER_CORE,
) -> Timing:
    """The quickest of two timings."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        process = stack.enter_context(serving(contender, row, folder, workers=workers, cores=cores))
        time.sleep(2 if workers > 1 else 0)  # the port is open before they are there
        cookies = log_in(contender, row, connections) if row.with_sessions else []
        core = cores if workers > 1 else LOAD_CORE
        timings = [
            drive(row, cookies, folder, process, seconds=seconds, connections=connections, core=core) for _ in range(2)
        ]
        return max(timings, key=lambda each: each.rate)
