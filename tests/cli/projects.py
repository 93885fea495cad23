"""Projects that `kick new` writes, and what is done with them."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.cli.support import environment, kick
from tests.support.serving import ROOT

ADA = {"email": "ada@example.com", "password": "correct horse battery"}
PINNED = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_BUILD_CONSTRAINT": str(ROOT / "constraints.txt")}


def install(folder: Path) -> None:
    """Make an environment with kick in it, as it is installed from the copy in a project: for all projects."""
    project = make(folder, "web", "redis")
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().replace("passwords,redis", "passwords,postgres,redis"))
    [wheel] = (project / "wheels").iterdir()
    (project / "kick.txt").write_text(f"./wheels/{wheel.name}\n")
    run(["make", ".venv/.ready", f"PYTHON={sys.executable}"], cwd=project, env=environment(**PINNED))


def make(folder: Path, template: str, store: str) -> Path:
    name = f"{template}-{store}"
    made = kick("new", name, "--template", template, "--session", store, "--no-git", cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder / name


def build(source: Path, folder: Path) -> list[Path]:
    """The wheel of a source tree, in a folder."""
    run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source)],
        cwd=folder,
        env=environment(**PINNED),
    )
    return list(folder.glob("*.whl"))


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
    """What a command prints. Fails the test, with all of it, when the command fails."""
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1200, check=False
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout
