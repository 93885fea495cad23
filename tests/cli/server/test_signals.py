"""Signals that come before `kick start` serves, and second ones; and workers whose database is down for a while."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.support import APP, KICK, Running, get, running
from tests.support.ports import HOST, free_port
from tests.support.waiting import wait_until

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])

AS_FIRST_PROCESS = ("sh", "-c", 'trap "" TERM INT; exec "$@"', "sh", *KICK)
"""A signal without a handler does nothing, as for the first process of a container."""

IMPORTING = """
import time
from pathlib import Path
Path("waits").touch()
time.sleep(600)
"""

STUBBORN = """
import time
from pathlib import Path
while True:
    try:
        Path("waits").touch()
        time.sleep(600)
    except BaseException:
        Path("heard").touch()
"""

LIFESPAN = """
import time
from contextlib import asynccontextmanager
from pathlib import Path
import anyio

@asynccontextmanager
async def lifespan(app):
    try:
        Path("waits").touch()
        {waiting}
        yield
    finally:
        Path("closed").touch()

app = bootstrap([], lifespan=lifespan)
"""

OTHER = """
import anyio
from pathlib import Path

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        Path("waits").touch()
        await anyio.sleep_forever()
"""

BUSY = """
import time
from pathlib import Path
import anyio

@Controller("/busy")
class BusyController:
    @Get("/waiting")
    async def waiting(self) -> None:
        Path("waits").touch()
        await anyio.sleep_forever()

    @Get("/blocking")
    async def blocking(self) -> None:
        Path("waits").touch()
        time.sleep(600)

    @Get("/stubborn")
    async def stubborn(self) -> None:
        Path("waits").touch()
        while True:
            try:
                await anyio.sleep(600)
            except BaseException:
                pass

app = bootstrap([Module("busy", controllers=[BusyController])])
"""

TASK = """
import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from kick.cli.server import uvicorn_server

uvicorn_server.CLEANUP = 600.0  # else the first signal alone would end the process after a while

async def stubborn():
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            Path("swallowed").touch()

@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(stubborn())
    {waiting}
    yield

app = bootstrap([HelloModule], lifespan=lifespan)
"""

DATABASE = """
from contextlib import asynccontextmanager
from pathlib import Path

@asynccontextmanager
async def lifespan(app):
    if Path("down").exists():
        raise OSError("no database")
    yield

