import base64
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from kick.cli.secret import command
from kick.session import session


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_secret_is_another_and_strong_enough() -> None:
    secrets = {CliRunner().invoke(command).output for _ in range(5)}
    assert len(secrets) == 5
    for secret in secrets:
        assert secret.endswith("\n")
        assert len(base64.urlsafe_b64decode(secret.strip())) == 48
        session(secret.strip())


def test_a_secret_is_written_and_replaced(folder: Path) -> None:
    path = folder / ".env"
    path.write_text("A=1\n")
    first = CliRunner().invoke(command, ["--env"])
    drawn = dotenv_values(path)
    assert first.exit_code == 0
    assert "SESSION_SECRET is in .env now" in first.output
    second = CliRunner().invoke(command, ["--env"])
    assert "is a new one" in second.output
    assert dotenv_values(path)["A"] == "1"
    assert dotenv_values(path)["SESSION_SECRET"] != drawn["SESSION_SECRET"]
    assert path.read_text().count("SESSION_SECRET") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_secret_itself_is_not_shown_when_it_is_written(folder: Path) -> None:
    result = CliRunner().invoke(command, ["--env"])
    secret = dotenv_values(folder / ".env")["SESSION_SECRET"]
    assert secret
    assert secret not in result.output
