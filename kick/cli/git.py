"""The git repository of a new project."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kick.cli import terminal

MESSAGE: Final = "A new project"

NOBODY: Final = {"user.name": "kick", "user.email": "kick@localhost"}
"""The author of the first commit if git does not know the user."""


def make_repository(folder: Path) -> bool:
    """Make a folder a git repository with one commit of all its files; return true if this was done.

    It is not done inside of another repository, or without git. If git fails, this is only a warning, because the
    project is complete without it.
    """
    git = shutil.which("git")
    if git is None or _run(git, folder, "rev-parse", "--is-inside-work-tree").returncode == 0:
        return False
    identity = {name: value for name, value in NOBODY.items() if _run(git, folder, "config", name).returncode != 0}
    return (
        _succeeds(git, folder, "init", "--quiet")
        and _succeeds(git, folder, "add", "--all")
        and _succeeds(git, folder, "commit", "--quiet", "--no-verify", "--message", MESSAGE, identity=identity)
    )


def _succeeds(git: str, folder: Path, *arguments: str, identity: Mapping[str, str] | None = None) -> bool:
    settings = [part for name, value in (identity or {}).items() for part in ("-c", f"{name}={value}")]
    run = _run(git, folder, *settings, *arguments)
    if run.returncode != 0:
        terminal.warn(f"git {arguments[0]} failed: {run.stderr.strip()}")
    return run.returncode == 0


def _run(git: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # a fixed program, and no shell
        [git, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
