"""Serving an application on the loopback interface: in a thread of this process, or in a process of its own.

with serve(app) as url:
    httpx2.get(f"{url}/hello")

with serve_process("shop:app", cwd=tmp_path, env={"SESSION_SECRET": "..."}) as server:
    httpx2.get(f"{server.url}/hello")
    server.kill()
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from tests.support.ports import HOST, bound_socket
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]

CHILD = """
import socket, sys, uvicorn
config = uvicorn.Config(sys.argv[1], lifespan="on", log_level="warning")
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])
"""

Serve = Callable[..., AbstractContextManager[str]]
"""What the fixture `serve` is, for a test to name it."""


@contextmanager
def serve(app: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI application from a thread; gives the base URL, without a slash at its end.

    `options` are those of `uvicorn.Config`. Raises `RuntimeError` when the application does not start.
    """
    settings: dict[str, Any] = {"lifespan": "on", "log_level": "warning", "log_config": None, **options}
    server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=5, **settings))
    with bound_socket() as sock:
        thread = threading.Thread(target=_run, args=(server, sock), name="serve", daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive(), "the server")
            if not server.started:
                raise RuntimeError("the application did not start; its error is in the log")
            yield _url(sock)
        finally:
            _stop(server, thread)


class ServedProcess:
    """An application that a uvicorn in another process serves."""

    def __init__(self, target: str, *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        self._log = log
        with bound_socket() as sock, log.open("wb") as output:
            self.url = _url(sock)
            self._address = sock.getsockname()
            self.process = subprocess.Popen(
                [sys.executable, "-c", CHILD, target, str(sock.fileno())],
                cwd=cwd,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
                pass_fds=[sock.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What the process wrote so far."""
        return self._log.read_text(errors="replace")

    def stop(self, *, timeout: float = 60.0) -> int:
        """Ask the process to shut down (SIGTERM), wait for it and return its exit code."""
        return self._end(signal.SIGTERM, timeout)

    def kill(self) -> int:
        """End the process at once, as a crash would."""
        return self._end(signal.SIGKILL, 60.0)

    def wait_for_start(self) -> None:
        """Return when the application has started and the port is open."""
        wait_until(self._is_open, "the server process")

    def _is_open(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the server process ended with {self.process.returncode}\n{self.output}")
        with socket.create_connection(self._address, timeout=30):
            return True

    def _end(self, how: signal.Signals, timeout: float) -> int:
        self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout)
            raise


@contextmanager
def serve_process(
    target: str, *, cwd: Path, env: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[ServedProcess]:
    """Serve `module:attribute`, found from `cwd`, in a process of its own that is ended with the block.

    `env` adds to the environment of this process. What the server writes goes to `log`, by default a file
    `server.log` in `cwd`.
    """
    server = ServedProcess(target, cwd=cwd, env=env or {}, log=log or cwd / "server.log")
    try:
        server.wait_for_start()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


ServeProcess = Callable[..., AbstractContextManager[ServedProcess]]
"""What the fixture `serve_process` is."""


def _url(sock: socket.socket) -> str:
    return f"http://{HOST}:{sock.getsockname()[1]}"


def _run(server: uvicorn.Server, sock: socket.socket) -> None:
    try:
        server.run(sockets=[sock])
    except SystemExit:  # how uvicorn says that the start failed; `serve` reports it
        pass


def _stop(server: uvicorn.Server, thread: threading.Thread) -> None:
    server.should_exit = True
    thread.join(timeout=30)
    if thread.is_alive():
        server.force_exit = True
        thread.join(timeout=30)
    if thread.is_alive():
        raise RuntimeError("the server did not shut down")
