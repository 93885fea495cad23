"""The processes that belong to a test run.

A run has a folder, below which are the temporary files of its tests. A process belongs to the run when the folder is in
its environment (`KICK_TEST_RUN`, which every child inherits), or when it works below the folder: Redis and PostgreSQL
overwrite their environment with a title, and work in a folder of the test.

`python -m tests.support.processes FOLDER` waits for the end of its standard input and kills what is left of the run.
pytest starts it, and holds the other end: should pytest itself be killed, that is what ends the servers and browsers.
Without `/proc` (macOS, Windows) no process is found.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "KICK_TEST_RUN"
PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of the run; `test` is the one that started it."""

    pid: int
    command: str
    test: str

    def __str__(self) -> str:
        return f"{self.pid} {self.command[:200]} (started in {self.test})"

    def kill(self) -> None:
        """End the process at once; does nothing when it is gone already."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def alive(run: str) -> list[Process]:
    """The processes of a run, except for the calling one and those that have ended.

    The resource tracker of `multiprocessing` ends with the process that it belongs to, so that of the calling one is
    left out too.
    """
    return [process for process in _alive(run) if process.pid != os.getpid() and not _is_own_tracker(process)]


def wait_for_their_end(run: str, *, seconds: float = 10.0) -> list[Process]:
    """The processes of a run that have not ended by themselves in that time: some were sent a signal just before."""
    deadline = time.monotonic() + seconds
    while (left := alive(run)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _alive(run: str) -> Iterator[Process]:
    for folder in PROC.glob("[0-9]*"):
        try:
            words = _texts(folder / "cmdline")
            variables = {name: value for name, _, value in (text.partition("=") for text in _texts(folder / "environ"))}
            paths = [str((folder / "cwd").readlink()), variables.get(VARIABLE, "")]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is another user's
        if any(_is_below(path, run) for path in paths):
            yield Process(int(folder.name), " ".join(words), variables.get("PYTEST_CURRENT_TEST", "an unknown test"))


def _is_own_tracker(process: Process) -> bool:
    if "multiprocessing.resource_tracker" not in process.command:
        return False
    try:
        return f"PPid:\t{os.getpid()}\n" in (PROC / str(process.pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has ended


def _texts(path: Path) -> list[str]:
    return os.fsdecode(path.read_bytes()).rstrip("\0").split("\0")


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


if __name__ == "__main__":
    sys.stdin.buffer.read()
    for process in alive(sys.argv[1]):
        process.kill()
