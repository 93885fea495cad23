"""The examples that are whole projects: their own tests pass, and their READMEs can be followed literally."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.reader import Reader
from tests.support.serving import ROOT

EXAMPLES = ROOT / "examples"
PROJECTS = sorted(path.parent.name for path in EXAMPLES.glob("*/tests"))
WITH_TWO_SERVERS = {"oauth"}
"""Projects whose own tests start what the README starts in two terminals."""

OTHER_PLUGINS = ("-pno:asyncio", "-pno:schemathesis", "-pno:faker")
"""Plugins of the environment that these tests run in. A reader of an example does not have them."""


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the example, as somebody would make one."""
    leave = shutil.ignore_patterns("__pycache__", ".*_cache", "*.db", "var", "pictures")
    return Path(shutil.copytree(EXAMPLES / request.param, tmp_path / request.param, ignore=leave))


def test_each_project_has_a_readme_and_a_test() -> None:
    assert len(PROJECTS) >= 6
    for name in PROJECTS:
        assert (EXAMPLES / name / "README.md").is_file()
        assert list((EXAMPLES / name / "tests").glob("test_*.py"))


@pytest.mark.parametrize("folder", PROJECTS, indirect=True)
def test_its_own_tests_pass(folder: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KICK_", "SESSION_", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", "--quiet", *OTHER_PLUGINS]
    run = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("folder", [name for name in PROJECTS if name not in WITH_TWO_SERVERS], indirect=True)
def test_its_readme_works_as_it_is_written(folder: Path) -> None:
    reader = Reader(folder)
    try:
        reader.read(folder / "README.md")
    finally:
        reader.stop()
    assert reader.served
