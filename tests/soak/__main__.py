"""`python -m tests.soak`: serve mixed traffic, print what the server holds; the exit status is 1 if it grew."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

import click

from tests.soak.run import ACTS, SETTLE, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seconds", type=float, default=1800.0, help="after the warm-up")
    parser.add_argument("--warm-up", type=float, default=None, help="120 seconds, or half of a short run")
    parser.add_argument("--visitors", type=int, default=40)
    parser.add_argument("--store", default="memory://", help="the URL of the store of the sessions")
    parser.add_argument("--most-growth", type=float, default=0.01, help="of the memory, as a part")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = secrets.randbits(31) if options.seed is None else options.seed
    click.echo(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(
            run(
                Path(folder) / "log",
                seconds=options.seconds,
                warm_up=min(120.0, options.seconds / 2) if options.warm_up is None else options.warm_up,
                acts=ACTS if options.seconds >= 300 else 0,
                settle=min(SETTLE, options.seconds / 4),
                visitors=options.visitors,
                most_growth=options.most_growth,
                seed=seed,
                store=options.store,
                say=click.echo,
            )
        )
        click.echo(report)
        for problem in report.problems[:20]:
            click.echo(f"    {problem}")
        return min(len(report.problems), 1)


if __name__ == "__main__":
    sys.exit(main())
