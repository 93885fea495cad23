"""`python -m benchmarks.latency`: the slowest hundredth of the responses under half of the highest load.

For each row: the most requests a second that kick answers, then raw ASGI and kick at half of that, with 64 clients who
ask at random times. The ratio of their 99th percentiles is that of the same round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.checks import check, log_in
from benchmarks.contenders import KICK, RAW, Contender
from benchmarks.load import CONNECTIONS, Timing, drive
from benchmarks.postgres import postgres
from benchmarks.servers import redis, serving
from benchmarks.work import Work, rows_named

MOST: Final = 1.5
"""The ratio to raw ASGI that is to be kept."""


def main() -> None:
    """See `python -m benchmarks.latency --help`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--rows", default="", help="rows, separated by commas: json,redis")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of load, each time")
    given = parser.parse_args()
    rows = rows_named(given.rows)
    print("| | requests/s | raw ASGI, 99% within | kick, 99% within | ratio (at most 1.5) |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name, redis(Path(name)), postgres(Path(name)):
        for row in rows:
            print(_line(row, Path(name), given.rounds, given.seconds), flush=True)


def _line(row: Work, folder: Path, rounds: int, seconds: float) -> str:
    rate = _timed(KICK, row, folder, seconds, None).rate / 2
    raw: list[float] = []
    kick: list[float] = []
    for _ in range(rounds):
        raw.append(_timed(RAW, row, folder, seconds, rate).slowest)
        kick.append(_timed(KICK, row, folder, seconds, rate).slowest)
    ratio = statistics.median(mine / theirs for mine, theirs in zip(kick, raw, strict=True))
    missed = "" if ratio <= MOST else " (missed)"
    slowest = f"{statistics.median(raw):.2f} ms | {statistics.median(kick):.2f} ms"
    return f"| {row.title} | {rate:,.0f} | {slowest} | {ratio:.2f}{missed} |"


def _timed(contender: Contender, row: Work, folder: Path, seconds: float, rate: float | None) -> Timing:
    with serving(contender, row, folder) as process:
        cookies = log_in(contender, row, CONNECTIONS) if row.with_sessions else []
        if not cookies:
            check(row)
        return drive(row, cookies, folder, process, seconds=seconds, rate=rate)


if __name__ == "__main__":
    main()
