"""Every block of Python in every page of the guide runs; what the applications do is shown by one test file a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guide.pages import GUIDE, blocks, names_of

PAGES = sorted(page.name for page in GUIDE.glob("*.md"))
HEADINGS = [(page, heading) for page in PAGES for heading in dict.fromkeys(under for under, _ in blocks(page))]


@pytest.mark.parametrize(("page", "heading"), HEADINGS)
def test_what_stands_under_the_heading_runs(
    page: str, heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # what a block writes is not left lying about
    assert names_of(page, heading)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_a_test_file(page: str) -> None:
    name = "start" if page == "README.md" else page.removesuffix(".md").replace("-", "_")
    assert (Path(__file__).parent / f"test_{name}.py").exists()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_named_on_the_first(page: str) -> None:
    assert page == "README.md" or f"({page})" in (GUIDE / "README.md").read_text()
