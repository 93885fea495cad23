"""The timing of all rows: in each round, everyone in each row, raw ASGI first."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import results
from benchmarks.checks import WrongAnswerError, check, check_log, log_in
from benchmarks.contenders import RAW, Contender
from benchmarks.load import CONNECTIONS, FailedRequestsError, Timing, drive
from benchmarks.peers import refused
from benchmarks.postgres import postgres
from benchmarks.results import Results
from benchmarks.servers import DidNotStartError, redis, serving
from benchmarks.work import Work

PROBLEMS: Final = (DidNotStartError, WrongAnswerError, FailedRequestsError, OSError, subprocess.CalledProcessError)
SERVERS: Final = {"redis": redis, "postgres": postgres}
"""What keeps the sessions of a row, by the name of its store, where that is a server."""

GIVE_UP: Final = 2
"""After so many failures in a row of the table, a contender is not started for it any more."""


def time_one(contender: Contender, row: Work, folder: Path, seconds: float) -> Timing:
    """Start a contender, see that it answers as it should, and time it.

    Raises one of `PROBLEMS`.
    """
    reason = refused().get("node" if contender.server == "node" else contender.package)
    if reason is not None:
        raise DidNotStartError(f"not installed: {reason}")
    with serving(contender, row, folder) as process:
        if row.with_sessions:
            cookies = log_in(contender, row, CONNECTIONS)
        else:
            cookies = []
            check(row)
        timing = drive(row, cookies, folder, process, seconds=seconds)
        check_log(row, process.output)
    return timing


def time_all(
    found: Results, rows: Sequence[Work], contenders: Sequence[Contender], rounds: int, seconds: float
) -> None:
    """Fill in the figures. What there was of the same contenders and rows is replaced."""
    pairs = [(row, each) for row in rows for each in contenders if each.takes_part(row)]
    for row, contender in pairs:
        found.forget(row.name, contender.name)
    progress = Progress(len(pairs) * rounds)
    failures: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        for store in {row.store for row in rows} & SERVERS.keys():
            servers.enter_context(SERVERS[store](Path(name)))
        for number in range(rounds):
            for row in rows:
                part = [each for each in contenders if each.takes_part(row)]
                others = [each for each in part if each is not RAW]
                turn = number % len(others) if others else 0
                _round(found, row, [*others[turn:], *others[:turn]], Path(name), seconds, failures, progress)
            results.save(found)


def _round(
    found: Results,
    row: Work,
    others: Sequence[Contender],
    folder: Path,
    seconds: float,
    failures: Counter[tuple[str, str]],
    progress: Progress,
) -> None:
    base = time_one(RAW, row, folder, seconds)  # without it there is nothing to compare with
    for contender in (RAW, *others):
        key = (row.name, contender.name)
        try:
            if failures[key] >= GIVE_UP:
                continue
            timing = base if contender is RAW else time_one(contender, row, folder, seconds)
        except PROBLEMS as problem:
            failures[key] += 1
            found.absent.setdefault(row.name, {})[contender.name] = str(problem)
            progress.say(row, contender, str(problem))
            continue
        finally:
            progress.done += 1
        figure = found.figure(*key)
        figure.rates.append(timing.rate)
        figure.base.append(base.rate)
        figure.slowest.append(timing.slowest)
        figure.cpu.append(timing.cpu)
        figure.seconds = seconds
        figure.when = datetime.now(UTC).date().isoformat()
        found.absent.get(row.name, {}).pop(contender.name, None)
        progress.say(row, contender, f"{timing.rate:9,.0f}/s  {timing.rate / base.rate:5.2f}  {timing.cpu:6.1f} µs")


class Progress:
    """Says how far it is, and how long it may still take."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._began = time.monotonic()

    def say(self, row: Work, contender: Contender, text: str) -> None:
        """A line for a timing."""
        each = (time.monotonic() - self._began) / max(1, self.done)
        minutes = each * (self.total - self.done) / 60
        print(
            f"{self.done:4}/{self.total}  {minutes:4.1f} min left  {row.name:14} {contender.name:13} {text}",
            file=sys.stderr,
            flush=True,
        )
