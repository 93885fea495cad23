"""Clients that generators of others make of the document of a project, against the project as it is served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import environment, kick
from tests.support.node.packages import NODE, packages
from tests.support.serving import ROOT, serve_process

CLIENT = ROOT / "tests/support/node/client"
DOCUMENT = "import json; from notes.main import app; print(json.dumps(app.openapi()))"

PYTHON = """
import json, sys
import httpx
from notes_client import AuthenticatedClient
from notes_client.api.auth import auth_controller_register
from notes_client.api.notes import (
    notes_controller_index, notes_controller_remove, notes_controller_show, notes_controller_write
)
from notes_client.models import Note, NoteBody, ProblemDetails, Registration, User

said: list[object] = []
browser = httpx.Client(base_url=sys.argv[1], headers={"sec-fetch-site": "same-origin"})  # it keeps the session cookie
client = AuthenticatedClient(base_url=sys.argv[1], token="").set_httpx_client(browser)
refused = notes_controller_index.sync_detailed(client=client)
assert isinstance(refused.parsed, ProblemDetails)
said += [int(refused.status_code), refused.parsed.title]
ada = Registration(email="ada@example.com", password="correct horse battery")
user = auth_controller_register.sync(client=client, body=ada)
assert isinstance(user, User)
note = notes_controller_write.sync(client=client, body=NoteBody(title="Buy milk", text="Two bottles."))
assert isinstance(note, Note)
shown = notes_controller_show.sync(note.id, client=client)
assert isinstance(shown, Note)
listed = notes_controller_index.sync(client=client)
assert isinstance(listed, list)
said += [user.email, shown.title, shown.text, [each.title for each in listed]]
said += [int(notes_controller_remove.sync_detailed(note.id, client=client).status_code)]
print(json.dumps(said))
"""

pytestmark = [pytest.mark.process, pytest.mark.project, pytest.mark.long]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project of the `api` template, with its document in `openapi.json`."""
    folder = tmp_path_factory.mktemp("clients")
    made = kick("new", "notes", "--template", "api", "--session", "memory", "--no-git", cwd=folder)
    assert made.returncode == 0, made.stderr
    variables = {**settings(folder / "notes"), "PYTHONPATH": str(ROOT)}
    document = run(sys.executable, "-c", DOCUMENT, cwd=folder / "notes", env=environment(**variables))
    (folder / "notes/openapi.json").write_text(document)
    return folder / "notes"


@pytest.fixture
def url(project: Path) -> Iterator[str]:
    """The address of the project, with an empty database."""
    (project / "notes.db").unlink(missing_ok=True)
    run(sys.executable, "-m", "alembic", "upgrade", "head", cwd=project, env=environment(**settings(project)))
    with serve_process("notes.main:app", cwd=project, env=settings(project)) as server:
        yield server.url


def settings(project: Path) -> dict[str, str]:
    lines = (line for line in (project / ".env").read_text().splitlines() if line and not line.startswith("#"))
    return {"KICK_ENV": "development", **dict(line.split("=", 1) for line in lines)}


def run(*command: str | Path, cwd: Path, **options: Any) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_client_in_typescript_compiles_and_runs(project: Path, url: str, tmp_path: Path) -> None:
    """The program says where TypeScript must refuse it: otherwise it does not compile."""
    modules = packages(CLIENT) / "node_modules"
    (tmp_path / "node_modules").symlink_to(modules)
    for name in ("package.json", "tsconfig.json", "notes.ts"):
        (tmp_path / name).write_bytes((CLIENT / name).read_bytes())
    options = ["-o", "schema.d.ts", "--default-non-nullable=false"]
    run(NODE, modules / "openapi-typescript/bin/cli.js", project / "openapi.json", *options, cwd=tmp_path)
    run(NODE, modules / "typescript/bin/tsc", "--project", "tsconfig.json", cwd=tmp_path)
    said = json.loads(run(NODE, "built/notes.js", url, cwd=tmp_path))
    assert said == [
        *(401, "Unauthorized"),
        *(201, "ada@example.com"),
        *(201, "Buy milk"),
        "TWO BOTTLES.",
        ["Buy milk"],
        *(422, ["/body/title"]),
        404,
        *(201, ""),
        204,
    ]


@pytest.mark.nightly
def test_a_client_in_python_checks_and_runs(project: Path, url: str, tmp_path: Path) -> None:
    options = ["--path", str(project / "openapi.json"), "--output-path", "notes_client", "--meta", "none"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it formats what it writes with ruff
    generate = [sys.executable, "-m", "openapi_python_client", "generate", *options, "--fail-on-warning"]
    run(*generate, cwd=tmp_path, env={**os.environ, "PATH": path})
    (tmp_path / "use.py").write_text(PYTHON)
    # Its `client.py`, which is the same for every document, is not as strict as mypy.
    made = ["notes_client/api", "notes_client/models", "use.py"]
    run(sys.executable, "-m", "mypy", "--no-incremental", "--follow-imports=silent", *made, cwd=tmp_path)
    said = json.loads(run(sys.executable, "use.py", url, cwd=tmp_path))
    assert said == [401, "Unauthorized", "ada@example.com", "Buy milk", "Two bottles.", ["Buy milk"], 204]
