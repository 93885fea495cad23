import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from kick.cli.program import program

TOP = {".env", ".env.example", ".gitignore", "Makefile", "README.md", "my_app", "pyproject.toml", "tests"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in no git repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(program, ["new", *arguments], input=typed)


def test_a_project_is_made_and_what_to_do_next_is_said(folder: Path) -> None:
    result = new("my-app", "--no-git")
    assert result.exit_code == 0
    assert {path.name for path in (folder / "my-app").iterdir()} == TOP
    assert [path.name for path in folder.iterdir()] == ["my-app"]
    lines = result.output.splitlines()
    steps = [line.split("  ")[1] for line in lines[lines.index("  next") + 2 :] if line]
    assert steps == ["cd my-app", "make dev", "make test"]


def test_the_secret_is_drawn_and_kept_from_others_and_from_git(folder: Path) -> None:
    new("my-app", "--no-git")
    new("other", "--no-git")
    drawn, other = (dotenv_values(folder / name / ".env")["SESSION_SECRET"] for name in ("my-app", "other"))
    assert drawn is not None
    assert len(drawn) == 64
    assert drawn != other
    assert stat.S_IMODE((folder / "my-app" / ".env").stat().st_mode) == 0o600
    assert dotenv_values(folder / "my-app" / ".env.example")["SESSION_SECRET"] == ""
    assert (folder / "my-app" / ".gitignore").read_text().splitlines()[0] == ".env"


def test_it_is_a_git_repository_that_does_not_see_the_secret(folder: Path) -> None:
    result = new("my-app")
    assert "git repository" in result.output
    listing = ["git", "ls-files", "--others", "--exclude-standard"]
    run = subprocess.run(listing, cwd=folder / "my-app", capture_output=True, text=True, check=True)
    seen = run.stdout.split()
    assert "Makefile" in seen
    assert ".env.example" in seen
    assert ".env" not in seen


def test_no_repository_is_made_within_another(folder: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    assert "git repository" not in new("my-app").output
    assert not (folder / "my-app" / ".git").exists()


@pytest.mark.parametrize(
    ("session", "url", "extras"),
    [
        ("memory", "memory://", "[fast]"),
        ("sqlite", "sqlite:///sessions.db", "[fast]"),
        ("redis", "redis://localhost:6379/0", "[fast,redis]"),
    ],
)
def test_sessions_are_where_they_were_wanted(folder: Path, session: str, url: str, extras: str) -> None:
    result = new("my-app", "--session", session, "--no-git")
    project = folder / "my-app"
    assert f"sessions in {session}" in result.output
    assert ("docker run" in result.output) is (session == "redis")
    assert dotenv_values(project / ".env")["SESSION_STORE"] == url
    assert dotenv_values(project / ".env.example")["SESSION_STORE"] == url
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"] == [
        f"kick-framework{extras}"
    ]


def test_nothing_is_asked_without_a_terminal(folder: Path) -> None:
    result = new("my-app", "--no-git", typed="redis\n")
    assert "Where are sessions" not in result.output
    assert "sessions in sqlite" in result.output


def test_in_a_terminal_the_place_of_sessions_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kick.cli.new._asks", lambda: True)
    result = new("my-app", "--no-git", typed="disk\nredis\n")
    assert "Where are sessions to be kept?" in result.output
    assert "sessions in redis" in result.output
    assert "Where are sessions" not in new("other", "--no-git", "--yes", typed="redis\n").output
    assert "Where are sessions" not in new("third", "--no-git", "--session", "memory", typed="redis\n").output


@pytest.mark.parametrize("name", ["2shop", "json", "class", "../shop", "kick"])
def test_a_bad_name_is_refused_with_the_reason_and_nothing_is_made(folder: Path, name: str) -> None:
    result = new(name)
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
