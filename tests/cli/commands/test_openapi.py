import json
from pathlib import Path

import pytest

from tests.cli.support import APP, kick
from tests.openapi.support import checked

VERSIONS = """
@Controller("/notes")
class NoteController:
    @Get()
    async def index(self) -> list[str]: ...

app = bootstrap([Module("v1", controllers=[NoteController], version="v1"),
                 Module("v2", controllers=[NoteController], version="v2")])
"""


WITH_SESSION = """
from kick import Controller, Get, Module, RequestContext, bootstrap
from kick.session import session

@Controller("/me")
class MeController:
    @Get()
    async def show(self, ctx: RequestContext) -> str:
        return ctx.session.id

app = bootstrap(
    [Module("me", controllers=[MeController])],
    [session("a secret of at least thirty-two bytes", cookie={"prefix": "auto"})],
)
"""


def test_it_is_printed_as_json_in_any_environment(project: Path) -> None:
    runs = [kick("openapi", cwd=project, KICK_ENV=environment) for environment in ("development", "production")]
    assert [run.returncode for run in runs] == [0, 0]
    document = checked(json.loads(runs[0].stdout))
    assert list(document["paths"]) == ["/hello/{name}", "/hello/health"]
    assert json.loads(runs[1].stdout)["paths"] == document["paths"]


@pytest.mark.parametrize(
    ("environment", "cookie"),
    [
        ({}, "__Host-kick.sid"),
        ({"KICK_ENV": "production"}, "__Host-kick.sid"),
        ({"KICK_ENV": "development"}, "kick.sid"),
    ],
)
def test_it_describes_production_unless_told_otherwise(project: Path, environment: dict[str, str], cookie: str) -> None:
    (project / "app.py").write_text(WITH_SESSION)
    run = kick("openapi", cwd=project, **environment)
    assert json.loads(run.stdout)["components"]["securitySchemes"]["session"]["name"] == cookie


def test_a_file_is_written_and_compared(project: Path) -> None:
    assert kick("openapi", "--out", "openapi.json", cwd=project).returncode == 0
    text = (project / "openapi.json").read_text()
    assert text.startswith('{\n  "openapi": "3.1')
    assert kick("openapi", "--check", "openapi.json", cwd=project).returncode == 0
    (project / "openapi.json").write_text(json.dumps(json.loads(text)))
    assert kick("openapi", "--check", "openapi.json", cwd=project).returncode == 0


@pytest.mark.long
def test_a_difference_is_shown_and_fails(project: Path) -> None:
    kick("openapi", "--out", "openapi.json", cwd=project)
    (project / "app.py").write_text(APP.replace('"/{name}"', '"/{who}"').replace("name", "who"))
    run = kick("openapi", "--check", "openapi.json", cwd=project)
    assert run.returncode == 1
    assert '-    "/hello/{name}": {' in run.stdout.splitlines()
    assert '+    "/hello/{who}": {' in run.stdout.splitlines()
    assert "openapi-differs" in run.stderr
    assert "kick openapi --out openapi.json" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.long
@pytest.mark.parametrize("text", [None, "no JSON", "\udcff"])
def test_a_file_that_is_none(project: Path, text: str | None) -> None:
    if text is not None:
        (project / "openapi.json").write_text(text, errors="surrogateescape")
    run = kick("openapi", "--check", "openapi.json", cwd=project)
    assert run.returncode == 1
    assert "kick openapi --out openapi.json" in run.stderr


@pytest.mark.long
def test_a_version_of_several(project: Path) -> None:
    (project / "app.py").write_text(APP + VERSIONS)
    assert list(json.loads(kick("openapi", cwd=project).stdout)["paths"]) == ["/v2/notes"]
    assert list(json.loads(kick("openapi", "--api-version", "v1", cwd=project).stdout)["paths"]) == ["/v1/notes"]
    run = kick("openapi", "--api-version", "v3", cwd=project)
    assert (run.returncode, "`v1`, `v2`" in run.stderr) == (1, True)
