"""The races on other libraries: the table in docs/sessions.md is what happens."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from httpx2 import AsyncClient

from benchmarks.races.__main__ import MARKS, PAGE, run_all, served_by_node
from benchmarks.races.races import RACES
from tests.support.node.packages import NODE, packages
from tests.support.serving import ROOT

HERE = Path(__file__).parents[1] / "support" / "node" / "coming_from"


def written() -> dict[str, list[bool]]:
    """The table on the page, by library."""
    return rows_of(PAGE.read_text().partition(MARKS[0])[2].partition(MARKS[1])[0])


def rows_of(table: str) -> dict[str, list[bool]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
    head, _, *found = rows
    assert [row[0] for row in found] == list(RACES)
    return {name: [row[column] == "safe" for row in found] for column, name in enumerate(head) if name}


def test_the_readme_has_the_same_table() -> None:
    table = PAGE.read_text().partition(MARKS[0])[2].partition(MARKS[1])[0].strip()
    assert table in (ROOT / "README.md").read_text()


@pytest.mark.process
def test_the_table_says_what_happens_on_the_libraries_for_python() -> None:
    # A process of its own: Django can be set up once in a process.
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.races"]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    expected = written()
    del expected["Express"]
    assert rows_of(run.stdout) == expected
    assert all(expected["kick"])


@pytest.mark.nightly
@pytest.mark.process
async def test_the_table_says_what_happens_on_express(tmp_path: Path) -> None:
    installed = packages(HERE, ("package.json", "tsconfig.json"))
    shutil.copy(HERE / "package.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(installed / "node_modules")
    with served_by_node(tmp_path, str(NODE)) as address:
        assert await run_all(lambda: AsyncClient(base_url=address)) == written()["Express"]
