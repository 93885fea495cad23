"""`examples/auth`, served from a process of its own, with its files in a folder of the test's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.serving import ROOT, serve_process

AUTH = ROOT / "examples/auth"


@contextmanager
def served_auth(folder: Path, **environment: str) -> Iterator[str]:
    """The base URL of the application; everything that it writes goes into `folder`."""
    settings = {"AUTH_FOLDER": str(folder / "var"), "SESSION_SECRET": "", "SESSION_STORE": "", **environment}
    with serve_process("app:app", cwd=AUTH, env=settings, log=folder / "server.log") as server:
        yield server.url
