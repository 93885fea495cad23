"""The pytest plugin in the projects of users: with the plugins of others, in parallel, and without a cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.process

APP = """
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from kick import App, Controller, Get, Module, RequestContext, bootstrap
from kick.auth import Authenticated, Roles
from kick.session import session

@Controller("")
class Pages:
    @Get("/visits")
    async def visits(self, ctx: RequestContext) -> int:
        return await ctx.session.increment("visits")

    @Authenticated()
    @Get("/me")
    async def me(self, ctx: RequestContext) -> list[str | None]:
        return [ctx.session.principal, *STARTED]

    @Roles("admin")
    @Get("/admin")
    async def admin(self) -> str:
        return os.environ["KICK_ENV"]

    @Get("/broken")
    async def broken(self) -> None:
        raise LookupError

STARTED: list[str] = []

@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    STARTED.append("started")
    yield
    STARTED.remove("started")

def make() -> App:
    module = Module("pages", controllers=[Pages])
    layer = session("a secret of at least thirty-two bytes", store="sqlite:///unused.db")
    return bootstrap([module], [layer], lifespan=lifespan)

app = make()
"""

TESTS = """
import pytest
from kick.testing import TestClient

@pytest.mark.parametrize("number", range(4))
def test_each_test_has_its_own_sessions(client, login, number):
    assert client.get("/visits").json() == 1
    assert client.sessions.of(7) == []
    assert login(7) is client
    assert client.get("/me").json() == ["7", "started"]
    assert len(client.sessions.of(7)) == 1

def test_time_passes(client, login, travel):
    login(7)
    with travel(hours=25):
        assert client.get("/me").status_code == 401

@pytest.mark.kick_login(7, roles=["admin"])
def test_the_marker_logs_in(client):
    assert client.get("/admin").json() == "test"

@pytest.mark.kick(raise_exceptions=False)
class TestQuiet:
    def test_the_marker_is_of_a_class(self, client):
        assert client.get("/broken").status_code == 500

    @pytest.mark.kick(origin=None, headers={"x-a": "b"})
    def test_the_nearest_marker_adds_to_it(self, client):
        assert client.get("/broken").status_code == 500
        assert client.headers["x-a"] == "b"

def test_errors_are_raised(client):
    with pytest.raises(LookupError):
        client.get("/broken")

def test_an_application_of_the_test(app):
    assert TestClient(app).get("/visits").json() == 1
"""

ASYNC = """
import asyncio
import pytest

{mark}
async def test_it_runs_in_the_loop_of_the_test(async_client):
    await async_client.login(7)
    assert (await async_client.get("/me")).json() == ["7", "started"]

{mark}
class TestClass:
    async def test_a_method(self, async_client):
        assert (await async_client.get("/visits")).json() == 1

{fixture}
async def ada(async_client):
    async with async_client:
        await async_client.login("ada")
        yield async_client

{mark}
async def test_a_fixture_logs_in(ada):
    assert (await ada.get("/me")).json() == ["ada", "started"]

def test_nothing_is_left():
    import app
    assert app.STARTED == []
"""

SEEN = """
import psycopg
import pytest

def tables():
    with psycopg.connect("{url}") as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'"
        return [name for (name,) in connection.execute(query)]

def test_it_has_a_table(client):
    client.login(7)
    (name,) = tables()
    assert name.startswith("sessions_")

@pytest.mark.asyncio
async def test_a_coroutine_has_one(async_client):
    await async_client.login(7)
    assert len(await async_client.sessions.of(7)) == len(tables()) == 1

def test_it_needs_none(app):
    assert tables() == []
