"""The table in docs/sessions.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_every_test_that_the_table_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/sessions.md").read_text()))
    folders = [ROOT / "tests/session", ROOT / "kick/testing/store_contract"]
    sources = [path.read_text() for folder in folders for path in folder.rglob("*.py")]
    defined = {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}
    assert len(named) > 60
    assert named - defined == set()
