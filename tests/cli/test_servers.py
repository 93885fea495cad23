"""The other servers of `kick start`: each serves, keeps sessions, and ends when it is told to."""

from pathlib import Path

import pytest

from tests.cli.support import FAILING, Browser, running
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


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("server", ["granian", "hypercorn"])
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


def test_an_application_that_does_not_start_is_an_exit_code(project: Path) -> None:
    (project / "app.py").write_text((project / "app.py").read_text() + FAILING)
    with running("start", "--server", "hypercorn", "--port", str(free_port()), cwd=project) as process:
        assert process.end(seconds=30) == 1
        assert "no database" in process.output
