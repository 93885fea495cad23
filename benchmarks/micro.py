"""`python -m benchmarks.micro`: what kick adds to a raw ASGI application, in process, without a server.

Microseconds are those of a request to kick less those of the same request to the raw application, which are timed in
turns of short batches; with `--instructions`, machine instructions as well, which valgrind counts and which do not
depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import footprint, page, results
from benchmarks.apps import with_kick, with_raw
from benchmarks.inprocess import ASGIApp, cookie_of, differences, requests, run, scope_of
from benchmarks.results import Sample
from benchmarks.servers import ROOT
from benchmarks.work import ORDER

FEW, MANY = 300, 1300
"""Requests of the two runs under valgrind; what they differ by is what the requests between them cost."""


@dataclass(frozen=True)
class Case:
    """A request to an application of `benchmarks.apps`, and the microseconds that it may cost over raw ASGI."""

    name: str
    variant: str
    path: str
    goal: float | None = None
    method: str = "GET"
    body: bytes = b""
    logged_in: bool = False

    async def request(self, app: ASGIApp) -> dict[str, Any]:
        """The scope, with the cookie of a session where there has to be one."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        cookie = [await cookie_of(app)] if self.logged_in else []
        return scope_of(self.path, method=self.method, headers=[*(headers if self.body else []), *cookie])


CASES: Final[dict[str, Case]] = {
    "json": Case("JSON route", "plain", "/json", 2.0),
    "param": Case("int path parameter, injected service", "plain", "/items/42"),
    "post": Case("JSON body into a type and back", "plain", "/orders", None, "POST", json.dumps(ORDER).encode()),
    "stream": Case("ten pieces from an async generator", "plain", "/stream"),
    "read": Case("cookie parser and memory session, read", "session", "/read", 8.0, logged_in=True),
    "change": Case("cookie parser and memory session, changed", "session", "/change", None, logged_in=True),
}


async def over_raw(rounds: int) -> list[Sample]:
    """What each case costs over the same request to the raw application."""
    samples = []
    for case in CASES.values():
        kick, raw = with_kick.make(case.variant), with_raw.make(case.variant)
        scope = await case.request(kick)
        values = await differences(kick, raw, scope, case.body, rounds=rounds)
        samples.append(Sample(f"{case.name}, over raw ASGI", "µs", values, case.goal))
        _say(samples[-1])
        await kick.aclose()
    return samples


# Instructions


async def serve(contender: str, name: str, count: int) -> None:
    """The process that valgrind watches: some requests, and the end."""
    case = CASES[name]
    kick = with_kick.make(case.variant)
    scope = await case.request(kick)
    await requests(kick if contender == "kick" else with_raw.make(case.variant), scope, case.body, count)


def instructions() -> list[Sample]:
    """Machine instructions of a request, in thousands, over those of the raw application."""
    runs = [(who, name, count) for name in CASES for who in ("raw", "kick") for count in (FEW, MANY)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = dict(zip(runs, pool.map(lambda each: _count(*each), runs), strict=True))
    samples = []
    for name, case in CASES.items():
        each = [(counted[who, name, MANY] - counted[who, name, FEW]) / (MANY - FEW) / 1000 for who in ("raw", "kick")]
        samples.append(Sample(f"{case.name}, over raw ASGI (instructions)", "thousand", [each[1] - each[0]]))
        _say(samples[-1])
    return samples


def _count(contender: str, name: str, count: int) -> int:
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable]
    command += ["-m", "benchmarks.micro", "--serve", contender, name, str(count)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    out = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stderr
    found = re.search(r"I *refs: *([\d,]+)", out)
    assert found is not None, out
    return int(found[1].replace(",", ""))


def _say(sample: Sample) -> None:
    print(
        f"{sample.median:10.2f} {sample.unit:10} ({min(sample.values):.2f} to {max(sample.values):.2f})  {sample.name}"
    )


def main() -> None:
    """See `python -m benchmarks.micro --help`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="of 5,000 requests each (default: 15)")
    parser.add_argument("--instructions", action="store_true", help="count them with valgrind (minutes)")
    parser.add_argument("--no-footprint", action="store_true", help="leave out import time and memory")
    parser.add_argument("--serve", nargs=3, metavar=("WHO", "CASE", "COUNT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        who, name, count = given.serve
        run(serve(who, name, int(count)))
        return
    samples = run(over_raw(given.rounds))
    steps: list[Callable[[], list[Sample]]] = [] if given.no_footprint else [footprint.measure]
    if given.instructions:
        if shutil.which("valgrind") is None:
            raise SystemExit("Install valgrind: apt-get install valgrind")
        steps.append(instructions)
    for step in steps:
        samples += step()
    found = results.load()
    found.replace_samples(samples)
    results.save(found)
    page.write(found)


if __name__ == "__main__":
    main()
