"""`python -m tests.chaos`: run chaos over stores, print the figures; the exit status is 1 if anything is wrong."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.run import run
from tests.chaos.stores import STORES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each store")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--every", type=float, default=6.0, help="seconds between faults")
    parser.add_argument("--stores", default=",".join(STORES))
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = secrets.randbits(31) if options.seed is None else options.seed
    click.echo(f"seed {seed}")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in options.stores.split(","):
            report = asyncio.run(
                run(
                    name,
                    Path(folder),
                    seconds=options.seconds,
                    clients=options.clients,
                    every=options.every,
                    seed=seed,
                )
            )
            click.echo(report)
            for problem in report.problems[:20]:
                click.echo(f"    {problem}")
            wrong += len(report.problems)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
