"""Schemathesis asks whole applications for what their documents say, with all of its checks, and logged in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

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
PASSWORD = "correct horse battery staple"
PERSON = {"name": "user{number}", "password": PASSWORD}


class Application(NamedTuple):
    """An application, and the request that logs in."""

    target: str
    folder: str = ""
    login: tuple[str, Any] | None = None
    sends_form: bool = False
    """The login is a form; otherwise it is JSON."""
    without: tuple[str, ...] = ()
    """Paths that are left out."""
    unchecked: tuple[str, ...] = ()
    """Checks that are left out."""


APPLICATIONS = {
    "hello": Application("hello:app", "examples"),
    "auth": Application(
        "app:app",
        "examples/auth",
        ("/auth/register", {"name": "Ann", "email": "user{number}@example.com", "password": PASSWORD}),
    ),
    "chat": Application("app:app", "examples/chat", ("/login", {"name": "user{number}"})),
    "devices": Application(
        "app:app",
        "examples/devices",
        ("/register", PERSON),
        sends_form=True,
        # A wrong password is a 422 too, and an empty text of a form is a field that is left out.
        unchecked=("positive_data_acceptance", "negative_data_rejection"),
    ),
    "shop": Application(
        "main:app",
        "examples/shop",
        ("/account/register", PERSON),
        # An event stream that does not end.
        without=("/orders/events",),
        # An order of an empty cart is a 400.
        unchecked=("positive_data_acceptance",),
    ),
    "tested_shop": Application(
        "app:app",
        "",
        ("/accounts/user{number}", None),
        # An event stream that ends with the second order.
        without=("/orders/events",),
        # `POST /accounts/me` is that of `/accounts/{name}`, which the checks take for another resource.
        unchecked=("allow_header_conformance", "unsupported_method"),
    ),
    "api": Application(
        "my_app.main:app", "", ("/auth/register", {"email": "user{number}@example.com", "password": PASSWORD})
    ),
    "custom_store": Application("custom_store:app", "examples"),
    "oauth": Application("app:app", "examples/oauth"),
    "web": Application(
        "my_app.main:app",
        "",
        ("/register", {"email": "user{number}@example.com", "password": PASSWORD}),
        sends_form=True,
    ),
}
RUNS = [pytest.param(name, marks=pytest.mark.redis) if name == "custom_store" else name for name in APPLICATIONS]
SHORT_RUNS = ("api", "auth", "chat", "devices")
"""Logged in by JSON and by a form, and a project of `kick new`. The full runs are of all applications."""

TEMPLATES = ("api", "web")


def folder_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if name == "tested_shop":
        (tmp_path / "app.py").write_text(SHOP)
        return tmp_path
    if name in TEMPLATES:
        monkeypatch.chdir(tmp_path)
        assert CliRunner().invoke(program, ["new", "my-app", "--template", name, "--no-git"]).exit_code == 0
        return tmp_path / "my-app"
    return ROOT / APPLICATIONS[name].folder


def run(name: str, options: Sequence[str], tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Run schemathesis, and return what it printed."""
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    serve: ServeProcess = request.getfixturevalue("serve_process")
    application = APPLICATIONS[name]
    folder = folder_of(name, tmp_path, monkeypatch)
    server = {
        "KICK_ENV": "development",
        "SESSION_SECRET": SECRET,
        "SESSION_STORE": "memory://",
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'data.db'}",
        "AUTH_FOLDER": str(tmp_path),
        "PICTURES": str(tmp_path / "pictures"),
        "KICK_TRUSTED_PROXIES": "1",
    }
    if name == "custom_store":
        server["REDIS_URL"] = request.getfixturevalue("redis_url")
    if name in TEMPLATES:
        migrate = [sys.executable, "-m", "alembic", "upgrade", "head"]
        subprocess.run(migrate, cwd=folder, env={**os.environ, **server}, check=True, capture_output=True)
    (tmp_path / "schemathesis.toml").write_text("[generation]\nwith-security-parameters = false\n")  # the hooks log in
    with ExitStack() as servers:
        if name == "oauth":
            provider = serve("provider:app", cwd=folder, env=server, log=tmp_path / "provider.log")
            server["OIDC_ISSUER"] = servers.enter_context(provider).url
        served = servers.enter_context(serve(application.target, cwd=folder, env=server, log=tmp_path / "server.log"))
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json", "--no-color"),
            *("--checks", "all", "--generation-database", "none", "--request-timeout", "120", *options),
            *(argument for path in application.without for argument in ("--exclude-path", path)),
            *(("--exclude-checks", ",".join(application.unchecked)) if application.unchecked else ()),
        ]
        env = {
            **os.environ,
            "BASE_URL": served.url,
            "PYTHONPATH": f"{ROOT / 'tests' / 'openapi'}",
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        }
        if application.login is not None:
            env["LOGIN"] = json.dumps(application.login)
            env["LOGIN_KIND"] = "form" if application.sends_form else "json"
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "Traceback" not in (tmp_path / "server.log").read_text()  # of a 500, or of a background task
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
