"""The short form of `make soak`, and the judgement of its figures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.soak.held import Held
from tests.soak.run import Report, run
from tests.soak.visitors import Tally

HELD = Held(resident=50_000, proportional=40_000, descriptors=15, threads=3, tasks=3, objects=7_000, blocks=200_000)


@pytest.mark.long
@pytest.mark.process
async def test_what_visitors_used_is_given_back(tmp_path: Path) -> None:
    # In so short a time the allocator has not settled: the memory grows by a few per cent.
    report = await run(
        tmp_path / "log", seconds=12.0, warm_up=6.0, settle=2.0, sessions=0, acts=0, visitors=10, most_growth=0.3
    )
    assert report.problems == []
    assert min(report.tally.done[name] for name in ("upload", "socket", "left in a download", "slow to read")) > 0


@pytest.mark.nightly
@pytest.mark.process
async def test_a_leak_is_found(tmp_path: Path) -> None:
    report = await run(
        tmp_path / "log",
        seconds=10.0,
        warm_up=5.0,
        settle=1.0,
        sessions=0,
        acts=0,
        visitors=10,
        target="tests.soak.leaking:app",
        patience=1.0,
    )
    assert report.before is not None
    assert report.after is not None
    assert report.growth > 0.1  # it is eight times that, unless the machine is busy
    assert report.after.tasks > report.before.tasks + 10
    assert report.after.descriptors > report.before.descriptors + 10
    assert any("memory grew" in problem for problem in report.problems)


def report(after: Held, *, tracebacks: int = 0) -> Report:
    return Report(60.0, 10, 0.01, Tally(), [50_000], tracebacks, HELD, after)


def test_less_than_before_or_a_little_more_memory_is_no_problem() -> None:
    assert report(HELD).problems == []
    assert report(dataclasses.replace(HELD, proportional=40_399, tasks=2, descriptors=1)).problems == []


def test_without_the_pss_the_rss_counts() -> None:
    before = dataclasses.replace(HELD, proportional=0)
    found = dataclasses.replace(report(HELD), before=before, after=dataclasses.replace(before, resident=51_000))
    assert found.growth == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (dataclasses.replace(HELD, proportional=40_401), "memory grew by 1.00%"),
        (dataclasses.replace(HELD, tasks=4), "4 tasks, and 3 after the warm-up"),
        (dataclasses.replace(HELD, descriptors=16), "16 descriptors, and 15 after the warm-up"),
    ],
)
def test_growth_is_a_problem(after: Held, problem: str) -> None:
    (found,) = report(after).problems
    assert found.startswith(problem)


def test_faults_and_tracebacks_are_problems() -> None:
    found = report(HELD, tracebacks=2)
    found.tally.faults.append("page: AssertionError('500')")
    assert found.problems == ["page: AssertionError('500')", "2 tracebacks in the log"]
