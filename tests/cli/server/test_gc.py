"""The garbage collector under `kick start` and `kick dev`."""

import gc
from pathlib import Path
from typing import Any

import pytest

from kick.cli.server.gc import OBJECTS
from tests.cli.support import get, running
from tests.support.ports import HOST, free_port
from tests.support.serving import ROOT

REPORT = """
import gc

@Controller("/collector")
class CollectorController:
    @Get("/")
    async def collector(self) -> dict[str, object]:
        return {"on": gc.isenabled(), "thresholds": gc.get_threshold(), "frozen": gc.get_freeze_count()}

app = bootstrap([Module("collector", controllers=[CollectorController])])
"""

AS_IT_WAS = list(gc.get_threshold())
SETTLED = [OBJECTS, *AS_IT_WAS[1:]]
FROZEN = 10_000


def collector_under(
    project: Path, more: str, *arguments: str, ready: str = "kick serves", **variables: str
) -> dict[str, Any]:
    (project / "app.py").write_text((project / "app.py").read_text() + REPORT + more)
    port = free_port()
    with running(*arguments, "--port", str(port), cwd=project, **variables) as process:
        process.wait_for(ready)
        found: dict[str, Any] = get(f"http://{HOST}:{port}/collector").json
        return found


def is_as_it_was(found: dict[str, Any], *, on: bool = True, thresholds: list[int] = AS_IT_WAS) -> bool:
    """Whether nobody has frozen anything; Python 3.12 itself does with a few hundred objects."""
    return (found["on"], found["thresholds"]) == (on, thresholds) and found["frozen"] < FROZEN


@pytest.mark.parametrize(
    "arguments",
    [(), ("--workers", "2")],
    ids=lambda arguments: " ".join(arguments) or "alone",
)
def test_in_production_it_looks_less_often_and_not_at_what_is_there_to_stay(
    project: Path, arguments: tuple[str, ...]
) -> None:
    found = collector_under(project, "", "start", *arguments)
    assert (found["on"], found["thresholds"]) == (True, SETTLED)
    assert found["frozen"] > FROZEN


@pytest.mark.parametrize(
    ("choice", "on", "thresholds"),
    [("gc.set_threshold(50_000, 20, 20)", True, [50_000, 20, 20]), ("gc.disable()", False, AS_IT_WAS)],
)
def test_what_an_application_has_chosen_is_left_alone(
    project: Path, choice: str, on: bool, thresholds: list[int]
) -> None:
    found = collector_under(project, choice, "start")
    assert is_as_it_was(found, on=on, thresholds=thresholds)


def test_what_python_was_told_before_is_not_undone(project: Path) -> None:
    (project / "sitecustomize.py").write_text("import gc; gc.set_threshold(100_000, 20, 20)")
    found = collector_under(project, "", "start", PYTHONPATH=f"{project}:{ROOT}")
    assert found["thresholds"] == [100_000, 20, 20]


def test_while_you_write_it_is_left_as_it_was(project: Path) -> None:
    found = collector_under(project, "", "dev", ready="/collector")
    assert is_as_it_was(found)
