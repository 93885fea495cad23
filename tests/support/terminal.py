"""A program in a terminal of its own, which is typed to and read from."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._seen = ""
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Read until a text was shown since the last time; raises `TimeoutError` with all that was."""
        deadline = time.monotonic() + seconds
        while text not in self._seen:
            if not select.select([self._ours], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"{text!r} is not in {self._seen!r}")
            self._seen += os.read(self._ours, 4096).decode(errors="replace")
        self._seen = self._seen.partition(text)[2]

    def end(self, seconds: float = 30) -> int:
        """The exit code of the program, once it has ended by itself."""
        return self._process.wait(seconds)


def _take_terminal() -> None:
    """Make the terminal that of the process, so that Ctrl-C becomes a signal, and have it heard.

    A shell ignores that signal for what it runs in the background, and so would all that is started from there.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
