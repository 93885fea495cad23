"""Run a command several times while the machine is busy: two loops on each core compute without a pause.

    python -m tools.busy --times 3 -- make test

A test that fails here and passes elsewhere depends on the speed of the machine. The exit status is 1 if a run failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

LOOP: Final = "import os\nwhile os.getppid() == {parent}:\n    sum(range(100_000))"
"""It ends by itself when the process that started it is gone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, print how long each run took, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.busy", description="Run a command on a busy machine.")
    parser.add_argument("--times", type=int, default=1, help="how often")
    parser.add_argument("--loops", type=int, default=2 * (os.cpu_count() or 1), help="two for each core by default")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    failures = 0
    with _busy(options.loops):
        for number in range(1, options.times + 1):
            began = time.monotonic()
            status = subprocess.run(options.command, check=False).returncode
            failures += status != 0
            took = time.monotonic() - began
            print(
                f"run {number} of {options.times}: exit status {status} after {took:.0f} s, {options.loops} busy loops"
            )
    return min(failures, 1)


@contextmanager
def _busy(loops: int) -> Iterator[None]:
    code = LOOP.format(parent=os.getpid())
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(loops)]
    try:
        yield
    finally:
        for loop in started:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    sys.exit(main())
