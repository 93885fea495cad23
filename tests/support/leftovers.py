"""A plugin of pytest that fails a run which leaves processes behind, and ends them."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import pytest

from tests.support.processes import VARIABLE, Process, wait_for_their_end

ROOT = Path(__file__).parents[2]
PREFIX = "kick-tests-"
LOCK = "in-use"
"""The name of the file that a run has locked as long as it goes on."""


class Leftovers:
    """Gives the run its folder, where temporary files are made as well, and looks for its processes at the end.

    The folder of a run that failed stays until the next run begins, to be looked at.
    """

    def __init__(self, config: pytest.Config) -> None:
        given: str | None = config.option.basetemp
        outer = os.environ.get(VARIABLE)  # a test that runs pytest: the outer run sees what the inner one started
        if not given and outer is None:
            remove_old_folders(Path(tempfile.gettempdir()))
        self.folder = str(Path(given).resolve()) if given else tempfile.mkdtemp(prefix=PREFIX, dir=outer)
        self._is_to_be_removed = False
        self._may_be_removed = not given
        if not given:
            config.option.basetemp = f"{self.folder}/files"
            self._lock = hold(Path(self.folder))
            scratch = Path(self.folder) / "tmp"
            scratch.mkdir()
            Path(self.folder).chmod(0o711)  # PostgreSQL runs as another user
            tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)  # of this process, and of those that it starts
        environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
        os.environ[VARIABLE] = self.folder
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "tests.support.processes", self.folder],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        left = wait_for_their_end(self.folder)
        for process in left:
            process.kill()
        if left:
            self._report(session, left)
        self._is_to_be_removed = self._may_be_removed and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
            pytest.ExitCode.INTERRUPTED,
        )

    def pytest_unconfigure(self) -> None:
        self._guard.communicate()
        if self._is_to_be_removed:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _report(self, session: pytest.Session, left: list[Process]) -> None:
        text = "\n".join(["These processes were alive after the tests, and were killed:", *map(str, left)])
        report = pytest.TestReport(
            "processes left behind", ("", None, ""), {}, "failed", text, "teardown", start=0, stop=0, duration=0
        )
        session.config.hook.pytest_runtest_logreport(report=report)
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def hold(folder: Path) -> BinaryIO:
    """Lock the folder of a run, until the file is closed or the process ends."""
    lock = (folder / LOCK).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def remove_old_folders(parent: Path) -> None:
    """Remove the folders of runs that have ended; those that nobody has locked yet are left alone."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            with (folder / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # it has no lock, another run has it, or has just removed it
            continue


def interrupt_on_signals() -> None:
    """Take SIGTERM and SIGHUP for Ctrl-C: fixtures end what tests have started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
