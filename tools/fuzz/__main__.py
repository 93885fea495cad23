"""`python -m tools.fuzz`: feed each parser with mutated inputs, and measure how its time grows with their length.

    python -m tools.fuzz --inputs 1000000
    python -m tools.fuzz --only cookie,json --seed 7

It prints a row for each parser. The exit status is 1 if an input raised, or if a time grew faster than allowed; the
input is then in build/fuzz, to be added to tests/corpus together with a test.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.fuzz.growth import MOST_GROWTH, growth_of
from tools.fuzz.run import Failure, fuzz
from tools.fuzz.targets import targets

ROOT: Final = Path(__file__).parents[2]
FOUND: Final = ROOT / "build" / "fuzz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the parsers, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description="Fuzz the parsers.")
    parser.add_argument("--inputs", type=int, default=20_000, help="inputs for each parser")
    parser.add_argument("--only", default="", help="names of parsers, separated by commas")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    options = parser.parse_args(arguments)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    wanted = set(filter(None, options.only.split(",")))
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it logs each malformed body
    failures = asyncio.run(_run(options.inputs, wanted, seed))
    for failure in failures:
        FOUND.mkdir(parents=True, exist_ok=True)
        (FOUND / failure.name).write_bytes(failure.data)
        print(f"{failure.target}: {failure.reason}\n    {failure.data[:200]!r} is in {FOUND / failure.name}")
    return min(len(failures), 1)


async def _run(inputs: int, wanted: set[str], seed: int) -> list[Failure]:
    print(f"seed {seed}, {inputs:,} inputs for each parser, processor time")
    print(f"{'parser':<22}{'inputs':>12}{'seconds':>10}{'µs each':>10}{'64 KiB / 1 KiB':>18}")
    failures: list[Failure] = []
    async with targets() as found:
        unknown = wanted - {target.name for target in found}
        if unknown:
            raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(each.name for each in found)}")
        for target in found:
            if wanted and target.name not in wanted:
                continue
            result = await fuzz(target, inputs, seed)
            growth, shape = await growth_of(target)
            failures += result.failures
            if growth > MOST_GROWTH:
                failures.append(Failure(target.name, f"64 KiB take {growth:.0f} times as long as 1 KiB", shape))
            each = 1e6 * result.seconds / max(1, result.inputs)
            print(
                f"{target.name:<22}{result.inputs:>12,}{result.seconds:>10.1f}{each:>10.1f}{growth:>18.1f}", flush=True
            )
    return failures


if __name__ == "__main__":
    sys.exit(main())
