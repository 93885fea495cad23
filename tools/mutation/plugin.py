"""A plugin of pytest that runs the tests of each mutant in a forked process.

A first pass notes which test runs which line. A mutant is killed by the first of the tests of its line that fails,
or that takes too long; it survives if all of them pass. Quick tests, and those that killed other mutants, run first.
"""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import time
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from _pytest.runner import runtestprotocol

from tools.mutation.mutants import Mutant, marked, mutants_of

SLOWEST: Final = 2.0
"""Seconds of processor time: slower tests are left out unless the options say otherwise."""
LIMIT: Final = 2.0
"""Seconds of processor time, beside three times that of the tests, after which a mutant hangs, which kills it."""
WAIT: Final = 20
"""Seconds without any work after which a mutant waits for something that does not come, which kills it too."""

ELSEWHERE: Final = ("process", "redis", "postgres", "browser", "project", "chaos", "slow", "nightly")
OTHER_STORES: Final = frozenset({"sqlite", "postgres", "redis", "cluster", "sentinel", "basic"})

_MARK: Final = "_mark_of_the_mutation_tool"

Tests: TypeAlias = dict[pytest.Item, float]
"""Tests, and the processor time that each takes in seconds."""

_Case: TypeAlias = tuple[Mutant, Tests]


@dataclass
class Figures:
    """The mutants of one module."""

    killed: list[Mutant] = field(default_factory=list)
    survived: list[Mutant] = field(default_factory=list)
    """Those that no test notices, or whose line no test runs."""
    explained: list[Mutant] = field(default_factory=list)
    """Those of them that change nothing that a test could see."""

    def __str__(self) -> str:
        killed, explained, survived = len(self.killed), len(self.explained), len(self.survived)
        count = killed + explained + survived
        return f"{count} mutants: {killed} killed, {explained} change nothing, {survived} survive"


