"""The page about security: it is complete, and every test that it names is there."""

import re
from pathlib import Path

from tests.support.serving import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
SIZES = {"3.1": 1, "3.2": 3, "3.3": 5, "3.4": 8, "3.5": 8, "3.6": 1, "3.7": 5}
SIZES |= {"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2}
"""How many requirements the sections of OWASP ASVS 5.0 have."""

ROWS = re.findall(r"^\| (\d\.\d\.\d) \| (.+?) \| (.+?) \| (.*?) ?\|$", PAGE, re.MULTILINE)


def test_every_requirement_has_a_row() -> None:
    expected = [f"{section}.{number}" for section, size in SIZES.items() for number in range(1, size + 1)]
    assert [row[0] for row in ROWS] == expected


def test_what_kick_meets_is_shown_by_a_test() -> None:
    claimed = [row for row in ROWS if row[2].startswith(("default", "option")) and "there is none" not in row[2]]
    assert len(claimed) >= 30
    assert [number for number, _, _, tests in claimed if not tests] == []
    assert [number for number, _, met, _ in ROWS if not met.startswith(("default", "option", "application"))] == []


def test_every_test_that_is_named_is_there() -> None:
    sources = "\n".join(path.read_text() for path in sorted(Path(ROOT / "tests").rglob("test_*.py")))
    written = set(re.findall(r"def (test_\w+)\(", sources))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert sorted(named - written) == []
