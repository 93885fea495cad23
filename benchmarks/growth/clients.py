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
from benchmarks.load import drive
from benchmarks.results import Panel
from benchmarks.servers import LOAD_CORE, SERVER_CORE, serving
from benchmarks.work import ROWS, Work

CLIENTS: Final = (1, 10, 100, 1000)
WORKERS: Final = (1, 2)


def _row(name: str) -> Work:
    return next(row for row in ROWS if row.name == name)


def clients(seconds: float) -> list[Panel]:
    """Requests a second with more and more connections at once."""
    lines: dict[str, Points] = {}
    for count in CLIENTS:
        for contender, name in ((KICK, "json"), (KICK, "memory-read"), (RAW, "json")):
            rate = _rate(contender, _row(name), seconds, connections=count)
            lines.setdefault(f"{contender.name}, {name}", []).append((count, rate))
    return [Panel("Concurrent clients", "connections", "requests/s", lines)]


def workers(seconds: float) -> list[Panel]:
    """Requests a second with one and two workers, which share both cores with the load."""
    lines: dict[str, Points] = {}
    cores = f"{SERVER_CORE},{LOAD_CORE}"
    for count in WORKERS:
        for contender, name in ((KICK, "json"), (KICK, "sqlite-read"), (RAW, "json")):
            rate = _rate(contender, _row(name), seconds, workers=count, cores=cores)
            lines.setdefault(f"{contender.name}, {name}", []).append((count, rate))
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
