"""What `kick new` sets up against attacks, as far as the tests of the projects themselves do not show it."""

import ast
import importlib
import json
import os
import stat
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from kick.cli.project_templates import SESSIONS, TEMPLATES, contents_of
from kick.exceptions import UnprocessableEntity
from kick.http.validation.conversion import json_decoder
from kick.http.validation.encoding import encode_json
from kick.middleware.hosts import HostPatterns
from kick.testing import TestClient

WITH_ACCOUNTS = [name for name in TEMPLATES if name != "minimal"]


def texts(template: str, store: str = "memory", database: str = "sqlalchemy") -> dict[str, str]:
    contents = contents_of("my-app", template, store, database=database)
    return {path: text for path, text in contents.items() if isinstance(text, str)}


def keywords(template: str, function: str) -> dict[str, str]:
    """The keyword arguments of a call in the module of the application, as they are written."""
    source = texts(template)["app.py" if template == "minimal" else "my_app/app.py"]
    [call] = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function
    ]
    return {each.arg: ast.unparse(each.value) for each in call.keywords if each.arg}


def written(folder: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for path, text in texts("api", database=database).items():
        if path.endswith(".py"):
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    monkeypatch.syspath_prepend(folder)
    yield "my_app"
    for name in [each for each in sys.modules if each.partition(".")[0] == "my_app"]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The package of an API, which can be imported."""
    yield from written(tmp_path, "none", monkeypatch)


@pytest.fixture
def package_with_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The same with SQLAlchemy."""
    yield from written(tmp_path, "sqlalchemy", monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("store", SESSIONS)
def test_containers_are_published_on_the_loopback_alone(template: str, store: str) -> None:
    """Whoever gets past the proxy is believed to be it: `X-Forwarded-For` would be the client's own."""
    compose: dict[str, Any] = yaml.safe_load(texts(template, store)["compose.yaml"])
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("template", TEMPLATES)
def test_sessions_have_the_prefix_and_hosts_are_named(template: str) -> None:
    assert keywords(template, "session")["cookie"] == "{'prefix': 'auto'}"
    assert keywords(template, "session")["save_uninitialized"] == "False"
    assert "allowed_hosts" in keywords(template, "bootstrap")


@pytest.mark.parametrize("template", TEMPLATES)
def test_visitors_have_an_hour(template: str) -> None:
    assert keywords(template, "session")["anonymous_max_age"] == "timedelta(hours=1)"


def test_settings_show_no_secret(package: str) -> None:
    """With SQLAlchemy the URL of the database may have a password, and is not shown at all."""
    assert "{self.database!r}" not in texts("api")["my_app/settings.py"]
    settings = importlib.import_module(f"{package}.settings").Settings(
        session_secrets=["open sesame, and close again"],
        session_store="redis://:hush@localhost",
        database="notes.db",
        allowed_hosts=["localhost"],
    )
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert "sesame" not in shown
        assert "hush" not in shown


def test_the_id_of_a_user_who_is_no_more_is_given_to_nobody(package: str, tmp_path: Path) -> None:
    """SQLite gives the greatest id again after a removal: a session that was left would be that of the next user."""
    database = importlib.import_module(f"{package}.database").Database(str(tmp_path / "notes.db"))
    anyio.run(database.create_tables)
    insert = "INSERT INTO users (email, password) VALUES (?, 'hash') RETURNING id"
    [first] = anyio.run(database.execute, insert, "ada@example.com")
    anyio.run(database.execute, "DELETE FROM users")
    [second] = anyio.run(database.execute, insert, "bob@example.com")
    assert (first["id"], second["id"]) == (1, 2)


def test_the_table_of_users_gives_no_id_again_either(package_with_pool: str) -> None:
    table = importlib.import_module(f"{package_with_pool}.auth.tables").UserRow.__table__
    assert table.dialect_options["sqlite"]["autoincrement"] is True
    migration = texts("api", database="sqlalchemy")["migrations/versions/0001_users_and_notes.py"]
    assert migration.count("sqlite_autoincrement=True") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_nobody_else_reads_the_database(package: str, tmp_path: Path) -> None:
    database = importlib.import_module(f"{package}.database").Database(str(tmp_path / "notes.db"))
    before = os.umask(0o022)
    try:
        anyio.run(database.create_tables)
        insert = "INSERT INTO users (email, password) VALUES (?, ?)"
        anyio.run(database.execute, insert, "ada@example.com", "hash")
    finally:
        os.umask(before)
    files = [each for each in tmp_path.iterdir() if each.name.startswith("notes.db")]
    assert files
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


@pytest.mark.parametrize("hosts", [None, "example.com", "*.example.com,example.com"])
def test_a_container_is_healthy_whatever_hosts_are_allowed(hosts: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check asked 127.0.0.1, which gets a 400 when the hosts of the site are named as the README says."""
    monkeypatch.delenv("ALLOWED_HOSTS", raising=False)
    if hosts is not None:
        monkeypatch.setenv("ALLOWED_HOSTS", hosts)
    [check] = [line for line in texts("api")["Dockerfile"].replace("\\\n", "").splitlines() if "HEALTHCHECK" in line]
    _, _, code = json.loads(check.partition(" CMD ")[2])
    asked: list[str] = []

    class Live(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["host"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Live) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        exec(code.replace(":8000", f":{server.server_port}"), {})
        thread.join()
    allowed = HostPatterns((hosts or "localhost,127.0.0.1").split(","))
    assert [allowed.allow(host.encode()) for host in asked] == [True]


async def test_no_connection_is_held_while_a_password_is_hashed(package_with_pool: str, tmp_path: Path) -> None:
    """A hundred logins at once, each from an address of its own, kept everybody else from the database for 36 s."""
    models, service, tables = (
        importlib.import_module(f"{package_with_pool}.{name}") for name in ("auth.models", "auth.service", "database")
    )
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'notes.db'}")
    held: list[int] = []

    class Passwords:
        async def hash(self, password: str) -> str:
            held.append(engine.pool.checkedout())  # type: ignore[attr-defined]  # that of a pool with a queue
            return "hash"

        async def verify(self, password: str, stored: str | None) -> bool:
            held.append(engine.pool.checkedout())  # type: ignore[attr-defined]
            return stored == "hash"

    async with engine.begin() as connection:
        await connection.run_sync(tables.Table.metadata.create_all)
    async with async_sessionmaker(engine, expire_on_commit=False)() as db:
        accounts = service.Accounts(db, Passwords())
        user = await accounts.register(models.Registration("ada@example.com", "correct horse"))
        await db.commit()
        assert await accounts.authenticate(models.Credentials("Ada@example.com", "correct horse")) == user
        await accounts.confirm(user, "correct horse")
    await engine.dispose()
    assert held == [0, 0, 0]


def test_nobody_else_reads_the_database_that_migrations_create() -> None:
    assert "os.umask(0o077)" in texts("api")["migrations/env.py"]


@pytest.mark.long
@pytest.mark.parametrize("more", ["{}\n", "{}\r\n", "\n{}", "{}\x00", "{}\x7f", "{}\u200b", "\u202e{}", "{} "])
def test_an_address_with_something_invisible_is_none(package: str, more: str) -> None:
    """It would be another account that looks like Ada's."""
    registration = importlib.import_module(f"{package}.auth.models").Registration
    body = {"email": more.format("ada@example.com"), "password": "correct horse battery"}
    with pytest.raises(UnprocessableEntity):
        json_decoder(registration)(encode_json(body))
    assert json_decoder(registration)(encode_json({**body, "email": "ada@example.com"})).email == "ada@example.com"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
def test_a_site_of_many_networks_has_one_limit(package: str, tmp_path: Path, path: str) -> None:
    """Whoever has a site of IPv6 has 65,536 networks: enough to keep every thread hashing, and to ask for accounts."""
    settings = importlib.import_module(f"{package}.settings").Settings(
        session_secrets=["a secret of at least thirty-two bytes"],
        session_store="memory://",
        database=str(tmp_path / "notes.db"),
        allowed_hosts=["testserver"],
    )
    app = importlib.import_module(f"{package}.app").create_app(settings)
    with TestClient(app):
        statuses = [TestClient(app, client=(f"2001:db8:0:{n:x}::1", 1)).post(path).status_code for n in range(101)]
    assert 429 not in statuses[:100]
    assert statuses[100] == 429
