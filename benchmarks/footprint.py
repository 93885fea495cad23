"""What kick takes before it does anything: the time of its import, and memory."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.checks import ask
from benchmarks.results import Sample
from benchmarks.servers import COMPILED, LEAN, PORT, QUIET, ROOT, SERVER_CORE, Process, listening

APPS: Final = "benchmarks.apps"
CONNECTIONS: Final = 1000
SETTLE: Final = 50
"""Connections before the count, for what is allocated once."""
TIMED: Final = "import time; t = time.perf_counter(); {}; print((time.perf_counter() - t) * 1000)"


def measure(rounds: int = 5) -> list[Sample]:
    """Import time, the memory of an application that has answered once, and that of open connections."""
    allow_files(CONNECTIONS * 2)
    imports = [_import_times() for _ in range(rounds * 4 + 1)][1:]
    memory = [_memory() for _ in range(rounds)]
    samples = [
        Sample("`import kick`", "ms", [bare for bare, _ in imports], 100),
        Sample("`from kick import *`, all of its names", "ms", [names for _, names in imports], 100),
        Sample("resident memory, idle hello-world application", "MiB", [idle for idle, _ in memory], 35),
        Sample("resident memory, the same of raw ASGI", "MiB", [_floor() for _ in range(rounds)]),
        Sample(f"an open SSE connection, of {CONNECTIONS:,}", "KiB", [each for _, each in memory], 20),
    ]
    for sample in samples:
        print(f"{sample.median:10.2f} {sample.unit:10} {sample.name}")
    return samples


def _import_times() -> tuple[float, float]:
    """Milliseconds in a new interpreter, its own start left out: of the package, and of all its names."""
    bare, names = (
        subprocess.run(
            [sys.executable, "-c", TIMED.format(statement)],
            cwd=ROOT,
            env=COMPILED,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for statement in ("import kick", "from kick import *")
    )
    return float(bare), float(names)


def _memory() -> tuple[float, float]:
    """MiB at rest, and KiB that each open connection adds, under `kick start`."""
    with _answering("kick.cli", "start", f"{APPS}.hello:app", "--access-log", "off") as process, ExitStack() as stack:
        idle = _resident(process.pid)
        for _ in range(SETTLE):
            stack.enter_context(_events())
        before = _resident(process.pid)
        for _ in range(CONNECTIONS):
            stack.enter_context(_events())
        return idle / 1024, (_resident(process.pid) - before) / CONNECTIONS


def _floor() -> float:
    """MiB at rest, of uvicorn with next to nothing in it."""
    with _answering("uvicorn", f"{APPS}.hello_raw:app", *LEAN, *QUIET) as process:
        return _resident(process.pid) / 1024


@contextmanager
def _answering(module: str, *arguments: str) -> Iterator[Process]:
    """A server that has answered once.

    uvicorn loads `websockets` where it is installed, as it is for the peers; it is hidden here.
    """
    command = [sys.executable, "-m", module, *arguments, "--port", str(PORT)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "websockets.py").write_text("raise ImportError\n")
        hidden = {"PYTHONPATH": name}
        with listening(*command, cores=SERVER_CORE, port=PORT, folder=folder, environment=hidden) as process:
            assert ask("/").body == b'{"hello":"world"}'
            yield process


def _events() -> socket.socket:
    """A connection whose first event has come."""
    connection = socket.create_connection(("127.0.0.1", PORT), timeout=10)
    connection.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
    received = b""
    while b"data: 1" not in received:
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("the stream of events ended")
        received += piece
    return connection


def _resident(pid: int) -> float:
    """KiB of memory that a process holds."""
    time.sleep(0.2)
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise OSError(f"process {pid} is not there")


def allow_files(count: int) -> None:
    """As many open files; servers that are started later inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 100, hard) if hard > 0 else count + 100, hard))
