"""The page on settings: its application does what is said of it, and its table has each variable of the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kick.cli.env_file import enter
from kick.testing import TestClient
from tests.guide.pages import GUIDE, names_of
from tests.support.serving import ROOT

PAGE = "settings.md"
HEADING = "A class of settings"


def test_the_settings_of_the_environment_are_injected(monkeypatch: pytest.MonkeyPatch) -> None:
    names = names_of(PAGE, HEADING)
    monkeypatch.setenv(
        "SESSION_SECRET", "the first secret of at least thirty-two bytes,the second secret of at least thirty-two bytes"
    )
    monkeypatch.setenv("PAGE_SIZE", "0")
    monkeypatch.setenv("ALLOWED_HOSTS", "testserver")
    settings = names["Settings"].from_environment()
    assert "first secret" not in repr(settings)
    with TestClient(names["create_app"](settings)) as client:
        assert client.get("/notes").json() == []


def test_a_missing_variable_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SESSION_SECRET", raising=False)
    with pytest.raises(KeyError, match="SESSION_SECRET"):
        names_of(PAGE, HEADING)["Settings"].from_environment()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PAGE_SIZE=5\nPAGE_NAME=notes\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PAGE_SIZE", "7")
    monkeypatch.setenv("PAGE_NAME", "")
    monkeypatch.delenv("PAGE_NAME")  # so that the end of the test takes away what the file sets
    enter(tmp_path, "test")
    import os

    assert (os.environ["PAGE_SIZE"], os.environ["PAGE_NAME"]) == ("7", "notes")


def variables_of_the_source() -> Iterator[str]:
    for path in (ROOT / "kick").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(r"^(KICK_[A-Z_]+|WEB_CONCURRENCY|NO_COLOR|FORCE_COLOR)$", node.value)


def commands_that_read_the_file() -> set[str]:
    """The commands whose module enters the folder of the project, by itself or by `open_app`."""
    folder = ROOT / "kick/cli/commands"
    return {path.stem for path in folder.glob("*.py") if re.search(r"\b(enter|open_app)\(", path.read_text())}


def test_the_table_has_each_variable_that_the_source_names() -> None:
    table = (GUIDE / PAGE).read_text().partition("## Variables that kick reads")[2]
    rows = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])
    }
    assert rows - {"SESSION_STORE"} == set(variables_of_the_source())


def test_the_commands_that_read_the_file_are_listed() -> None:
    section = (GUIDE / PAGE).read_text().partition("## The file .env")[2].partition(" Each line")[0]
    assert set(re.findall(r"`kick (\w+)`", section)) == commands_that_read_the_file()
