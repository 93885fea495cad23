"""`python -m benchmarks.peers`: install whom kick is compared with, into the environment that runs this.

What cannot be installed is noted with the reason, and the page says so; the others are timed all the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from benchmarks.servers import ROOT

REFUSED: Final = Path(sys.prefix) / "refused.json"
"""Package, or `node`, and why it is not there."""
NODE: Final = ROOT / "benchmarks" / "apps" / "node"
PIP: Final = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
CONSTRAINTS: Final = ["--constraint", str(ROOT / "benchmarks" / "constraints.txt")]


def install() -> dict[str, str]:
    """Install the dependency group `bench` and the packages of `apps/node`; what was refused."""
    refused: dict[str, str] = {}
    group: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["bench"]
    if _problem([*PIP, *CONSTRAINTS, *group], ROOT) is not None:
        for requirement in group:  # one of them is in the way of the others
            problem = _problem([*PIP, *CONSTRAINTS, requirement], ROOT)
            if problem is not None:
                refused[name_of(requirement)] = problem
    npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    problem = _problem(npm, NODE)
    if problem is not None:
        refused["node"] = problem
    return refused


def refused() -> dict[str, str]:
    """What the installation in this environment has noted."""
    found: dict[str, str] = json.loads(REFUSED.read_text()) if REFUSED.exists() else {}
    return found


def name_of(requirement: str) -> str:
    """The package of a requirement.

    >>> name_of("starsessions[redis]>=2")
    'starsessions'
    """
    return requirement.partition("[")[0].partition(">")[0].partition("=")[0].strip()


def _problem(command: list[str], folder: Path) -> str | None:
    """Why a command failed; `None` if it did not."""
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    if run.returncode == 0:
        return None
    lines = [line.strip() for line in run.stderr.splitlines() if "error" in line.lower()]
    return (lines or ["it could not be installed"])[-1][:200]


def main() -> None:
    """Install, and say what is missing."""
    found = install()
    REFUSED.write_text(json.dumps(found, indent=1))
    for package, reason in found.items():
        print(f"not installed: {package}: {reason}")


if __name__ == "__main__":
    main()
