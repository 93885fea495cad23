"""A plugin of pytest that fails a test which starts a process, and is in no tier of tests that may."""

import sys
from collections.abc import Generator
from multiprocessing.process import BaseProcess

import pytest

MULTIPROCESSING = "multiprocessing.Process.start"
EVENTS = frozenset(
    {MULTIPROCESSING, "subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
)
"""Events of `sys.addaudithook` that say that a process is started, and one of this module's own."""

TIERS = frozenset({"process", "redis", "postgres", "browser", "project", "chaos", "long", "nightly"})
"""The tiers of tests that may."""


class Starts:
    """Notes what the tests of no such tier start."""

    def __init__(self) -> None:
        self._is_watching = False
        self._started: list[str] = []
        self._start = BaseProcess.start
        sys.addaudithook(self._note)

    def pytest_configure(self) -> None:
        """Wrap the public `Process.start`: methods of multiprocessing other than `fork` have no audit event."""
        start, note = self._start, self._note

        def noted(process: BaseProcess) -> None:
            note(MULTIPROCESSING, (process.name,))
            start(process)

        BaseProcess.start = noted  # type: ignore[method-assign]

    def pytest_unconfigure(self) -> None:
        BaseProcess.start = self._start  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        self._started = []
        self._is_watching = TIERS.isdisjoint(mark.name for mark in item.iter_markers())
        try:
            return (yield)
        except BaseException:
            self._is_watching = False
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None]:
        try:
            yield
        finally:
            self._is_watching = False
        if self._started:
            pytest.fail(
                f"it starts {', '.join(self._started)}: mark it with `process`, or name its file in "
                "tests/support/tiers.py",
                pytrace=False,
            )

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._is_watching and event in EVENTS:
            self._started.append(f"{event}({arguments[0] if arguments else ''})")
