"""`python -m benchmarks`: time the rows, then write the page and the charts."""

from __future__ import annotations

import argparse
import shutil
from typing import Final

from benchmarks import page, results
from benchmarks.contenders import contenders_named
from benchmarks.postgres import program
from benchmarks.run import time_all
from benchmarks.work import rows_named

PACKAGES: Final = {"redis": "redis-server", "postgres": "postgresql"}
"""Those of the servers that keep sessions, by the name of the store."""


def main() -> None:
    """See `python -m benchmarks --help`."""
    given = _arguments()
    found = results.load()
    if not given.redraw:
        rows = rows_named(given.rows)
        if missing := _missing({row.store for row in rows}):
            raise SystemExit(f"Install what is missing: apt-get install {' '.join(missing)}")
        time_all(found, rows, contenders_named(given.only), given.rounds, given.seconds)
    page.write(found)
    print("\n".join(["", *page.goals(found)]))


def _missing(stores: set[str]) -> list[str]:
    """The packages of programs that are not there."""
    programs = {
        "wrk": shutil.which("wrk"),
        "util-linux": shutil.which("taskset"),
        "redis-server": shutil.which("redis-server"),
        "postgresql": program("postgres"),
    }
    wanted = {"wrk", "util-linux", *(PACKAGES[store] for store in stores & PACKAGES.keys())}
    return sorted(name for name in wanted if programs[name] is None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everyone is timed (default: 5)")
    parser.add_argument("--seconds", type=float, default=2, help="of load, each time (default: 2)")
    parser.add_argument("--only", default="", help="contenders, separated by commas: kick,star")
    parser.add_argument("--rows", default="", help="rows, separated by commas: json,redis")
    parser.add_argument("--redraw", action="store_true", help="write the page and the charts of what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
