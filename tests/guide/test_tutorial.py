"""The tutorial, followed literally: its files are written, its commands typed, and their output compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.reader import Reader
from tests.support.serving import ROOT

TUTORIAL = ROOT / "docs" / "tutorial"
LAST_PAGE = "deployment"


def pages() -> list[Path]:
    """The pages in their order: each names the next one."""
    found = [TUTORIAL / "README.md"]
    while following := re.search(r"^Next: \[.*\]\((.*)\)\.$", found[-1].read_text(), re.MULTILINE):
        found.append(TUTORIAL / following[1])
    return found


def test_each_page_is_in_the_chain() -> None:
    assert {page.name for page in pages()} == {page.name for page in TUTORIAL.glob("*.md")}
    assert pages()[-1].stem == LAST_PAGE


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    try:
        yield reader
    finally:
        reader.stop()


@pytest.mark.long
@pytest.mark.process
def test_the_tutorial_works_as_it_is_written(reader: Reader) -> None:
    for page in pages():
        reader.read(page)
    assert httpx2.get(f"http://localhost:{reader.port}/products").json()[0]["name"] == "Tea"
