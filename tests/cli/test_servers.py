"""The other servers of `kick start`: each serves, keeps sessions, and ends when it is told to."""

from pathlib import Path

import pytest

from tests.cli.support import FAILING, Browser, kick, running
from tests.cli.test_serving import APP as ENDS
from tests.cli.test_serving import Client, is_whole
from tests.support.ports import HOST, free_port

COUNTER = """
@Controller("/count")
class CountController:
    @Get("/")
    async def count(self, ctx: RequestContext) -> int:
        return await ctx.session.increment("count")

app = bootstrap(
    [HelloModule, Module("count", controllers=[CountController])],
    [session("a secret of at least thirty-two bytes", store="sqlite:///sessions.db")],
)
"""


every_server = pytest.mark.parametrize("server", ["granian", "hypercorn"])


@pytest.mark.parametrize("workers", ["1", "2"])
@every_server
def test_it_serves_with_sessions_and_ends_well(project: Path, server: str, workers: str) -> None:
    (project / "app.py").write_text((project / "app.py").read_text() + COUNTER)
    port = free_port()
    arguments = ("--server", server, "--workers", workers, "--graceful-timeout", "2", "--port", str(port))
    with running("start", *arguments, cwd=project) as process:
        process.wait_for(f"worker{'s' * (workers == '2')}, {server}")
        browser = Browser(f"http://{HOST}:{port}")
        assert [browser.get("/count").json for _ in range(3)] == [1, 2, 3]
        answer = browser.get("/hello/Ada").json
        assert answer["environment"] == "production"
        process.wait_for("200  GET      /hello/Ada")
        process.process.terminate()
        assert process.end() == 0
        assert "Traceback" not in process.output


@every_server
def test_an_application_that_does_not_start_says_why_in_an_exit_code_too(project: Path, server: str) -> None:
    (project / "app.py").write_text((project / "app.py").read_text() + FAILING)
    with running("start", "--server", server, "--port", str(free_port()), cwd=project) as process:
        assert process.end(seconds=30) == 1
        assert "no database" in process.output
        reports = process.output.count("error  start-failed")
        assert reports == {"hypercorn": 1, "granian": 2}[server]  # granian tries it twice
        assert "fix  " in process.output
        assert "Traceback" not in process.output


@every_server
def test_a_stream_that_heeds_the_end_ends_well_and_before_the_time_is_up(tmp_path: Path, server: str) -> None:
    (tmp_path / "app.py").write_text(ENDS)
    port = free_port()
    arguments = ("--server", server, "--graceful-timeout", "600", "--port", str(port))
    with running("start", *arguments, cwd=tmp_path) as process:
        process.wait_for(f", {server}")
        with Client(f"http://{HOST}:{port}", "/heeds", until=b"begun") as client:
            process.process.terminate()
            received = client.read()
        assert b"goodbye" in received
        assert is_whole(received)
        assert process.end(seconds=30) == 0
        assert "pool closed" in process.output
        assert "Traceback" not in process.output


def test_granian_is_asked_for_no_drain(project: Path) -> None:
    run = kick("start", "--server", "granian", "--drain", "5", "--port", str(free_port()), cwd=project)
    assert run.returncode == 2
    assert "granian knows no --drain: leave it out, or take another --server." in run.stderr
