"""A PostgreSQL of the system's packages, with the settings that it is installed with: a commit waits for the disk.

PostgreSQL does not run as root. Where the benchmark does, PostgreSQL runs as the user `postgres`.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.servers import (
    HOST,
    LOAD_CORE,
    PATIENCE,
    POSTGRES_PORT,
    POSTGRES_ROLE,
    DidNotStartError,
    Process,
    last_words,
    listening,
)

ELSEWHERE: Final = "/usr/lib/postgresql/*/bin/postgres"
"""Where Debian puts the programs of the server, which are not on the path."""


def program(name: str) -> str | None:
    """The path of a program of the server's package; `None` if PostgreSQL is not installed."""
    found = shutil.which("postgres") or next(iter(sorted(glob.glob(ELSEWHERE), reverse=True)), None)  # noqa: PTH207
    return str(Path(found).resolve().with_name(name)) if found else None


@contextmanager
def postgres(folder: Path) -> Iterator[Process]:
    """A new PostgreSQL on the core of the load; what it says is written into `folder`.

    Raises `DidNotStartError`.
    """
    server, initdb, is_ready = (program(name) for name in ("postgres", "initdb", "pg_isready"))
    if server is None or initdb is None or is_ready is None:
        raise DidNotStartError("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as name:
        own = Path(name)
        _give_away(own)
        made = [initdb, "-D", f"{own}/data", "-A", "trust", "-U", POSTGRES_ROLE, "-E", "UTF8", "--locale=C"]
        output = folder / "initdb"
        with output.open("wb") as file:
            if subprocess.run(_as_user(made), cwd=own, stdout=file, stderr=subprocess.STDOUT).returncode:
                raise DidNotStartError(last_words(output))
        place = ["-D", f"{own}/data", "-k", name, "-p", str(POSTGRES_PORT), "-c", f"listen_addresses={HOST}"]
        command = _as_user([server, *place])
        with listening(*command, cores=LOAD_CORE, port=POSTGRES_PORT, folder=folder, ending=signal.SIGINT) as process:
            _wait([is_ready, "-q", "-h", HOST, "-p", str(POSTGRES_PORT)], process)
            yield process


def _wait(command: list[str], process: Process) -> None:
    """It listens before it lets anybody in."""
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(command).returncode:
        if time.monotonic() > deadline:
            raise DidNotStartError(last_words(process.output))
        time.sleep(0.05)


def _user() -> pwd.struct_passwd | None:
    return pwd.getpwnam("postgres") if os.getuid() == 0 else None


def _as_user(command: list[str]) -> list[str]:
    user = _user()
    if user is None:
        return command
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]


def _give_away(folder: Path) -> None:
    user = _user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
