"""A command that is forked finds what a new process gives it."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.forking import FORKING
from tests.cli.support import environment, kick

pytestmark = pytest.mark.process


def said(code: str, folder: Path, **variables: str) -> str:
    run = kick("shell", "--command", code, cwd=folder, **variables)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_it_has_a_folder_an_environment_and_modules_of_its_own(project: Path) -> None:
    for name in ("one", "other"):
        code = "import os, sys, app; print(os.getcwd() == sys.path[0] == os.path.dirname(app.__file__), os.environ)"
        shown = said(f"{code}; app.mine = 1", project, OF_THE_TEST=name)
        assert shown.startswith("True")
        assert f"'OF_THE_TEST': '{name}'" in shown
        assert said("import app; print(hasattr(app, 'mine'), 'tests' in __import__('sys').modules)", project) == (
            "False False"
        )


def test_what_python_reads_when_it_starts_is_read(project: Path) -> None:
    assert said("import sys; print(sys.flags.optimize)", project, PYTHONOPTIMIZE="1") == "1"
    assert said("import sys; print(sys.flags.optimize)", project) == "0"


def test_a_module_of_its_folder_hides_one_that_is_imported_already(project: Path) -> None:
    (project / "libcst.py").write_text("mine = True\n")
    assert said("import libcst; print(libcst.mine)", project) == "True"


def test_it_is_ended_when_its_time_is_over_and_the_next_is_not(project: Path) -> None:
    (project / "app.py").write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(subprocess.TimeoutExpired):
        FORKING.run(["routes"], cwd=project, env=environment(), timeout=0.5)
    assert kick("--version", cwd=project).returncode == 0
