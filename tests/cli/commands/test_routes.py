import json
import re
from pathlib import Path

import pytest

from tests.cli.support import APP, SOCKETS, kick

MIDDLEWARE = """
from kick import Use

async def timing(ctx, call_next):
    return await call_next(ctx)

def limited(most):
    async def limit(ctx, call_next):
        return await call_next(ctx)
    return limit

@Use(limited(3))
@Controller("/notes")
class NotesController:
    @Use(timing)
    @Get("/", name="all notes")
    async def index(self) -> list[str]:
        return []

app = bootstrap([HelloModule, Module("notes", controllers=[NotesController], prefix="/api")],
                [session("a secret of at least thirty-two bytes")])
"""


def test_every_route_is_listed_with_what_runs_around_it(project: Path) -> None:
    (project / "app.py").write_text(APP + MIDDLEWARE)
    run = kick("routes", cwd=project)
    assert run.returncode == 0
    heading, *rows = run.stdout.strip().splitlines()
    assert heading.split() == ["method", "path", "handler", "session", "middleware"]
    assert [row.split(maxsplit=4) for row in rows[:2]] == [
        ["GET", "/hello/{name}", "HelloController.hello", "on", "security_headers, session"],
        ["GET", "/hello/health", "HelloController.health", "off", "security_headers"],
    ]
    assert rows[2].split(maxsplit=2)[:2] == ["GET", "/api/notes"]
    assert re.search(r" all notes +on +security_headers, session, limited, timing$", rows[2])


@pytest.mark.long
def test_verbose_prints_each_chain_a_step_a_line(project: Path) -> None:
    (project / "app.py").write_text(APP + MIDDLEWARE)
    run = kick("routes", "-v", cwd=project)
    assert run.returncode == 0
    [chain] = [each for each in run.stdout.strip().split("\n\n") if " /api/notes " in each]
    head, *steps = [line.split(maxsplit=1) for line in chain.splitlines()]
    assert head == ["GET", "/api/notes  module notes"]
    outer = [["application", "security_headers"], ["application", "session"]]
    assert steps[:4] == [*outer, ["route", "limited"], ["route", "timing"]]
    assert steps[4][0] == "handler"
    assert re.fullmatch(r"NotesController\.index\(\) at app\.py:\d+", steps[4][1])


def test_the_session_of_a_route_is_shown_where_another_middleware_keeps_its_layer(project: Path) -> None:
    (project / "app.py").write_text(
        """
from kick import Controller, Get, Module, RequestContext, bootstrap
from kick.session import session

@Controller("/photos")
class Photos:
    @Get("/on")
    async def on(self, ctx: RequestContext) -> str: return ctx.session.id

    @Get("/off", session=False)
    async def off(self) -> str: return ""

    @Get("/passive", session="passive")
    async def passive(self, ctx: RequestContext) -> str: return str(ctx.session.is_new)

async def uses_session(ctx, call_next): return await call_next(ctx)

layers = [session("a secret of at least thirty-two bytes"), uses_session]
app = bootstrap([Module("photos", controllers=[Photos])], layers, openapi=False)
"""
    )
    run = kick("routes", "app:app", "--json", cwd=project)
    assert {each["path"]: each["session"] for each in json.loads(run.stdout)} == {
        "/photos/on": True,
        "/photos/off": False,
        "/photos/passive": "passive",
    }
    shown = kick("routes", cwd=project).stdout
    assert [line.split()[3] for line in shown.strip().splitlines()[1:]] == ["on", "off", "passive"]


def test_json_is_for_programs(project: Path) -> None:
    (project / "app.py").write_text(APP + MIDDLEWARE)
    run = kick("routes", "app:app", "--json", cwd=project, FORCE_COLOR="1")
    assert json.loads(run.stdout)[2] == {
        "method": "GET",
        "path": "/api/notes",
        "handler": "all notes",
        "module": "notes",
        "session": True,
        "middleware": ["security_headers", "session", "limited", "timing"],
    }


@pytest.mark.long
def test_an_application_without_routes_says_so(project: Path) -> None:
    (project / "app.py").write_text("from kick import bootstrap\napp = bootstrap([])\n")
    assert kick("routes", cwd=project).stdout.strip() == "no routes yet"
    assert kick("routes", "--json", cwd=project).stdout == "[]\n"


def test_a_weak_secret_is_warned_of_in_development(project: Path) -> None:
    run = kick("routes", cwd=project, SESSION_SECRET="weak")
    assert run.returncode == 0
    assert run.stderr.strip().startswith("warn   [secret-weak]")
    assert "app.py:" in run.stderr


def test_the_target_comes_from_pyproject(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.kick]\napp = "nothing:app"\n')
    run = kick("routes", cwd=project)
    assert run.returncode == 1
    assert "There is no module 'nothing'" in run.stderr


@pytest.mark.long
def test_sockets_are_listed_after_the_routes(project: Path) -> None:
    (project / "app.py").write_text(APP + SOCKETS)
    listed = kick("routes", cwd=project).stdout.strip().splitlines()
    assert listed[-1].split() == ["WS", "/chat/{room}", "ChatController.chat", "on", "security_headers,", "session"]
    assert json.loads(kick("routes", "--json", cwd=project).stdout)[-1]["method"] == "WS"