app = bootstrap([HelloModule], [session("{secret}", store="sqlite:///sessions.db")], lifespan=lifespan)
""".replace("{secret}", "a secret of at least thirty-two bytes")


@contextmanager
def start(project: Path, *arguments: str) -> Iterator[tuple[Running, str]]:
    """`kick start`, as the first process of a container, and its URL."""
    port = free_port()
    with running("start", *arguments, "--port", str(port), cwd=project, command=AS_FIRST_PROCESS) as process:
        try:
            yield process, f"http://{HOST}:{port}"
        finally:
            if process.process.poll() is None:
                process.process.kill()


def waits(project: Path, process: Running) -> None:
    def is_there() -> bool:
        assert process.process.poll() is None, process.output
        return (project / "waits").exists()

    wait_until(is_there, "the application", timeout=30)


def ends_at_the_second_signal(process: Running, number: signal.Signals, project: Path, swallowed: str) -> None:
    """Send one signal while the application waits, and another when a file says that it has swallowed the first."""
    waits(project, process)
    process.process.send_signal(number)
    wait_until((project / swallowed).exists, "the first signal", timeout=30)
    process.process.send_signal(number)
    assert process.end() == 128 + number


class TestBeforeItServes:
    @SIGNALS
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_a_signal_during_the_import_ends_the_process(
        self, project: Path, number: signal.Signals, workers: str
    ) -> None:
        (project / "app.py").write_text(IMPORTING)
        with start(project, "--workers", workers) as (process, _):
            waits(project, process)
            process.process.send_signal(number)
            assert process.end() == 128 + number
            assert "Traceback" not in process.output

    @SIGNALS
    def test_a_second_signal_ends_an_import_that_swallows_the_first(
        self, project: Path, number: signal.Signals
    ) -> None:
        (project / "app.py").write_text(STUBBORN)
        with start(project) as (process, _):
            ends_at_the_second_signal(process, number, project, "heard")

    @SIGNALS
    def test_a_signal_during_a_start_that_hangs_closes_what_has_started(
        self, project: Path, number: signal.Signals
    ) -> None:
        (project / "app.py").write_text(APP + LIFESPAN.format(waiting="await anyio.sleep_forever()"))
        with start(project) as (process, _):
            waits(project, process)
            process.process.send_signal(number)
            assert process.end() == 128 + number
            assert (project / "closed").exists()
            assert "Traceback" not in process.output
            assert "failed" not in process.output

    def test_a_start_that_blocks_the_event_loop_ends_with_the_process(self, project: Path) -> None:
        (project / "app.py").write_text(APP + LIFESPAN.format(waiting="time.sleep(600)"))
        with start(project) as (process, _):
            waits(project, process)
            process.process.terminate()
            assert process.end() == 143
            assert "ended by force" in process.output

    def test_workers_that_hang_in_their_start_end_with_their_parent(self, project: Path) -> None:
        text = APP + LIFESPAN.format(waiting="await anyio.sleep_forever()")
        (project / "app.py").write_text(text)
        with start(project, "--workers", "2") as (process, _):
            waits(project, process)
            process.process.terminate()
            process.end()
            assert "Traceback" not in process.output

    def test_an_application_of_another_framework_is_no_different(self, project: Path) -> None:
        (project / "app.py").write_text(OTHER)
        with start(project) as (process, _):
            waits(project, process)
            process.process.terminate()
            assert process.end() == 143


class TestTheFirstSignal:
    @SIGNALS
    @pytest.mark.parametrize("workers", ["1", "2"])
    @pytest.mark.parametrize("whole_group", [False, True], ids=["process", "group"])
    def test_it_lets_requests_end_and_closes_the_application(
        self, project: Path, number: signal.Signals, workers: str, *, whole_group: bool
    ) -> None:
        (project / "app.py").write_text(APP + CLOSES)
        with start(project, "--workers", workers, "--graceful-timeout", "600") as (process, url):
            process.wait_for("kick serves")
            answers: list[int] = []
            asking = threading.Thread(target=lambda: answers.append(get(f"{url}/busy/waiting").status))
            asking.start()
            waits(project, process)
            if whole_group:
                os.killpg(process.process.pid, number)
            else:
                process.process.send_signal(number)
            wait_until(lambda: _refuses(url), "the end of new connections", timeout=30)
            (project / "may-end").touch()
            asking.join(30)
            assert process.end() == 0
            assert answers == [204]
            assert len(list(project.glob("closed-*"))) == int(workers)


class TestTheSecondSignal:
    @pytest.mark.parametrize("path", ["/busy/waiting", "/busy/blocking", "/busy/stubborn"])
    @SIGNALS
    def test_it_ends_the_process_whatever_it_is_busy_with(
        self, project: Path, path: str, number: signal.Signals
    ) -> None:
        (project / "app.py").write_text(APP + BUSY)
        with start(project, "--graceful-timeout", "600") as (process, url):
            process.wait_for("kick serves")
            threading.Thread(target=_ask, args=(url + path,), daemon=True).start()
            waits(project, process)

            def has_ended() -> bool:
                if process.process.poll() is None:
                    process.process.send_signal(number)  # two that come at once are one
                return process.process.poll() is not None

            wait_until(has_ended, "the end", timeout=60)

    @SIGNALS
    def test_it_ends_the_process_after_the_requests_have_ended_too(self, project: Path, number: signal.Signals) -> None:
        """The server has stopped by then, and the event loop waits for a task of the application."""
        (project / "app.py").write_text(APP + TASK.format(waiting=""))
        with start(project) as (process, _):
            process.wait_for("kick serves")
            process.process.send_signal(number)
            wait_until((project / "swallowed").exists, "the end of the event loop", timeout=30)
            process.process.send_signal(number)
            assert process.end() == 128 + number

    @SIGNALS
    def test_it_ends_workers_that_are_busy(self, project: Path, number: signal.Signals) -> None:
        (project / "app.py").write_text(APP + BUSY)
        with start(project, "--workers", "2", "--graceful-timeout", "600") as (process, url):
            process.wait_for("kick serves")
            threading.Thread(target=_ask, args=(url + "/busy/stubborn",), daemon=True).start()
            waits(project, process)
            process.process.send_signal(number)
            wait_until(lambda: _refuses(url), "the end of new connections", timeout=30)
            process.process.send_signal(number)
            assert process.end() == 128 + number

    @SIGNALS
    def test_it_ends_a_start_that_cannot_be_cancelled(self, project: Path, number: signal.Signals) -> None:
        (project / "app.py").write_text(APP + TASK.format(waiting='Path("waits").touch(); await stubborn()'))
        with start(project) as (process, _):
            ends_at_the_second_signal(process, number, project, "swallowed")

    def test_ctrl_c_and_the_signal_of_the_parent_are_one_to_a_worker(self, project: Path) -> None:
        (project / "app.py").write_text(APP + BUSY.replace("await anyio.sleep_forever()", WAITS_FOR_FILE))
        with start(project, "--workers", "2", "--graceful-timeout", "600") as (process, url):
            process.wait_for("kick serves")
            answers: list[int] = []
            asking = threading.Thread(target=lambda: answers.append(get(f"{url}/busy/waiting").status))
            asking.start()
            waits(project, process)
            process.press_ctrl_c()
            wait_until(lambda: _refuses(url), "the end of new connections", timeout=30)
            (project / "may-end").touch()
            asking.join(30)
            assert answers == [204]
            assert process.end() == 0


WAITS_FOR_FILE = """while not Path("may-end").exists():
            await anyio.sleep(0.02)"""

CLOSES = (
    """
