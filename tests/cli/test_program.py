import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from kick.cli.program import COMMANDS, program
from tests.cli.support import environment, kick


def test_help_names_every_command_and_how_to_begin() -> None:
    page = CliRunner().invoke(program, ["--help"]).output
    assert "kick new my-app" in page
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z].*\.$", page, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_an_example(name: str) -> None:
    result = CliRunner().invoke(program, [name, "--help"])
    assert result.exit_code == 0
    assert f"$ kick {name}" in result.output


def test_the_version_is_that_of_the_distribution() -> None:
    assert CliRunner().invoke(program, ["--version"]).output == f"kick {version('kick-framework')}\n"


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(program, ["devv"])
    assert result.exit_code == 2
    assert "No such command 'devv'" in result.output


def test_importing_the_command_line_loads_no_command_and_no_server() -> None:
    script = "import sys, kick.cli; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "kick.cli.program" in loaded
    assert loaded & {*(f"kick.cli.{name}" for name in COMMANDS), "uvicorn", "dotenv", "tomllib"} == set()


def test_an_error_is_printed_with_code_cause_place_and_fix_and_without_a_trace(project: Path) -> None:
    run = kick("routes", cwd=project, SESSION_SECRET="weak", KICK_ENV="production")
    assert run.returncode == 1
    assert run.stdout == ""
    code, cause, place, line, fix = [each.strip() for each in run.stderr.strip().splitlines()]
    assert code == "error  secret-weak"
    assert cause.startswith("session() has a secret of 4 bytes")
    assert re.fullmatch(r"at     app\.py:\d+", place)
    assert line.startswith("[session(os.environ.get(")
    assert fix.startswith("fix    Draw one with `kick secret`")
    assert "Traceback" not in run.stderr


def test_trace_shows_where_an_error_was_raised(project: Path) -> None:
    run = kick("routes", "--trace", cwd=project, SESSION_SECRET="weak", KICK_ENV="production")
    assert run.returncode == 1
    assert "Traceback (most recent call last)" in run.stderr
    assert "error  secret-weak" in run.stderr


def test_several_errors_are_all_printed(project: Path) -> None:
    (project / "app.py").write_text("from kick import Module, bootstrap\napp = bootstrap([Module('a'), 1, 2])\n")
    run = kick("routes", cwd=project)
    assert run.returncode == 1
    assert run.stderr.count("error  module-missing") == 2
    assert run.stderr.count("fix ") == 2
    assert "2 of 2" in run.stderr
    assert "app.py:2" in run.stderr


def test_colours_are_for_those_who_want_them(project: Path) -> None:
    assert "\x1b[" not in kick("routes", cwd=project).stdout
    assert "\x1b[" in kick("routes", cwd=project, FORCE_COLOR="1").stdout
    assert "\x1b[" not in kick("routes", cwd=project, FORCE_COLOR="1", NO_COLOR="1").stdout
