"""Schemathesis asks whole applications for what their documents say, with all of its checks, and logged in."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from click.testing import CliRunner

from kick.cli.program import program
from tests.support.serving import ROOT, ServeProcess

SECRET = "a secret of at least thirty-two bytes"
SHOP = """
from pathlib import Path
from tests.shop.app import Settings, create_app
app = create_app(Settings(Path("shop.db")))
"""
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
PASSWORD = "correct horse battery staple"
PERSON = {"name": "user{number}", "password": PASSWORD}
OTHER_DEVICE = {"parameter": "code", "login": "/login", "page": "/devices", "pattern": "/devices/([^/]+)/end"}
EVENTS = """
[[operations]]  # event streams, of which one event is read, or none if none comes for a second
include-path-regex = "/events/?$"
request-timeout = 1
max-stream-events = 1
"""


class Application(NamedTuple):
    """An application, and the requests that log in."""

    target: str
    folder: str = ""
    login: tuple[tuple[str, Any], ...] = ()
    login_kind: str = "json"
    """The login is JSON, a form, or goes through a provider."""
    settings: str = ""
    """The settings of schemathesis for single operations."""
    known: Mapping[str, Mapping[str, str]] = {}
    """What single operations need, and nobody finds by chance: see the hooks."""
    reached: tuple[str, ...] = ()
    """Operations that must succeed for somebody: the user is logged in, and event streams are opened."""


APPLICATIONS = {
    "hello": Application("hello:app", "examples", (("/auth/login", {"name": "Ada"}),), reached=("GET /auth/me",)),
    "auth": Application(
        "app:app",
        "examples/auth",
        (("/auth/register", {"name": "Ann", "email": "user{number}@example.com", "password": PASSWORD}),),
        reached=("GET /auth/me", "POST /auth/logout-others"),
    ),
    "chat": Application(
        "app:app", "examples/chat", (("/login", {"name": "user{number}"}),), reached=("GET /", "POST /logout")
    ),
    "devices": Application(
        "app:app",
        "examples/devices",
        (("/register", PERSON),),
        login_kind="form",
        settings="""
[[operations]]  # nobody guesses the password, and many wrong ones are a 429
include-name = "POST /confirm"
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "422", "429"]
""",
        known={"GET /devices/{code}/end": OTHER_DEVICE, "POST /devices/{code}/end": OTHER_DEVICE},
        reached=("GET /devices", "POST /devices/end-others", "GET /devices/{code}/end", "POST /devices/{code}/end"),
    ),
    "shop": Application(
        "main:app",
        "examples/shop",
        (("/account/register", PERSON), ("/account/login", PERSON)),  # with the role from the login on
        settings=f"""{EVENTS}
[[operations]]  # the content is none of the media type that it has
include-name = "PUT /admin/products/{{product_id}}/picture"
checks.positive_data_acceptance.expected-statuses = ["2xx", "403", "404", "415"]
""",
        known={"GET /pictures/{name}": {"parameter": "name", "value": "tea.png"}},
        reached=("GET /orders/events", "GET /account", "POST /admin/products", "GET /pictures/{name}"),
    ),
    "tested_shop": Application(
        "app:app",
        "",
        (("/accounts/user{number}", None),),
        settings=EVENTS,
        known={"POST /products/import": {"signature": "Signature"}},
        reached=("GET /orders/events", "GET /accounts/me", "POST /products/import"),
    ),
    "api": Application(
        "my_app.main:app",
        "",
        (("/auth/register", {"email": "user{number}@example.com", "password": PASSWORD}),),
        reached=("GET /auth/me", "POST /notes"),
    ),
    "minimal": Application("app:app", reached=("GET /",)),
    "custom_store": Application("custom_store:app", "examples"),
    "oauth": Application(
        "app:app", "examples/oauth", (("/login", None),), login_kind="provider", reached=("GET /account",)
    ),
    "web": Application(
        "my_app.main:app",
        "",
        (("/register", {"email": "user{number}@example.com", "password": PASSWORD}),),
        login_kind="form",
        reached=("GET /notes", "POST /notes"),
    ),
}
RUNS = [pytest.param(name, marks=pytest.mark.redis) if name == "custom_store" else name for name in APPLICATIONS]
SHORT_RUNS = ("api", "auth")
"""A project of `kick new`, and an example with a login by JSON. The full runs are of all applications."""

TEMPLATES = ("api", "web", "minimal")
WITH_MIGRATIONS = ("api", "web")
LONGEST = 60.0
"""Seconds until a response, on a machine that does other work too. An expression that backtracks takes longer."""
SETTINGS = """
request-timeout = 120
generation.with-security-parameters = false  # the hooks log in
"""


def folder_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if name == "tested_shop":
        (tmp_path / "app.py").write_text(SHOP)
        return tmp_path
    if name in TEMPLATES:
        monkeypatch.chdir(tmp_path)
        assert CliRunner().invoke(program, ["new", "my-app", "--template", name, "--no-git"]).exit_code == 0
        return tmp_path / "my-app"
    return ROOT / APPLICATIONS[name].folder


def make_keepers(database: Path) -> None:
    """Make each new user of the shop an administrator."""
    with closing(sqlite3.connect(database)) as db:
        db.execute(
            "CREATE TRIGGER keeper AFTER INSERT ON users BEGIN UPDATE users SET is_admin = 1 WHERE id = NEW.id; END"
        )


@contextmanager
def served(name: str, folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Serve an application, and give its URL."""
    serve: ServeProcess = request.getfixturevalue("serve_process")
    env = {
        "KICK_ENV": "development",
        "SESSION_SECRET": SECRET,
        "SESSION_STORE": "memory://",
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'data.db'}",
        "AUTH_FOLDER": str(tmp_path),
        "PICTURES": str(tmp_path / "pictures"),
        "KICK_TRUSTED_PROXIES": "1",
    }
    if name == "custom_store":
        env["REDIS_URL"] = request.getfixturevalue("redis_url")
    if name in WITH_MIGRATIONS:
        migrate = [sys.executable, "-m", "alembic", "upgrade", "head"]
        subprocess.run(migrate, cwd=folder, env={**os.environ, **env}, check=True, capture_output=True)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "tea.png").write_bytes(b"\x89PNG")
    with ExitStack() as servers:
        if name == "oauth":
            provider = serve("provider:app", cwd=folder, env=env, log=tmp_path / "provider.log")
            env["OIDC_ISSUER"] = servers.enter_context(provider).url
        log = tmp_path / "server.log"
        server = servers.enter_context(serve(APPLICATIONS[name].target, cwd=folder, env=env, log=log))
        if name == "shop":
            make_keepers(tmp_path / "data.db")
        yield server.url
    assert "Traceback" not in log.read_text()  # of a 500, or of a background task


