import os
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from kick.cli.env_file import ENVIRONMENT, enter, write_variable


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test sets is not set after it."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.syspath_prepend("")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_env_is_loaded_and_overrides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_TEST_SET", "as it was")
    monkeypatch.delenv("KICK_TEST_NEW", raising=False)
    (tmp_path / ".env").write_text("KICK_TEST_SET=changed\nKICK_TEST_NEW=new\n")
    enter(tmp_path, "development")
    assert os.environ["KICK_TEST_SET"] == "as it was"
    assert os.environ["KICK_TEST_NEW"] == "new"


def test_the_environment_is_the_default_unless_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    enter(tmp_path, "production")
    assert os.environ[ENVIRONMENT] == "production"
    monkeypatch.delenv(ENVIRONMENT)
    (tmp_path / ".env").write_text("KICK_ENV=staging\n")
    enter(tmp_path, "production")
    assert os.environ[ENVIRONMENT] == "staging"


def test_a_new_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    assert write_variable(tmp_path / ".env", "SECRET", "s") is False
    assert (tmp_path / ".env").read_text() == "SECRET=s\n"
    assert mode_of(tmp_path / ".env") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_everything_else_in_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nA = 1  # one\n\nexport SECRET='old\nand long'\nB=\"x y\"\nSECRET=again\nC=3")
    path.chmod(0o644)
    assert write_variable(path, "SECRET", "new") is True
    assert path.read_text() == '# mine\nA = 1  # one\n\nexport SECRET=new\nB="x y"\nC=3'
    assert mode_of(path) == 0o600
    assert dotenv_values(path)["SECRET"] == "new"


def test_a_file_without_a_last_newline_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=1\r\nSECRET_TOO=2")
    assert write_variable(path, "SECRET", "new") is False
    assert path.read_bytes() == b"A=1\r\nSECRET_TOO=2\nSECRET=new\n"


def test_a_link_stays_one(tmp_path: Path) -> None:
    kept = tmp_path / "kept.env"
    kept.write_text("SECRET=old\n")
    link = tmp_path / ".env"
    link.symlink_to(kept)
    write_variable(link, "SECRET", "new")
    assert link.is_symlink()
    assert kept.read_text() == "SECRET=new\n"