class Mutation:
    """Runs mutants of modules against the tests that pytest has collected.

    `only` has parts of the names of the mutants that are run, and `known` the names of those that change nothing.
    Each mutant gets tests that take at most `budget` seconds of processor time together, the promising ones first.
    """

    def __init__(
        self,
        package: Path,
        modules: Sequence[str],
        *,
        only: Sequence[str] = (),
        known: Container[str] = (),
        slowest: float = SLOWEST,
        budget: float = float("inf"),
        jobs: int = 1,
    ) -> None:
        self._paths = {name: package / f"{name.replace('.', '/')}.py" for name in modules}
        self._only = only
        self._known = known
        self._slowest = slowest
        self._budget = budget
        self._jobs = jobs
        self._kills: Counter[pytest.Item] = Counter()
        self.figures = {name: Figures() for name in modules}
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that need nothing but memory."""
        items[:] = [item for item in items if _is_quick(item)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Note the lines of each test, then run the mutants."""
        lines = self._lines_of(session.items)
        mutants = [
            (mutant, lines[module, mutant.statement])
            for module, path in self._paths.items()
            for mutant in mutants_of(path, module)
            if not self._only or any(part in mutant.name for part in self._only)
        ]
        workers = [_worker(self._judge_all, mutants[number :: self._jobs]) for number in range(self._jobs)]
        results = [worker() for worker in workers]
        for number, (mutant, _) in enumerate(mutants):
            self._note(mutant, bool(results[number % self._jobs][number // self._jobs]))
        for module, figures in self.figures.items():
            print(f"{module}: {figures}", flush=True)
        return True

    def _judge_all(self, mutants: Sequence[_Case]) -> Iterator[bool]:
        """Yield for each mutant true if a test notices it."""
        for mutant, tests in mutants:
            ordered = self._promising_first(tests)
            total = accumulate(tests[test] for test in ordered)
            ordered = [test for test, used in zip(ordered, total, strict=True) if used < self._budget]
            killer = _killer_of(mutant, ordered, seconds=LIMIT + 3 * sum(tests[test] for test in ordered))
            if killer is not None:
                self._kills[killer] += 1
            elif mutant.name not in self._known:
                print(f"SURVIVED: line {mutant.line} of {mutant.name} ({len(tests)} tests)", flush=True)
            yield killer is not None

    def _promising_first(self, tests: Tests) -> list[pytest.Item]:
        """Return first those that have killed other mutants, then the quickest of each file, then the next ones."""
        by_cost = sorted(tests, key=lambda test: (tests[test] + 0.01) / (1 + self._kills[test]))
        turns: Counter[Path] = Counter()
        ranks: dict[pytest.Item, int] = {}
        for test in by_cost:
            turns[test.path] += 1
            ranks[test] = 0 if self._kills[test] else turns[test.path]
        return sorted(by_cost, key=ranks.__getitem__)

    def _note(self, mutant: Mutant, is_killed: bool) -> None:
        figures = self.figures[mutant.file]
        survived = figures.explained if mutant.name in self._known else figures.survived
        (figures.killed if is_killed else survived).append(mutant)

    def _lines_of(self, items: list[pytest.Item]) -> dict[tuple[str, int], Tests]:
        """Run every test once; return the tests of each line, with the time that each takes."""
        found: dict[tuple[str, int], Tests] = defaultdict(dict)
        seen: set[tuple[str, int]] = set()
        with ExitStack() as stack:
            for module, path in self._paths.items():
                stack.enter_context(_marked(module, path, seen))
            for item in items:
                seen.clear()
                began = time.process_time()
                passed = _runs(item)
                took = time.process_time() - began
                if not passed:
                    self.failed.append(item.nodeid)
                elif took < self._slowest:
                    for place in seen:
                        found[place][item] = took
        return found


@contextmanager
def _marked(module: str, path: Path, seen: set[tuple[str, int]]) -> Iterator[None]:
    """Let the functions of a module note the lines of the statements that they run."""
    imported = importlib.import_module(f"kick.{module}")
    functions = [each for same in _functions_of(imported).values() for each in same]
    codes = [each.__code__ for each in functions]
    setattr(imported, _MARK, lambda line: seen.add((module, line)))
    apply(module, marked(path, _MARK))
    try:
        yield
    finally:
        for function, code in zip(functions, codes, strict=True):
            function.__code__ = code
        delattr(imported, _MARK)


def _is_quick(item: pytest.Item) -> bool:
    if any(item.get_closest_marker(name) for name in ELSEWHERE) or "three" in item.name:
        return False
    values = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return not any(isinstance(value, str) and value in OTHER_STORES for value in values)


def _runs(item: pytest.Item, following: pytest.Item | None = None) -> bool:
    """Run a test without a word; return true if it passed."""
    return all(report.passed or report.skipped for report in runtestprotocol(item, log=False, nextitem=following))


def _worker(judge: Callable[[Sequence[_Case]], Iterator[bool]], cases: Sequence[_Case]) -> Callable[[], bytes]:
    """Judge cases in another process; return a function that waits for the results, one byte for each."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            for result in judge(cases):
                os.write(writing, bytes([result]))
        finally:
            os._exit(0)
    os.close(writing)
    return lambda: _rest_of(reading)


def _rest_of(descriptor: int) -> bytes:
    """Read a pipe until the process at its other end has ended."""
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()


def _killer_of(mutant: Mutant, tests: Sequence[pytest.Item], *, seconds: float) -> pytest.Item | None:
    """Return the first test that notices the mutant."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process
            _end_when_idle()
            apply(mutant.file, mutant.code)
            for test in tests:
                os.write(writing, b".")
                if not _runs(test):
                    os._exit(1)
            os.write(writing, b".")
        finally:
            os._exit(1)
    os.close(writing)
    begun = len(_rest_of(reading))
    os.waitpid(child, 0)
    return None if begun > len(tests) else tests[max(begun - 1, 0)]


def _end_when_idle() -> None:
    """End this process once it waits for nothing that comes. One that waits for a processor works when it has one."""
    before, idle = time.process_time(), 0

    def look(*_: object) -> None:
        nonlocal before, idle
        now = time.process_time()
        idle = idle + 1 if now - before < 0.001 else 0
        before = now
        if idle >= WAIT:
            os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)


def apply(module: str, code: types.CodeType) -> None:
    """Give the functions of a module the code that they have in another version of the module."""
    functions = _functions_of(importlib.import_module(f"kick.{module}"))
    for each in _codes_of(code):
        for function in functions.get(each.co_qualname, []):
            function.__code__ = each


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
