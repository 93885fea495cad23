"""`python -m benchmarks`: time the rows, then write the page and the charts."""

from __future__ import annotations

import argparse
import shutil

from benchmarks import page, results
from benchmarks.contenders import contenders_named
from benchmarks.run import time_all
from benchmarks.work import rows_named

PROGRAMS = ("wrk", "redis-server", "taskset")


def main() -> None:
    """See `python -m benchmarks --help`."""
    given = _arguments()
    found = results.load()
    if not given.redraw:
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise SystemExit(f"Install {', '.join(missing)}: apt-get install wrk redis-server util-linux")
        time_all(found, rows_named(given.rows), contenders_named(given.only), given.rounds, given.seconds)
    page.write(found)
    print("\n".join(["", *page.goals(found)]))


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
