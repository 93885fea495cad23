import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import KICK, environment, kick
from tests.support.terminal import Terminal

APP = """\
from collections.abc import AsyncIterator

from kick import Service, bootstrap

class Log:
    lines = []

@Service()
class Clock:
    def now(self):
        return 42

@Service(scope="request")
class Visit:
    def __init__(self, clock: Clock) -> None:
        self.number = clock.now()

async def open_log() -> AsyncIterator[Log]:
    print("opened")
    yield Log()
    print("closed")

app = bootstrap([], providers=[open_log])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def shell(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    return kick("shell", "-c", source, cwd=folder)


def test_what_is_provided_is_at_hand_and_cleaned_up(folder: Path) -> None:
    run = shell(folder, "from app import *\nprint((await get(Clock)).now(), (await scope.get(Visit)).number, app)")
    assert run.stdout.splitlines() == ["opened", "42 42 <kick.App with 0 routes>", "closed"]
    assert run.returncode == 0


def test_what_runs_in_the_background_goes_on(folder: Path) -> None:
    run = shell(folder, "task = asyncio.create_task(asyncio.sleep(0, 'done'))\nprint(await task)")
    assert "done" in run.stdout


def test_a_mistake_is_shown_without_the_frames_of_kick_and_fails(folder: Path) -> None:
    run = shell(folder, "print('before')\n1 / 0")
    assert run.returncode == 1
    assert run.stdout.splitlines() == ["opened", "before", "closed"]
    trace = run.stderr.strip().splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "ZeroDivisionError: division by zero"
    assert "kick/cli" not in run.stderr
    assert shell(folder, "x = (").returncode == 1


def test_an_exit_code_is_handed_on(folder: Path) -> None:
    run = shell(folder, "raise SystemExit(3)")
    assert run.returncode == 3
    assert "closed" in run.stdout


def test_a_script_may_come_through_a_pipe(folder: Path) -> None:
    run = subprocess.run(
        [*KICK, "shell"],
        cwd=folder,
        env=environment(),
        input="for number in range(2):\n    print(number)\nprint(await asyncio.sleep(0, 'end'))\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.splitlines() == ["opened", "0", "1", "end", "closed"]


def test_a_prompt_awaits_goes_on_after_mistakes_and_keeps_its_lines(folder: Path) -> None:
    env = environment(XDG_STATE_HOME=str(folder / "state"), TERM="dumb")
    with Terminal([sys.executable, "-m", "kick.cli", "shell"], folder, env) as terminal:
        terminal.wait_for(">>> ")
        terminal.type("from app import Clock\n")
        terminal.wait_for(">>> ")
        terminal.type("clock = await get(Clock)\n")
        terminal.wait_for(">>> ")
        terminal.type("clock.now() + 1\n")
        terminal.wait_for("43")
        terminal.type("clock.never()\n")
        terminal.wait_for("AttributeError")
        terminal.type("print('it ' + 'runs') or await asyncio.sleep(3600)\n")
        terminal.wait_for("it runs")
        terminal.type("\x03")
        terminal.wait_for("KeyboardInterrupt")
        terminal.type("'still ' + 'here'\n")
        terminal.wait_for("still here")
        terminal.wait_for(">>> ")
        terminal.type("\x04")
        terminal.wait_for("closed")
        assert terminal.end() == 0
    history = folder / "state" / "kick" / "history"
    assert "clock = await get(Clock)" in history.read_text()
    assert stat.S_IMODE(history.parent.stat().st_mode) == 0o700


def test_without_an_application_it_says_so(tmp_path: Path) -> None:
    run = kick("shell", "-c", "1", cwd=tmp_path)
    assert run.returncode == 1
    assert "error  target-missing" in run.stderr