"""

SCOPE = 'asyncio_default_fixture_loop_scope = "function"'
"""Without it, pytest-asyncio warns."""


def project(folder: Path, tests: str, options: str = "") -> None:
    (folder / "app.py").write_text(APP)
    (folder / "test_it.py").write_text(tests)
    (folder / "pyproject.toml").write_text(
        f'[tool.kick]\napp = "app:app"\n[tool.pytest.ini_options]\npythonpath = ["."]\n'
        f'addopts = ["--strict-markers", "--strict-config"]\nfilterwarnings = ["error"]\n{options}\n'
    )


DEAR = ("schemathesis", "faker")
"""Plugins of the environment that have nothing to do with it, and take half of the time."""


def run(folder: Path, *arguments: str, without: str = "asyncio") -> str:
    """Run pytest as a user does, without some plugins; return what it says."""
    plugins = [f"-pno:{name}" for name in ("cacheprovider", without, *DEAR)]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_fixtures_and_markers(tmp_path: Path) -> None:
    project(tmp_path, TESTS)
    assert "10 passed" in run(tmp_path)
    assert not (tmp_path / "unused.db").exists()


@pytest.mark.long
def test_workers_of_xdist_do_not_meet(tmp_path: Path) -> None:
    project(tmp_path, TESTS, 'kick_session_store = "sqlite://"')
    assert "10 passed" in run(tmp_path, "-n", "2")


@pytest.mark.long
@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_server_has_a_part_for_each_test(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(f"{kind}_url").partition("?")[0]
    project(tmp_path, TESTS, f'kick_session_store = "{url}"')
    assert "10 passed" in run(tmp_path, "-n", "2")


@pytest.mark.long
@pytest.mark.parametrize("environment", ["test", "production"])
def test_the_tables_of_tests_are_dropped(
    tmp_path: Path, environment: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KICK_ENV", environment)
    name = postgres_server.new_table()
    postgres_server.run(f"CREATE SCHEMA {name}")
    url = f"{postgres_server.url}?table={name}.sessions&max_connections=2"
    project(tmp_path, SEEN.format(url=postgres_server.url, schema=name), f'{SCOPE}\nkick_session_store = "{url}"')
    assert "3 passed" in run(tmp_path, without="anyio")
    assert tables_in(postgres_server, name) == []


def tables_in(server: PostgresServer, schema: str) -> list[str]:
    return [table for (table,) in server.run("SELECT tablename FROM pg_tables WHERE schemaname = %s", schema)]


@pytest.mark.long
def test_the_store_of_the_application_is_used_if_asked_for(tmp_path: Path) -> None:
    project(tmp_path, "def test_it(client): client.login(7)", 'kick_session_store = "application"')
    assert "1 passed" in run(tmp_path)
    assert (tmp_path / "unused.db").exists()


@pytest.mark.long
@pytest.mark.parametrize(
    ("plugin", "mark", "fixture", "options"),
    [
        ("asyncio, strict", "@pytest.mark.asyncio", "import pytest_asyncio\n@pytest_asyncio.fixture", SCOPE),
        pytest.param("asyncio, auto", "", "@pytest.fixture", f'{SCOPE}\nasyncio_mode = "auto"', marks=pytest.mark.long),
        ("anyio", "@pytest.mark.anyio", "@pytest.fixture", ""),
        pytest.param("anyio, auto", "", "@pytest.fixture", 'anyio_mode = "auto"', marks=pytest.mark.long),
    ],
    ids=lambda value: value if value.partition(",")[0] in ("asyncio", "anyio") else "",
)
def test_asynchronous_tests_of_every_plugin(tmp_path: Path, plugin: str, mark: str, fixture: str, options: str) -> None:
    backend = '\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
    project(tmp_path, ASYNC.format(mark=mark or "# no mark", fixture=fixture) + backend, options)
    assert "4 passed" in run(tmp_path, without="asyncio" if plugin.startswith("anyio") else "anyio")


BOTH = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.asyncio
@pytest.mark.parametrize("user", range(4))
async def test_of_pytest_asyncio(async_client, user):
    await async_client.login(user)
    assert (await async_client.get("/me")).json() == [str(user), "started"]

@pytest.mark.anyio
@pytest.mark.parametrize("user", range(4))
async def test_of_anyio(async_client, user):
    await async_client.login(user)
    assert (await async_client.get("/me")).json() == [str(user), "started"]

@pytest.mark.parametrize("user", range(4))
def test_without_a_loop(client, login, user):
    assert login(user).get("/me").json() == [str(user), "started"]
"""


@pytest.mark.long
def test_the_plugins_work_together_and_with_workers_of_xdist(tmp_path: Path) -> None:
    project(tmp_path, BOTH, f'{SCOPE}\nkick_session_store = "sqlite://"')
    assert "12 passed" in run(tmp_path, "-n", "2", without="nothing")


@pytest.mark.long
def test_a_factory_makes_an_application_for_each_test(tmp_path: Path) -> None:
    tests = "SEEN = []\ndef test_a(app): SEEN.append(app)\ndef test_b(app): assert app not in SEEN"
    for named in ("app:make", "app:make()"):
        project(tmp_path, tests, f'kick_app = "{named}"')
        assert "2 passed" in run(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(
    ("named", "cause"),
    [
        ("", "No application is named"),
        pytest.param("nothing:app", "no module 'nothing'", marks=pytest.mark.long),
        pytest.param("other:nothing", "other has no 'nothing'", marks=pytest.mark.long),
    ],
)
def test_an_application_that_is_not_there_is_told(tmp_path: Path, named: str, cause: str) -> None:
    project(tmp_path, "def test_it(app): pass", f'kick_app = "{named}"')
    settings = tmp_path / "pyproject.toml"
    settings.write_text(settings.read_text().replace('app = "app:app"', "", 1))
    (tmp_path / "app.py").rename(tmp_path / "other.py")
    told = run(tmp_path)
    assert "[test-app]" in told
    assert cause in told


@pytest.mark.long
def test_fixtures_of_the_project_come_first(tmp_path: Path) -> None:
    project(tmp_path, "def test_it(client): assert client == 1")
    (tmp_path / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef client(): return 1")
    assert "1 passed" in run(tmp_path)


@pytest.mark.long
def test_a_project_has_options_for_all_its_clients(tmp_path: Path) -> None:
    options = "import pytest\n@pytest.fixture\ndef client_options(): return {'headers': {'x-a': 'b'}, 'origin': None}"
    tests = """
import pytest

@pytest.mark.kick(raise_exceptions=False)
def test_both(client, async_client):
    assert client.headers["x-a"] == async_client.headers["x-a"] == "b"
    assert client.get("/broken").status_code == 500

@pytest.mark.kick(headers={"x-a": "c"})
def test_a_marker_counts_more(client):
    assert client.headers["x-a"] == "c"
"""
    project(tmp_path, tests)
    (tmp_path / "conftest.py").write_text(options)
    assert "2 passed" in run(tmp_path)


@pytest.mark.long
def test_a_project_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    loaded = (
        "import sys\ndef test_it(): print(*[n for n in sys.modules if n.startswith(('kick', 'httpx2', 'starlette'))])"
    )
    (tmp_path / "test_it.py").write_text(loaded)
    told = run(tmp_path, "-s")
    assert "1 passed" in told
    (names,) = (line for line in told.splitlines() if "kick" in line)
    assert set(names.rstrip(".").split()) <= {"kick", "kick.lazy_exports", "kick.testing", "kick.testing.plugin"}
