"""Folders that all workers of a run share: what takes long to make is made once."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def shared_folder(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of this name; the first process that asks makes its contents, others wait for it.

    If that fails, it fails for whoever asked, and the next one starts again in an empty folder.
    """
    # Each worker has a folder of its own, below that of the run.
    base = factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made = root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder = factory.mktemp(name)
            make(folder)
            made.symlink_to(folder)
    return made.resolve()
