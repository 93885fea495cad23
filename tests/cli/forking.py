"""Runs `kick` commands in forks of one process that has imported kick: importing it takes most of a command's time.

A command finds what a new process would give it: its arguments, environment, folder, search path, `__main__` and
streams, and no module of an application. Two things cannot be changed any more once Python has started: what it reads
of its environment, and which module an import finds that has been done. A command that differs in one starts anew.

This file is also what that process runs, as a script: it imports nothing of the tests.
"""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
KICK = (sys.executable, "-m", "kick.cli")
READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "MALLOC_")
"""Beginnings of the names of variables that the interpreter, or the C library, reads once."""
NOT_IMPORTED = ("kick.cli.__main__", "kick.testing", "kick.telemetry")


class Forking:
    """Starts that process for the first command; `stop()` ends it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `kick` with these arguments to its end, as `subprocess.run()` does with text of both streams."""
        if self._process is None:
            self._start(env)
        command = [*KICK, *arguments]
        sys.audit("subprocess.Popen", command[0], command, str(cwd), dict(env))  # a test may have to say that it does
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            request = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
            code = self._ask(request, [output.fileno(), errors.fileno()], timeout)
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(command, code, output.read(), errors.read())

    def _start(self, env: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                cwd=ROOT,
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def _ask(self, request: object, streams: list[int], timeout: float) -> int:
        assert self._socket is not None
        body = json.dumps(request).encode()
        socket.send_fds(self._socket, [len(body).to_bytes(8, "big")], streams)
        self._socket.sendall(body)
        pid = received(self._socket)
        self._socket.settimeout(timeout)
        try:
            return received(self._socket)
        except TimeoutError:
            os.kill(pid, 9)
            self._socket.settimeout(None)
            received(self._socket)
            raise subprocess.TimeoutExpired(KICK, timeout) from None
        finally:
            self._socket.settimeout(None)

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None and self._socket is not None:
            self._socket.close()
            self._process.wait()
        self._process = None


FORKING = Forking()
"""That of this process of pytest."""


def received(connection: socket.socket) -> int:
    """One number that the other side has sent."""
    raw = b""
    while len(raw) < 8:
        piece = connection.recv(8 - len(raw))
        if not piece:
            raise EOFError("the process that forks has ended")
        raw += piece
    return int.from_bytes(raw, "big", signed=True)


def import_kick() -> None:
    """Import all that commands import."""
    for name in ("kick", *names_below("kick")):
        if not name.startswith(NOT_IMPORTED):
            try:
                importlib.import_module(name)
            except ImportError:  # of an extra that is not installed
                continue


def names_below(package: str) -> Iterator[str]:
    for each in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        yield each.name
        if each.ispkg and not each.name.startswith(NOT_IMPORTED):
            yield from names_below(each.name)


def fork_for_each_request(connection: socket.socket) -> list[str]:
    """Return in each fork, with the arguments of its command; the process itself ends with the connection."""
    while True:
        head, streams, _, _ = socket.recv_fds(connection, 8, 2)
        if not head:
            sys.exit()
        body = b""
        while len(body) < int.from_bytes(head, "big"):
            body += connection.recv(int.from_bytes(head, "big") - len(body))
        pid = os.fork()
        if pid == 0:
            connection.close()
            return become(json.loads(body), streams)
        for each in streams:
            os.close(each)
        connection.sendall(pid.to_bytes(8, "big"))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection.sendall(code.to_bytes(8, "big", signed=True))


def become(request: dict[str, Any], streams: list[int]) -> list[str]:
    """Take the folder, the environment and the streams of a request; returns its arguments."""
    for number, each in enumerate(streams, start=1):
        os.dup2(each, number)
        os.close(each)
    os.chdir(request["cwd"])
    before = read_at_start(os.environ)
    os.environ.clear()
    os.environ.update(request["env"])
    arguments: list[str] = request["arguments"]
    if read_at_start(os.environ) != before or hides_a_module(Path.cwd()):
        os.execve(sys.executable, [*KICK, *arguments], request["env"])  # noqa: S606
    sys.path[0] = str(Path.cwd())
    return arguments


def read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START)}


def hides_a_module(folder: Path) -> bool:
    """Whether something in a folder has the name of a module that is imported already."""
    return any(each.stem in sys.modules for each in folder.iterdir() if each.is_dir() or each.suffix == ".py")


def main() -> NoReturn:
    import_kick()
    gc.freeze()
    sys.argv[1:] = fork_for_each_request(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("kick.cli", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
