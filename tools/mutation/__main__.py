"""`python -m tools.mutation`: mutate the rules of the sessions, and run the tests of each changed line.

    python -m tools.mutation
    python -m tools.mutation --modules session.races,session.cookie
    python -m tools.mutation --modules session.races --only Races.lose tests/session/test_losers.py

It prints every mutant that survives. The exit status is 1 if one does that `equivalent.txt` does not explain.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tools.mutation.plugin import SLOWEST, Mutation

ROOT: Final = Path(__file__).parents[2]
MODULES: Final = "session.races,session.cookie,session.manager,session.state"
TESTS: Final = (
    "tests/session",
    "tests/auth",
    "tests/middleware/test_csrf.py",
    "tests/middleware/test_csrf_anonymous.py",
    "tests/middleware/test_csrf_new_id.py",
)
EQUIVALENT: Final = Path(__file__).with_name("equivalent.txt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Mutate the modules, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description="Mutate the rules of the sessions.")
    parser.add_argument("--modules", default=MODULES, help="modules of kick, separated by commas")
    parser.add_argument("--only", action="append", default=[], help="a part of the names of the mutants")
    parser.add_argument("--slowest", default=SLOWEST, type=float, help="seconds of the slowest test that is used")
    parser.add_argument("--budget", default=float("inf"), type=float, help="seconds of tests for each mutant")
    parser.add_argument("--jobs", default=2, type=int, help="the number of processes that run mutants")
    parser.add_argument("tests", nargs="*", default=TESTS, help="files or folders with tests")
    options = parser.parse_args(arguments)
    mutation = Mutation(
        ROOT / "kick",
        options.modules.split(","),
        only=options.only,
        known=explained(EQUIVALENT.read_text()),
        slowest=options.slowest,
        budget=options.budget,
        jobs=options.jobs,
    )
    quiet = ["-p", "no:cacheprovider", "-p", "no:terminal", "-m", "not nightly"]
    pytest.main([*quiet, *(str(ROOT / test) for test in options.tests)], plugins=[mutation])
    for name in mutation.failed:
        print(f"failed without a mutant: {name}")
    figures = mutation.figures.values()
    is_complete = any(each.killed for each in figures) and not any(each.survived for each in figures)
    return 0 if is_complete and not mutation.failed else 1


def explained(text: str) -> dict[str, str]:
    """Return the mutants that change nothing, each with its reason: a line, and the reason indented below it.

    >>> explained("session.races f: a < b -> a <= b\\n    They are never equal.\\n")
    {'session.races f: a < b -> a <= b': 'They are never equal.'}
    """
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(" "):
            found[name] = f"{found[name]} {line.strip()}".strip()
        elif line and not line.startswith("#"):
            name = line
            found[name] = ""
    return found


if __name__ == "__main__":
    sys.exit(main())