import os
from contextlib import asynccontextmanager

@asynccontextmanager
async def lifespan(app):
    yield
    Path(f"closed-{os.getpid()}").touch()
"""
    + BUSY.replace("await anyio.sleep_forever()", WAITS_FOR_FILE)
).replace("controllers=[BusyController])]", "controllers=[BusyController])], lifespan=lifespan")


class TestAWorkerThatCannotBegin:
    def test_it_takes_no_healthy_one_with_it_and_is_replaced_when_it_can_begin(self, project: Path) -> None:
        (project / "app.py").write_text(APP + DATABASE)
        with start(project, "--workers", "2") as (process, url):
            process.wait_for("kick serves")
            (project / "down").touch()
            first = get(f"{url}/hello/Ada").json["pid"]
            os.kill(first, signal.SIGKILL)
            process.wait_for("did not start; the next attempt is in 1 seconds")
            process.wait_for("did not start; the next attempt is in 2 seconds")
            healthy = get(f"{url}/hello/Ada").json["pid"]
            assert healthy != first
            os.kill(healthy, signal.SIGKILL)
            (project / "down").unlink()

            def is_answered() -> bool:
                with suppress(OSError):
                    return get(f"{url}/hello/Ada").json["pid"] not in (first, healthy)
                return False

            wait_until(is_answered, "a new worker", timeout=60)
            process.process.terminate()
            assert process.end() == 0

    def test_at_the_first_start_it_ends_all(self, project: Path) -> None:
        (project / "app.py").write_text(APP + DATABASE)
        (project / "down").touch()
        with start(project, "--workers", "2") as (process, _):
            assert process.end() == 1
            assert "did not start; all workers end" in process.output


def _ask(url: str) -> None:
    with suppress(OSError):
        get(url)


def _refuses(url: str) -> bool:
    try:
        get(url)
    except ConnectionRefusedError:
        return True
    except OSError as error:
        return "refused" in str(error)
    return False
