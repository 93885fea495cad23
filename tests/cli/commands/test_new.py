import re
import stat
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from kick.cli.program import program
from kick.cli.project_templates import DATABASES, SESSIONS, TEMPLATES
from kick.cli.provenance.origin import version_range
from tests.cli.support import KICK, environment
from tests.support.terminal import Terminal

COMMON = {
    *(".dockerignore", ".env", ".env.example", ".gitignore", "Dockerfile", "Makefile", "README.md", "compose.yaml"),
    *("kick.txt", "pyproject.toml", "tests", "wheels"),
}
QUESTIONS = ("Which template?", "Where are sessions stored?", "How is data stored?")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in no git repository, of somebody who has not told git their name."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{who}_{what}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(program, ["new", *arguments], input=typed)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("template", "code"),
    [("api", {"my_app", "migrations"}), ("web", {"my_app", "migrations"}), ("minimal", {"app.py"})],
)
def test_a_project_is_made_and_what_to_do_next_is_said(folder: Path, template: str, code: set[str]) -> None:
    result = new("my-app", "--template", template, "--no-git")
    assert result.exit_code == 0
    assert {path.name for path in (folder / "my-app").iterdir()} == {*COMMON, *code}
    assert [path.name for path in folder.iterdir()] == ["my-app"]
    assert f"my-app  {template}, " in result.output
    lines = result.output.splitlines()
    steps = [line.split("  ")[1] for line in lines[lines.index("  next") + 2 :] if line]
    assert steps == ["cd my-app", "make dev", "make test"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_secret_is_drawn_and_kept_from_others_and_from_git(folder: Path, template: str) -> None:
    new("my-app", "--template", template, "--no-git")
    new("other", "--template", template, "--no-git")
    drawn, other = (dotenv_values(folder / name / ".env")["SESSION_SECRET"] for name in ("my-app", "other"))
    assert drawn is not None
    assert len(drawn) == 64
    assert drawn != other
    assert stat.S_IMODE((folder / "my-app" / ".env").stat().st_mode) == 0o600
    assert dotenv_values(folder / "my-app" / ".env.example")["SESSION_SECRET"] == ""
    assert (folder / "my-app" / ".gitignore").read_text().splitlines()[0] == ".env"
    assert (folder / "my-app" / ".dockerignore").read_text().splitlines()[0] == ".env"
    written = [
        path for path in (folder / "my-app").rglob("*") if path.is_file() and drawn.encode() in path.read_bytes()
    ]
    assert [path.name for path in written] == [".env"]


def test_a_dry_run_lists_the_files_and_writes_nothing(folder: Path) -> None:
    result = new("my-app", "--template", "web", "--dry-run")
    assert result.exit_code == 0
    assert list(folder.iterdir()) == []
    listed = {line.split()[0] for line in result.output.splitlines() if line.startswith("  my-app/")}
    new("my-app", "--template", "web", "--no-git")
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert listed == written
    assert f"{len(written)} files. Nothing was written." in result.output


# git


def test_it_is_a_git_repository_with_one_commit_that_has_all_but_the_secret(folder: Path) -> None:
    result = new("my-app")
    assert "git repository" in result.output
    project = folder / "my-app"
    assert git(project, "status", "--porcelain") == ""
    assert len(git(project, "log", "--format=%H").split()) == 1
    files = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    kept = {path for path in files if not path.startswith(".git/")}
    assert set(git(project, "ls-files").splitlines()) == kept - {".env"}


def test_the_commit_is_of_whom_git_knows_and_of_nobody_otherwise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new("unknown")
    assert git(folder / "unknown", "log", "--format=%an <%ae>").strip() == "kick <kick@localhost>"
    (folder / "config").write_text("[user]\nname = Ada\nemail = ada@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "config"))
    new("known")
    assert git(folder / "known", "log", "--format=%an <%ae>").strip() == "Ada <ada@example.com>"


def test_no_repository_is_made_within_another(folder: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    assert "git repository" not in new("my-app").output
    assert not (folder / "my-app" / ".git").exists()


def test_without_git_the_project_is_made_all_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    result = new("my-app")
    assert result.exit_code == 0
    assert "git repository" not in result.output
    assert (folder / "my-app" / "pyproject.toml").is_file()


def test_what_git_refuses_is_said_and_the_project_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config").write_text("[commit]\ngpgsign = true\n[gpg]\nprogram = /nowhere\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "config"))
    result = new("my-app")
    assert result.exit_code == 0
    assert "git commit failed" in result.stderr
    assert (folder / "my-app" / "pyproject.toml").is_file()


# Choices


@pytest.mark.parametrize(
    ("template", "session", "extras"),
    [
        ("api", "memory", "fast,limits,passwords"),
        ("api", "redis", "fast,limits,passwords,redis"),
        ("api", "postgres", "fast,limits,passwords,postgres"),
        ("web", "sqlite", "fast,limits,passwords,templates"),
        ("minimal", "sqlite", "fast"),
        ("minimal", "redis", "fast,redis"),
    ],
)
def test_sessions_are_where_they_were_wanted(folder: Path, template: str, session: str, extras: str) -> None:
    result = new("my-app", "--template", template, "--session", session, "--no-git")
    project = folder / "my-app"
    assert f"sessions in {session}" in result.output
    assert ("docker run" in result.output) is (session in ("postgres", "redis"))
    url = SESSIONS[session].url.replace("{{ package }}", "my_app")
    assert dotenv_values(project / ".env")["SESSION_STORE"] == url
    assert dotenv_values(project / ".env.example")["SESSION_STORE"] == url
    asked = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"kick-framework[{extras}]{version_range(version('kick-framework'))}" in asked


@pytest.mark.parametrize("template", ["api", "web"])
@pytest.mark.parametrize("database", [None, *DATABASES])
def test_data_is_stored_as_it_was_wanted(folder: Path, template: str, database: str | None) -> None:
    chosen = [] if database is None else ["--database", database]
    new("my-app", "--template", template, "--no-git", *chosen)
    project = folder / "my-app"
    asked = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[\[>]", each)[0] for each in asked}
    variables = dotenv_values(project / ".env")
    if database == "none":
        assert names == {"kick-framework"}
        assert variables["DATABASE"] == "notes.db"
        assert not (project / "migrations").exists()
    else:
        assert names == {"aiosqlite", "alembic", "kick-framework", "sqlalchemy"}
        assert variables["DATABASE_URL"] == "sqlite+aiosqlite:///notes.db"
        assert (project / "migrations" / "versions" / "0001_users_and_notes.py").is_file()
    assert ("make migrate" in (project / "README.md").read_text()) is (database != "none")
    written = [path.read_text() for path in project.rglob("*") if path.is_file() and path.suffix in {"", ".py", ".md"}]
    assert not any(mark in text for text in written for mark in ("{{ if", "{{ end", "{{ package"))


def test_a_template_without_data_has_no_database(folder: Path) -> None:
    refused = new("my-app", "--template", "minimal", "--database", "sqlalchemy")
    assert refused.exit_code == 2
    assert "The template minimal has no database." in refused.stderr
    assert new("my-app", "--template", "minimal", "--database", "none", "--no-git").exit_code == 0


def test_nothing_is_asked_without_a_terminal(folder: Path) -> None:
    result = new("my-app", "--no-git", typed="web\nredis\n")
    assert not any(question in result.output for question in QUESTIONS)
    assert "api, " in result.output
    assert "sessions in sqlite" in result.output


def test_in_a_terminal_what_was_not_said_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kick.cli.terminal.is_interactive", lambda: True)
    result = new("my-app", "--no-git", typed="desktop\nweb\ndisk\nredis\nfiles\nnone\n")
    assert all(question in result.output for question in QUESTIONS)
    assert "my-app  web, " in result.output
    assert "sessions in redis" in result.output
    some = new("other", "--no-git", "--template", "minimal", typed="\n").output
    assert [question in some for question in QUESTIONS] == [False, True, False]
    assert "sessions in sqlite" in some
    for arguments in (["--yes"], ["--template", "api", "--session", "memory", "--database", "none"]):
        silent = new(f"third{len(arguments)}", "--no-git", *arguments, typed="web\nredis\n").output
        assert not any(question in silent for question in QUESTIONS)
        assert "  api, " in silent


@pytest.mark.parametrize("coloured", [True, False])
def test_a_real_terminal_is_asked_and_gets_colours_unless_it_wants_none(tmp_path: Path, coloured: bool) -> None:
    variables = {"TERM": "xterm-256color", **({} if coloured else {"NO_COLOR": "1"})}
    with Terminal([*KICK, "new", "my-app", "--no-git"], tmp_path, environment(**variables)) as terminal:
        terminal.wait_for(QUESTIONS[0])
        terminal.wait_for("\x1b[1mapi" if coloured else "\n  api  ")
        terminal.type("minimal\n")
        terminal.wait_for(QUESTIONS[1])
        terminal.type("memory\n")
        terminal.wait_for("\x1b[1mmy-app" if coloured else "made  my-app  minimal, ")
        terminal.wait_for("make test")
        assert terminal.end() == 0
    assert (tmp_path / "my-app" / "app.py").is_file()


# Refusals


@pytest.mark.parametrize("name", ["2shop", "json", "class", "../shop", "kick", "limits"])
def test_a_bad_name_is_refused_with_the_reason_and_nothing_is_made(folder: Path, name: str) -> None:
    for more in ([], ["--dry-run"]):
        result = new(name, *more)
        assert result.exit_code == 1
        assert "error  project-name" in result.stderr
        assert "`kick new my-app`" in result.stderr
        assert list(folder.iterdir()) == []


def test_a_folder_with_something_in_it_is_refused_and_left_alone(folder: Path) -> None:
    (folder / "my-app").mkdir()
    (folder / "my-app" / "mine").write_text("mine")
    result = new("my-app")
    assert result.exit_code == 1
    assert "error  project-folder" in result.stderr
    assert [path.name for path in folder.rglob("*")] == ["my-app", "mine"]
