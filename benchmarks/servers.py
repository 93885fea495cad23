"""Servers: one process on one core, started for one timing and ended after it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from benchmarks.contenders import KICK, Contender
from benchmarks.work import Work

ROOT: Final = Path(__file__).parents[1]
HOST: Final = "127.0.0.1"
PORT: Final = 8765
REDIS_PORT: Final = 8766
POSTGRES_PORT: Final = 8767
POSTGRES_ROLE: Final = "bench"
SERVER_CORE: Final = "0"
LOAD_CORE: Final = "1"
PATIENCE: Final = 30.0
"""Seconds that a server has to start, and to give its first answer."""

LEAN: Final = ["--loop", "uvloop", "--http", "httptools", "--no-server-header", "--no-proxy-headers"]
"""What `kick start` chooses too: the quickest parts, and nothing that an application can do without."""
QUIET: Final = ["--no-access-log", "--log-level", "warning"]

COMPILED: Final = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
"""An environment in which Python compiles a module only once, as it does on servers."""


class DidNotStartError(Exception):
    """A server that is not there, with the last thing it said."""


@dataclass(frozen=True)
class Process:
    """A process that listens. `output` is all that it has written."""

    pid: int
    output: Path

    def cpu_seconds(self) -> float:
        """Processor time so far, with that of the processes it has started."""
        return sum(map(_cpu_seconds, _family(self.pid)))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _family(child)


def _children(pid: int) -> list[int]:
    """The processes that each thread of a process has started; a process or thread that has just ended has none."""
    children = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, (thread / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return children


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def listening(
    *command: str,
    cores: str,
    port: int,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    ending: signal.Signals = signal.SIGTERM,
) -> Iterator[Process]:
    """A process on some cores, from the moment it listens on a port. `ending` is the signal that ends it.

    Raises `DidNotStartError`.
    """
    if _answers(port):
        raise DidNotStartError(f"something else listens on port {port}")
    output = folder / f"output-{port}"
    with output.open("wb") as file:
        started = _start(["taskset", "-c", cores, *command], file, environment or {})
    try:
        _wait(started, port, output)
        yield Process(started.pid, output)
    finally:
        _end(started, ending)


def _start(command: list[str], output: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, env={**COMPILED, **environment}, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise DidNotStartError(f"{error.filename} is not installed") from error


def _wait(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DidNotStartError(last_words(output))
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes], ending: signal.Signals) -> None:
    process.send_signal(ending)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_words(output: Path) -> str:
    """The line that says what went wrong: the last one that names an error, or the last one."""
    lines = [line.strip() for line in output.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line and "Traceback" not in line]
    return (errors or lines or ["it said nothing"])[-1][:200]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def serving(
    contender: Contender, row: Work, folder: Path, *, cores: str = SERVER_CORE, workers: int = 1, routes: int = 0
) -> Iterator[Process]:
    """A contender, ready for a row."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        environment = {
            "BENCH_VARIANT": row.variant,
            "BENCH_STORE": store_url(row.store, Path(own)),
            "BENCH_PORT": str(PORT),
            "NODE_ENV": "production",
            "PYTHONUNBUFFERED": "",
        }
        if routes:
            environment["BENCH_ROUTES"] = str(routes)
        command = command_of(contender, row, workers)
        with listening(*command, cores=cores, port=PORT, folder=Path(own), environment=environment) as process:
            yield process


def command_of(contender: Contender, row: Work, workers: int = 1) -> list[str]:
    """How a contender is started.

    >>> from benchmarks.contenders import CONTENDERS
    >>> from benchmarks.work import ROWS
    >>> command_of(CONTENDERS[-1], ROWS[0])
    ['node', 'benchmarks/apps/node/fastify.js']
    """
    if contender.server == "node":
        return ["node", f"benchmarks/apps/node/{contender.module}.js"]
    module = f"benchmarks.apps.{contender.module}"
    if contender.server == "python":
        return [sys.executable, "-m", module]
    served = [f"{module}:app", "--port", str(PORT), "--workers", str(workers)]
    logged = row.variant == "pipeline"
    if contender.server == "kick":
        log = "text" if logged and contender is KICK else "off"  # raw ASGI writes its own line
        return [sys.executable, "-m", "kick.cli", "start", *served, "--access-log", log]
    command = [sys.executable, "-m", "uvicorn", *served, *LEAN]
    return command + (["--access-log"] if logged and contender.server_logs else QUIET)


def store_url(store: str, folder: Path) -> str:
    """Where sessions are kept: the value of BENCH_STORE."""
    urls = {
        "sqlite": f"sqlite:///{folder}/sessions.db",
        "redis": f"redis://{HOST}:{REDIS_PORT}/0",
        "postgres": f"postgresql://{POSTGRES_ROLE}@{HOST}:{POSTGRES_PORT}/postgres?migrate=yes",
    }
    return urls.get(store, "memory://")


@contextmanager
def redis(folder: Path) -> Iterator[Process]:
    """A Redis that keeps nothing on disk, on the core of the load."""
    command = ["redis-server", "--port", str(REDIS_PORT), "--bind", HOST, "--save", "", "--appendonly", "no"]
    with listening(*command, cores=LOAD_CORE, port=REDIS_PORT, folder=folder) as process:
        yield process
