"""A plugin of pytest that runs the tests of each mutant in a forked process.

A first pass notes which test runs which line. A mutant is killed by the first of the tests of its line that fails,
or that takes too long; it survives if all of them pass.
"""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import sys
import time
import types
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest.runner import runtestprotocol

from tools.mutation.mutants import Mutant, mutants_of

SLOWEST: Final = 2.0
"""Seconds of processor time: slower tests are left out."""
LIMIT: Final = 2.0
"""Seconds of processor time, beside three times that of the tests, after which a mutant hangs, which kills it."""
WAIT: Final = 60
"""Seconds after which a mutant waits for something that does not come, which kills it too."""

ELSEWHERE: Final = ("process", "redis", "postgres", "browser", "project", "chaos", "slow", "nightly")
OTHER_STORES: Final = frozenset({"sqlite", "postgres", "redis", "cluster", "sentinel", "basic"})


class Mutation:
    """Runs mutants of modules against the tests that pytest has collected."""

    def __init__(self, package: Path, modules: Sequence[str]) -> None:
        self._paths = {str(package / f"{name.replace('.', '/')}.py"): name for name in modules}
        self.killed: list[Mutant] = []
        self.survived: list[Mutant] = []
        self.untested: list[Mutant] = []
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that need nothing but memory."""
        items[:] = [item for item in items if _is_quick(item)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Note the lines of each test, then run the mutants."""
        lines = self._lines_of(session.items)
        for path, module in self._paths.items():
            for mutant in mutants_of(Path(path), module):
                tests = sorted(lines[path, mutant.line], key=lambda each: each[0])
                self._judge(mutant, tests)
        return True

    def _judge(self, mutant: Mutant, tests: list[tuple[float, pytest.Item]]) -> None:
        if not tests:
            self.untested.append(mutant)
            word = "no test runs"
        elif _passes(mutant, tests):
            self.survived.append(mutant)
            word = "SURVIVED"
        else:
            self.killed.append(mutant)
            return
        print(f"{word}: line {mutant.line} of {mutant.name} ({len(tests)} tests)", flush=True)

    def _lines_of(self, items: list[pytest.Item]) -> dict[tuple[str, int], list[tuple[float, pytest.Item]]]:
        """Run every test once; return the tests of each line, with the time that each takes."""
        found: dict[tuple[str, int], list[tuple[float, pytest.Item]]] = defaultdict(list)
        for item in items:
            seen: set[tuple[str, int]] = set()
            began = time.process_time()
            sys.settrace(_tracer(self._paths, seen))
            try:
                passed = _runs(item)
            finally:
                sys.settrace(None)
            took = time.process_time() - began
            if not passed:
                self.failed.append(item.nodeid)
            elif took < SLOWEST:
                for place in seen:
                    found[place].append((took, item))
        return found


def _tracer(paths: dict[str, str], seen: set[tuple[str, int]]) -> Any:
    def lines(frame: types.FrameType, event: str, _: object) -> Any:
        seen.add((frame.f_code.co_filename, frame.f_lineno))
        return lines

    def calls(frame: types.FrameType, event: str, _: object) -> Any:
        return lines if frame.f_code.co_filename in paths else None

    return calls


def _is_quick(item: pytest.Item) -> bool:
    if any(item.get_closest_marker(name) for name in ELSEWHERE) or "three" in item.name:
        return False
    values = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return not any(isinstance(value, str) and value in OTHER_STORES for value in values)


def _runs(item: pytest.Item, following: pytest.Item | None = None) -> bool:
    """Run a test without a word; return true if it passed."""
    return all(report.passed or report.skipped for report in runtestprotocol(item, log=False, nextitem=following))


def _passes(mutant: Mutant, tests: list[tuple[float, pytest.Item]]) -> bool:
    seconds = LIMIT + 3 * sum(took for took, _ in tests)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process
            signal.setitimer(signal.ITIMER_REAL, WAIT + 20 * seconds)
            apply(mutant)
            status = 0 if all(_runs(test) for _, test in tests) else 1
        finally:
            os._exit(status)
    _, result = os.waitpid(child, 0)
    return result == 0


def apply(mutant: Mutant) -> None:
    """Give the functions of the module the code of the mutant."""
    name = f"kick.{mutant.file}"
    functions = dict(_functions_of(importlib.import_module(name)))
    for code in _codes_of(mutant.code):
        for function in functions.get(code.co_qualname, []):
            function.__code__ = code


def _codes_of(code: types.CodeType) -> Iterator[types.CodeType]:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            if each.co_flags & 0x02 and "<locals>" not in each.co_qualname:  # a function, not the body of a class
                yield each
            yield from _codes_of(each)


def _functions_of(module: types.ModuleType) -> dict[str, list[types.FunctionType]]:
    found: dict[str, list[types.FunctionType]] = defaultdict(list)
    holders: list[Any] = [module]
    while holders:
        for value in vars(holders.pop()).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                holders.append(value)
            wrapped = (getattr(value, name, None) for name in ("__func__", "fget", "fset"))
            for each in (value, *wrapped):
                if isinstance(each, types.FunctionType) and each.__module__ == module.__name__:
                    function = inspect.unwrap(each)  # of a context manager, the generator
                    found[function.__qualname__].append(function)
    return found
