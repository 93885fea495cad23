import subprocess
import sys

import pytest

from tests.support.serving import ROOT

pytestmark = pytest.mark.process


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_runs_several_times_beside_busy_loops(status: int) -> None:
    command = [sys.executable, "-m", "tools.busy", "--times", "2", "--loops", "1", "--"]
    run = subprocess.run(
        [*command, sys.executable, "-c", f"raise SystemExit({status})"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == min(status, 1)
    assert [line.partition(" after")[0] for line in run.stdout.splitlines()] == [
        f"run {number} of 2: exit status {status}" for number in (1, 2)
    ]
