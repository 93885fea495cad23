"""`python -m benchmarks.races`: run the races on each library. `--write` puts the table into docs/sessions.md."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from httpx2 import ASGITransport, AsyncClient

from benchmarks.races.applications import PYTHON
from benchmarks.races.races import RACES, Open

PAGE: Final = Path(__file__).parents[2] / "docs" / "sessions.md"
EXPRESS: Final = Path(__file__).with_name("express.js")
MARKS: Final = ("<!-- races -->", "<!-- /races -->")
TIMES: Final = 3
"""A race passes if it does so each time."""

Results = dict[str, list[bool]]
"""The outcome of each race, by library."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the races."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.races")
    parser.add_argument("--write", action="store_true", help="put the table into docs/sessions.md")
    parser.add_argument("--node", default=None, help="a folder with express and express-session; node is on the path")
    options = parser.parse_args(arguments)
    results = asyncio.run(run_python())
    if options.node is not None:
        with served_by_node(Path(options.node)) as address:
            results["Express"] = asyncio.run(run_all(lambda: AsyncClient(base_url=address)))
    table = table_of(results)
    print(table)
    if options.write:
        text = PAGE.read_text()
        begin, _, rest = text.partition(MARKS[0])
        PAGE.write_text(f"{begin}{MARKS[0]}\n\n{table}\n\n{MARKS[1]}{rest.partition(MARKS[1])[2]}")
    return 0


async def run_python() -> Results:
    """Run the races on the libraries for Python."""
    return {name: await run_all(_browsers(make())) for name, make in PYTHON.items()}


async def run_all(browser: Open) -> list[bool]:
    """Run each race several times."""
    return [all([await race(browser) for _ in range(TIMES)]) for race in RACES.values()]


def _browsers(app: Any) -> Open:
    def browser() -> AsyncClient:
        return AsyncClient(transport=ASGITransport(app=app), base_url="https://testserver")

    return browser


def table_of(results: Results) -> str:
    """Return a Markdown table: a row for each race, a column for each library."""
    head = f"| | {' | '.join(results)} |\n|---|{'---|' * len(results)}"
    rows = [
        f"| {race} | {' | '.join('safe' if found[index] else '**lost**' for found in results.values())} |"
        for index, race in enumerate(RACES)
    ]
    return "\n".join([head, *rows])


@contextmanager
def served_by_node(packages: Path, node: str = "node") -> Iterator[str]:
    """Serve the application on Express; yield its address."""
    program = packages / EXPRESS.name
    program.write_bytes(EXPRESS.read_bytes())
    with subprocess.Popen([node, program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # PIPE
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