def ask(url: str, options: Sequence[str], tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis in a folder with its settings."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--no-color"),
        *("--generation-database", "none", "--max-response-time", str(LONGEST), *options),
    ]
    env = {
        **os.environ,
        "BASE_URL": url,
        "PYTHONPATH": f"{ROOT / 'tests' / 'openapi'}",
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        **env,
    }
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout + done.stderr)
    return done


def run(name: str, options: Sequence[str], tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Let schemathesis find nothing in an application, and return what it printed."""
    application = APPLICATIONS[name]
    folder = folder_of(name, tmp_path, request.getfixturevalue("monkeypatch"))
    (tmp_path / "schemathesis.toml").write_text(SETTINGS + application.settings)
    env = {"STATUSES": str(tmp_path / "statuses.json"), "KNOWN": json.dumps(application.known)}
    if application.login:
        env |= {"LOGIN": json.dumps(application.login), "LOGIN_KIND": application.login_kind}
    with served(name, folder, tmp_path, request) as url:
        done = ask(url, options, tmp_path, **env)
    assert done.returncode == 0
    statuses = json.loads((tmp_path / "statuses.json").read_text())
    assert {name: 1 for name in application.reached if min(statuses[name]) >= 400} == {}
    return done.stdout


@pytest.mark.process
@pytest.mark.long
@pytest.mark.parametrize("name", SHORT_RUNS)
def test_a_short_run_finds_nothing(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    # The same each time: what is found by chance is for the nightly run.
    printed = run(name, ["--max-examples", "4", "--seed", "1"], tmp_path, request)
    assert re.search(r"[0-9]+ generated, [0-9]+ passed", printed)


@pytest.mark.process
@pytest.mark.nightly
@pytest.mark.parametrize("name", RUNS)
def test_a_full_run_finds_nothing(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run(name, ["--max-examples", "200"], tmp_path, request)


OWNER = " or row.owner != user.id"
"""The rule of the template that a note is of the user."""

PEERS = """
[auth.wfc]
path = "users.json"
peers = ["ann", "bob"]
"""


def users(url: str) -> Mapping[str, Any]:
    """Register two users, and return their session cookies as schemathesis reads them."""
    found = []
    for name in ("ann", "bob"):
        body = {"email": f"{name}@example.com", "password": PASSWORD}
        answer = httpx2.post(f"{url}/auth/register", json=body, headers=SAME_ORIGIN, timeout=60)
        assert answer.status_code < 400
        cookies = "; ".join(f"{key}={value}" for key, value in answer.cookies.items())
        headers = {"Cookie": cookies, **SAME_ORIGIN}
        found.append({"name": name, "fixedHeaders": [{"name": key, "value": headers[key]} for key in headers]})
    return {"auth": found}


@pytest.mark.process
@pytest.mark.long
@pytest.mark.parametrize("leaks", [pytest.param(False, marks=pytest.mark.nightly), True])
def test_nobody_reads_what_another_user_owns(leaks: bool, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Where the owner is not asked for, this is found: so the check does look."""
    folder = folder_of("api", tmp_path, request.getfixturevalue("monkeypatch"))
    if leaks:
        repository = folder / "my_app" / "notes" / "repository.py"
        code = repository.read_text()
        assert OWNER in code
        repository.write_text(code.replace(OWNER, ""))
    (tmp_path / "schemathesis.toml").write_text(SETTINGS + PEERS)
    with served("api", folder, tmp_path, request) as url:
        (tmp_path / "users.json").write_text(json.dumps(users(url)))
        options = ["--checks", "object_level_authorization", "--include-path-regex", "^/notes", "--seed", "1"]
        done = ask(url, [*options, "--phases", "coverage,stateful", "--max-examples", "4"], tmp_path)
    assert ("received the `Note` that" in done.stdout, done.returncode) == (leaks, int(leaks))
