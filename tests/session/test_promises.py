"""The table in docs/sessions.md has a row for each promise, and names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ROW = re.compile(r"^\| ([1-7](?:\.[1-9])?) \| (.+?) \| (`test_.+) \|$", re.MULTILINE)

PAGE = (ROOT / "docs/sessions.md").read_text()

PROMISES = ROW.findall(PAGE)
"""Number, promise and tests of each row."""


def defined() -> set[str]:
    folders = [ROOT / "tests", ROOT / "kick/testing/store_contract"]
    sources = [path.read_text() for folder in folders for path in folder.rglob("*.py")]
    return {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}


def named() -> set[str]:
    return {*re.findall(r"`(test_\w+)`", PAGE)}


def test_every_test_that_the_table_names_exists() -> None:
    assert len(named()) > 150
    assert named() - defined() == set()


def test_every_section_and_every_numbered_promise_has_its_row() -> None:
    numbers = {number for number, _, _ in PROMISES}
    assert numbers == {"1", "2", "3", "4", "5", "6", "7", *(f"5.{number}" for number in range(1, 9))}
    assert len({promise for _, promise, _ in PROMISES}) == len(PROMISES)


def test_every_numbered_promise_has_tests_named_for_it_and_the_table_names_them_all() -> None:
    for number in (f"5.{number}" for number in range(1, 8)):
        prefix = f"test_{number.replace('.', '_')}_"
        ours = {name for name in defined() if name.startswith(prefix)}
        (tests,) = [tests for each, _, tests in PROMISES if each == number]
        assert ours
        assert ours - set(re.findall(r"`(test_\w+)`", tests)) == set()


def test_the_promises_of_stores_have_a_column_for_each_and_tests_in_each_row() -> None:
    section = PAGE.partition("\n## What each store promises\n")[2].partition("\n## ")[0]
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    assert header == ["promise", "memory", "SQLite", "Redis", "PostgreSQL", "own", "tests"]
    assert len(rows) > 10
    for row in rows:
        assert len(row) == len(header), row
        assert all(row), row
        assert set(re.findall(r"`(test_\w+)`", row[-1])) & defined(), row
