"""What was found: kept in `benchmarks/results/latest.json`, so that pages can be redrawn and rows run again."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.postgres import program

FILE: Final = Path(__file__).parent / "results" / "latest.json"
PACKAGES: Final = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "starsessions",
    "fastapi",
    "litestar",
    "blacksheep",
    "falcon",
    "sanic",
    "robyn",
    "django",
    "msgspec",
    "redis",
    "psycopg",
)
CLIENT: Final = {"redis": "redis-py"}
"""The package is called as the server is."""

PROGRAMS: Final = {
    "Node.js": ("node", "--version"),
    "Redis": ("redis-server", "--version"),
    "PostgreSQL": (program("postgres") or "postgres", "--version"),
    "wrk": ("wrk", "-v"),
}


class Figure(msgspec.Struct):
    """One contender in one row: an entry for each round, and what raw ASGI did in the same rounds."""

    rates: list[float] = []
    base: list[float] = []
    slowest: list[float] = []
    """The 99th percentile of the time to an answer, in milliseconds."""
    cpu: list[float] = []
    """The microseconds of processor time that the server took for a request."""
    when: str = ""
    seconds: float = 0.0
    """How long each round took."""

    @property
    def rate(self) -> float:
        """Requests a second, the median.

        >>> Figure([100.0, 120.0, 90.0], [100.0, 200.0, 100.0]).rate
        100.0
        """
        return statistics.median(self.rates)

    @property
    def ratios(self) -> list[float]:
        """The ratio to raw ASGI in each round.

        >>> Figure([100.0, 120.0, 90.0], [100.0, 200.0, 100.0]).ratios
        [1.0, 0.6, 0.9]
        """
        return [rate / base for rate, base in zip(self.rates, self.base, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)


class Sample(msgspec.Struct):
    """Something that was measured several times, in a unit."""

    name: str
    unit: str
    values: list[float]
    goal: float | None = None

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)


class Panel(msgspec.Struct):
    """How something grows: lines of points `(x, y)`."""

    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]
    logarithmic: bool = True
    """Whether the axis of x is."""
    note: str = ""


class Results(msgspec.Struct):
    """All of it. `absent` has the reason why a contender has no figure in a row."""

    machine: dict[str, str] = {}
    rows: dict[str, dict[str, Figure]] = {}
    absent: dict[str, dict[str, str]] = {}
    samples: list[Sample] = []
    growth: list[Panel] = []

    @property
    def fewest(self) -> int:
        """How many rounds the figure with the fewest has; 0 without figures."""
        return min((len(figure.rates) for row in self.rows.values() for figure in row.values()), default=0)

    def figure(self, row: str, contender: str) -> Figure:
        """The figure of a contender in a row; an empty one if there is none yet."""
        return self.rows.setdefault(row, {}).setdefault(contender, Figure())

    def forget(self, row: str, contender: str) -> None:
        """Make room for a new run."""
        self.rows.get(row, {}).pop(contender, None)
        self.absent.get(row, {}).pop(contender, None)

    def replace_samples(self, samples: list[Sample]) -> None:
        """Put what was measured anew in the place of what has the same name."""
        new = {sample.name: sample for sample in samples}
        self.samples = [new.pop(old.name, old) for old in self.samples] + list(new.values())

    def replace_panels(self, panels: list[Panel]) -> None:
        """Put what was measured anew in the place of what has the same title."""
        new = {panel.title: panel for panel in panels}
        self.growth = [new.pop(old.title, old) for old in self.growth] + list(new.values())


def load() -> Results:
    """What is there; nothing if there is no file yet."""
    return msgspec.json.decode(FILE.read_bytes(), type=Results) if FILE.exists() else Results()


def save(results: Results) -> None:
    """Write the file."""
    results.machine = machine()
    FILE.parent.mkdir(exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(msgspec.to_builtins(results)), indent=1)
    FILE.write_bytes(text + b"\n")


def machine() -> dict[str, str]:
    """What it ran on."""
    found = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            found[CLIENT.get(package, package)] = version(package)
        except PackageNotFoundError:
            pass
    return found | {name: _said(program, option) for name, (program, option) in PROGRAMS.items()}


def _said(program: str, option: str) -> str:
    """The version that a program says it is."""
    try:
        run = subprocess.run([program, option], capture_output=True, text=True)
    except FileNotFoundError:
        return "not installed"
    number = re.search(r"\d+(\.\d+)+", run.stdout + run.stderr)
    return number[0] if number else "of an unknown version"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
