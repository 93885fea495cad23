import asyncio
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from kick.cli.commands.shell import Cancellation, Runner
from tests.cli.support import KICK, environment, kick
from tests.support.terminal import Terminal

APP = """\
from collections.abc import AsyncIterator

from kick import Provider, Service, bootstrap

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

app = bootstrap([], providers=[Provider(Log, open_log, scope="singleton")])
"""

ENDLESS = """
import asyncio

async def connect() -> dict[str, str]:
    print("connecting", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        print("given up", flush=True)

app = bootstrap([], providers=[connect])
"""
"""Added to `APP`, it is an application that never ends starting."""


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


@pytest.mark.long
def test_what_runs_in_the_background_goes_on(folder: Path) -> None:
    run = shell(folder, "task = asyncio.create_task(asyncio.sleep(0, 'done'))\nprint(await task)")
    assert "done" in run.stdout


@pytest.mark.long
def test_a_mistake_is_shown_without_the_frames_of_kick_and_fails(folder: Path) -> None:
    run = shell(folder, "print('before')\n1 / 0")
    assert run.returncode == 1
    assert run.stdout.splitlines() == ["opened", "before", "closed"]
    trace = run.stderr.strip().splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "ZeroDivisionError: division by zero"
    assert "kick/cli" not in run.stderr
    assert shell(folder, "x = (").returncode == 1


@pytest.mark.long
def test_an_exit_code_is_handed_on(folder: Path) -> None:
    run = shell(folder, "raise SystemExit(3)")
    assert run.returncode == 3
    assert "closed" in run.stdout


@pytest.mark.long
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


# Ctrl-C while a task is being started


INTERRUPTING = """\
import signal
from anyio.from_thread import BlockingPortal

start = BlockingPortal.start_task_soon

def start_and_interrupt(self, function, *arguments, **named):
    future = start(self, function, *arguments, **named)
    if any("sleep" in getattr(each, "co_names", ()) for each in arguments):
        signal.raise_signal(signal.SIGINT)
    return future

BlockingPortal.start_task_soon = start_and_interrupt
"""
"""In a process whose code says `sleep`: Ctrl-C lands when its task was started, and nobody has its future yet."""


def test_ctrl_c_before_there_is_a_future_cancels_what_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    start = BlockingPortal.start_task_soon
    ended = threading.Event()
    interrupts = iter([KeyboardInterrupt])

    def start_and_interrupt(portal: BlockingPortal, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = start(portal, function, *arguments)
        for interrupt in interrupts:
            raise interrupt
        return future

    source = "try:\n    await sleep(3600)\nfinally:\n    ended.set()"
    with start_blocking_portal() as portal:
        monkeypatch.setattr(BlockingPortal, "start_task_soon", start_and_interrupt)
        runner = Runner(portal, {"sleep": asyncio.sleep, "ended": ended})
        assert not runner.run_source(source)
        assert ended.wait(30)
        assert runner.run_source("ended.clear()")  # the next line is run
    assert not ended.is_set()


async def test_a_call_that_is_cancelled_before_it_begins_never_begins() -> None:
    begun = []

    async def begin() -> None:
        begun.append(1)

    cancellation = Cancellation()
    cancellation.ask()
    assert await cancellation.cover(begin) is None
    assert begun == []


def test_the_shell_ends_after_ctrl_c_wherever_it_landed(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text(INTERRUPTING)
    paths = f"{environment()['PYTHONPATH']}:{folder}"
    env = environment(XDG_STATE_HOME=str(folder / "state"), TERM="dumb", PYTHONPATH=paths)
    with Terminal([sys.executable, "-m", "kick.cli", "shell"], folder, env) as terminal:
        terminal.wait_for(">>> ")
        terminal.type("await asyncio.sleep(3600)\n")
        terminal.wait_for("KeyboardInterrupt")
        terminal.wait_for(">>> ")
        terminal.type("\x04")
        terminal.wait_for("closed")
        assert terminal.end() == 0


@pytest.mark.long
def test_ctrl_c_while_the_application_starts_ends_it(folder: Path) -> None:
    (folder / "app.py").write_text(APP + ENDLESS)
    env = environment(XDG_STATE_HOME=str(folder / "state"), TERM="dumb")
    with Terminal([sys.executable, "-m", "kick.cli", "shell"], folder, env) as terminal:
        terminal.wait_for("connecting")
        terminal.type("\x03")
        terminal.wait_for("given up")
        assert terminal.end() != 0
