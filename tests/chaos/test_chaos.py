"""The short form of `make chaos`: a few clients, a few faults, nothing wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.client import Known
from tests.chaos.run import run
from tests.chaos.stores import STORES

SHORT = ("redis", "sqlite")
"""The stores of the long tier; the others are nightly."""


@pytest.mark.long
@pytest.mark.process
@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.parametrize(
    "store", [each if each in SHORT else pytest.param(each, marks=pytest.mark.nightly) for each in STORES]
)
async def test_nothing_is_lost_revived_or_mixed_up(store: str, tmp_path: Path) -> None:
    # Two seconds are the promise, which `make chaos` holds. It is longer here, because other tests run beside this one.
    most_recovery = 15.0 if store in SHORT else 60.0
    report = await run(
        store, tmp_path, seconds=13.0, clients=8, every=4.0, seed=20_261_129, most_recovery=most_recovery
    )
    assert report.problems == []
    assert sum(report.faults.values()) >= 1  # two or three, unless the machine is busy
    assert min(report.tally.answered[kind] for kind in ("write", "modify", "increment", "read", "logout")) > 0


def known() -> Known:
    found = Known("c1.1", values={"k1": "c1.1-5"}, items={"c1.1-2"}, count=3)
    found.perhaps["k1"] = {"c1.1-6"}
    return found


SEEN = {"user": "c1.1", "values": {"k1": "c1.1-5"}, "items": ["c1.1-2"], "count": 3}


@pytest.mark.parametrize("seen", [SEEN, {**SEEN, "values": {"k1": "c1.1-6"}}])
def test_what_may_be_there_is_no_fault(seen: dict[str, object]) -> None:
    assert known().faults(seen) == []


@pytest.mark.parametrize(
    "seen",
    [
        {**SEEN, "user": None},
        {**SEEN, "user": "c2.1"},
        {**SEEN, "values": {}},
        {**SEEN, "values": {"k1": "c1.1-4"}},
        {**SEEN, "values": {"k1": "c1.1-5", "k2": "c2.1-1"}},
        {**SEEN, "items": []},
        {**SEEN, "items": ["c1.1-2", "c1.1-2"]},
        {**SEEN, "items": ["c1.1-2", "c1.1-9"]},
        {**SEEN, "count": 2},
        {**SEEN, "count": 4},
    ],
)
def test_a_lost_or_strange_value_is_found(seen: dict[str, object]) -> None:
    assert len(known().faults(seen)) == 1
