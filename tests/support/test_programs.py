"""A test whose program is missing is never passed over in silence."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres import make_data
from tests.support.serving import ROOT

TEST = "tests/support/test_redis_servers.py::test_a_stopped_server_leaves_nothing_on_disk"


def run_pytest(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", TEST],
        cwd=ROOT,
        env={"PYTEST_ADDOPTS": os.environ.get("PYTEST_ADDOPTS", ""), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_missing_program_fails_the_test_and_says_what_to_install(tmp_path: Path) -> None:
    run = run_pytest(PATH=str(tmp_path))
    assert run.returncode == 1
    assert "redis-server is not installed: apt-get install redis-server, or KICK_WITHOUT=redis" in run.stdout


def test_a_program_that_is_left_out_is_named_in_the_closing_lines(tmp_path: Path) -> None:
    run = run_pytest(PATH=str(tmp_path), KICK_WITHOUT="redis,chromium")
    assert run.returncode == 0
    assert "= 1 not run =" in run.stdout
    assert f"{TEST}: KICK_WITHOUT=redis leaves out the tests that need it\n" in run.stdout


def test_a_misspelt_program_stops_the_run() -> None:
    run = run_pytest(KICK_WITHOUT="redsi")
    assert run.returncode == 4
    assert (
        "KICK_WITHOUT names redsi; known are chromium, curl, firefox, fish, nginx, npm, openssl, postgres, redis, zsh"
        in run.stderr
    )


def test_the_user_that_runs_postgresql_is_not_looked_for_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KICK_WITHOUT", "postgres")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {}[name])
    with pytest.raises(pytest.skip.Exception, match="KICK_WITHOUT=postgres leaves out"):
        make_data(tmp_path)
