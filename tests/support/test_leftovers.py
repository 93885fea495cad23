"""A run that leaves processes behind fails, names them, and ends them; so does one that is interrupted or killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.leftovers import hold, remove_old_folders
from tests.support.processes import VARIABLE, alive
from tests.support.serving import ROOT
from tests.support.waiting import wait_until

LEAVES = """
import os, subprocess, sys, time
from pathlib import Path

import pytest

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]

def leave(**options):
    subprocess.Popen(SLEEPS, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)

@pytest.mark.process
def test_leaves(tmp_path):
    leave(start_new_session=True)
    leave(env={}, cwd=tmp_path)  # as Redis, which overwrites its environment
    Path(os.environ["READY"]).touch()
    if os.environ["HANGS"]:
        time.sleep(600)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux: /proc lists processes")


def begin(folder: Path, *options: str, hangs: bool, source: str = LEAVES) -> subprocess.Popen[str]:
    """Start pytest on a test, by default one that leaves two processes behind; return when it has run."""
    (folder / "test_leaves.py").write_text(source)
    (folder / "conftest.py").write_text("from tests.conftest import pytest_configure\n")
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-W", "ignore", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [*command, "--rootdir", folder, "--basetemp", folder / "run", *options, folder / "test_leaves.py"],
        cwd=ROOT,
        # Where CI is set, pytest repeats the whole report in its summary.
        env={**os.environ, "CI": "", "READY": str(folder / "ready"), "HANGS": "1" if hangs else ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until((folder / "ready").exists, "the processes that are left", timeout=120)
    return process


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "side by side"])
def test_processes_that_are_left_fail_the_run_and_are_ended(tmp_path: Path, options: list[str]) -> None:
    with begin(tmp_path, *options, hangs=False) as run:
        output, _ = run.communicate(timeout=300)
    assert run.returncode == 1
    assert "processes left behind" in output
    assert output.count("time.sleep(600)") == 2
    assert "(started in test_leaves.py::test_leaves (call))" in output
    assert "1 passed, 1 error" in output.splitlines()[-1]
    assert alive(str(tmp_path / "run")) == []


SPAWNS = """
import multiprocessing, os
from pathlib import Path

import pytest

@pytest.mark.process
def test_spawns():
    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
    process.join()
    Path(os.environ["READY"]).touch()
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "side by side"])
def test_the_resource_tracker_of_multiprocessing_is_not_left_behind(tmp_path: Path, options: list[str]) -> None:
    with begin(tmp_path, *options, hangs=False, source=SPAWNS) as run:
        output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output


@pytest.mark.parametrize(
    ("how", "options"),
    [
        pytest.param(
            *(how, options),
            id=f"{how.name}-{'side by side' if options else 'alone'}",
            # The usual ways with the usual options; the others are nightly.
            marks=[] if bool(options) == (how in (signal.SIGINT, signal.SIGKILL)) else pytest.mark.nightly,
        )
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
        for options in ([], ["-n", "2"])
    ],
)
def test_nothing_is_left_of_a_run_that_is_ended_from_outside(
    tmp_path: Path, options: list[str], how: signal.Signals
) -> None:
    with begin(tmp_path, *options, hangs=True) as run:
        run.send_signal(how)
        run.communicate(timeout=300)
    assert run.returncode == (-how if how == signal.SIGKILL else 2)
    wait_until(lambda: alive(str(tmp_path / "run")) == [], "the end of all processes", timeout=120)


WRITES = """
import subprocess, sys, tempfile

import pytest

@pytest.mark.process
def test_writes():
    tempfile.mkdtemp()
    subprocess.run([sys.executable, "-c", "import tempfile; tempfile.mkdtemp()"], check=True)
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "side by side"])
def test_temporary_files_are_removed_with_the_folder_of_the_run(tmp_path: Path, options: list[str]) -> None:
    system, tests = tmp_path / "system", tmp_path / "tests"
    system.mkdir()
    tests.mkdir()
    (tests / "test_writes.py").write_text(WRITES)
    (tests / "conftest.py").write_text("from tests.conftest import pytest_configure\n")
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-W", "ignore", "-p", "no:cacheprovider"]
    environment["TMPDIR"] = str(system)
    subprocess.run([*command, "--rootdir", tests, *options, tests], cwd=ROOT, env=environment, check=True)
    assert list(system.iterdir()) == []


def test_the_folder_of_a_failed_run_stays_until_the_next_run(tmp_path: Path) -> None:
    for name in ("ended", "goes on"):
        (tmp_path / f"kick-tests-{name}/files").mkdir(parents=True)
    (tmp_path / "kick-tests-begins").mkdir()
    (tmp_path / "of-others").mkdir()
    hold(tmp_path / "kick-tests-ended").close()
    with hold(tmp_path / "kick-tests-goes on"):
        remove_old_folders(tmp_path)
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {"kick-tests-begins", "kick-tests-goes on", "of-others"}
