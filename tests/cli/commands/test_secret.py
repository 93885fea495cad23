import base64
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from kick.cli.commands.secret import command
from kick.session import session
from kick.signing import Signer


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
    assert "SESSION_SECRET was written to .env" in first.output
    second = CliRunner().invoke(command, ["--env"])
    assert "was replaced" in second.output
    assert dotenv_values(path)["A"] == "1"
    assert dotenv_values(path)["SESSION_SECRET"] != drawn["SESSION_SECRET"]
    assert path.read_text().count("SESSION_SECRET") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_secret_itself_is_not_shown_when_it_is_written(folder: Path) -> None:
    result = CliRunner().invoke(command, ["--env"])
    secret = dotenv_values(folder / ".env")["SESSION_SECRET"]
    assert secret
    assert secret not in result.output


def rotate(*options: str) -> str:
    result = CliRunner().invoke(command, ["--rotate", *options])
    assert result.exit_code == 0, result.output
    return result.output


def listed(folder: Path) -> list[str]:
    return str(dotenv_values(folder / ".env")["SESSION_SECRET"]).split(",")


def test_a_rotation_puts_a_new_secret_before_the_old_one(folder: Path) -> None:
    (folder / ".env").write_text("# mine\nexport SESSION_SECRET='" + "a" * 40 + "' # old\nB=2\n")
    assert "1 old one still verifies" in rotate()
    new, old = listed(folder)
    assert old == "a" * 40
    text = (folder / ".env").read_text()
    assert text.startswith("# mine\nexport SESSION_SECRET=")
    assert text.endswith("\nB=2\n")
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    rotate()
    newer, kept = listed(folder)
    assert kept == new
    assert newer not in (new, old)


def test_as_many_old_ones_stay_as_are_wanted(folder: Path) -> None:
    (folder / ".env").write_text("SESSION_SECRET=" + "a" * 40)
    for _ in range(3):
        rotate("--keep", "2")
    assert len(listed(folder)) == 3
    assert "no old one is left" in rotate("--keep", "0")
    assert len(listed(folder)) == 1


def test_an_old_one_that_is_too_short_is_not_kept(folder: Path) -> None:
    (folder / ".env").write_text("SESSION_SECRET=short")
    assert "are removed" in rotate()
    (only,) = listed(folder)
    session(only)


def test_what_the_old_secret_signed_is_valid_until_the_next_rotation(folder: Path) -> None:
    (folder / ".env").write_text("SESSION_SECRET=" + "a" * 40)
    cookie = Signer("a" * 40).sign("id")
    rotate()
    assert Signer(listed(folder)).verify(cookie) == ("id", False)
    rotate()
    assert Signer(listed(folder)).verify(cookie) is None
