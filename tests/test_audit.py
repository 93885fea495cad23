"""`make audit`: what pip-audit writes, and what becomes of it."""

import json
from typing import Any

import pytest

from tools.audit import outcome

SOUND: dict[str, Any] = {"name": "anyio", "version": "4.16.0", "vulns": []}
FLAWED: dict[str, Any] = {
    "name": "jinja2",
    "version": "2.10",
    "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"], "aliases": [], "description": "A sandbox escape."}],
}
UNMENDED = {**FLAWED, "vulns": [{**FLAWED["vulns"][0], "fix_versions": []}]}
UNKNOWN = {"name": "private", "skip_reason": "Dependency not found on PyPI and could not be audited: private (1.0)"}


@pytest.mark.parametrize(
    ("dependencies", "last", "code"),
    [
        ([SOUND], "audit: 1 of 1 pinned dependencies, 0 known vulnerabilities", 0),
        ([SOUND, UNKNOWN], "audit: 1 of 2 pinned dependencies, 0 known vulnerabilities", 0),
        ([FLAWED, SOUND], "audit: 2 of 2 pinned dependencies, 1 known vulnerabilities", 1),
        ([UNKNOWN], "audit: skipped, because the index that can be reached has no advisories", 0),
    ],
)
def test_a_known_vulnerability_fails_and_nothing_else_does(dependencies: list[Any], last: str, code: int) -> None:
    lines, exit_code = outcome(json.dumps({"dependencies": dependencies, "fixes": []}), "")
    assert (lines[-1], exit_code) == (last, code)


@pytest.mark.parametrize(("flawed", "fixed"), [(FLAWED, "2.10.1"), (UNMENDED, "no version")])
def test_it_says_where_a_vulnerability_is_fixed(flawed: dict[str, Any], fixed: str) -> None:
    lines, _ = outcome(json.dumps({"dependencies": [flawed]}), "")
    assert lines[0] == f"jinja2 2.10: PYSEC-2019-217, fixed in {fixed}"


def test_without_a_network_it_is_skipped_with_a_line() -> None:
    lines, code = outcome("", "WARNING\nERROR:pip_audit._cli:Failed to connect\n")
    assert (lines, code) == (
        ["audit: skipped, because no index of advisories can be reached (ERROR:pip_audit._cli:Failed to connect)"],
        0,
    )
