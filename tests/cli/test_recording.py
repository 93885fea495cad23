"""The picture of the README is drawn from a real terminal; all of it anew by `python -m tests.cli.recording`."""

import xml.etree.ElementTree
from pathlib import Path

import pytest

from tests.cli.recording import IMAGE, PROMPT, drawn, record, typed_environment


def text_of(svg: str) -> str:
    return "".join(xml.etree.ElementTree.fromstring(svg).itertext()).replace("\xa0", " ")


def test_what_a_terminal_shows_is_drawn_with_its_colours(tmp_path: Path) -> None:
    shown = record("kick new my-app --no-git --yes", tmp_path, typed_environment(tmp_path))
    assert shown.startswith(f"{PROMPT}kick new my-app")
    assert "\x1b[32mmade" in shown
    svg = drawn(shown)
    assert "made" in text_of(svg)
    assert "#78c878" in svg


def test_a_command_that_fails_is_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="project-name"):
        record("kick new 5-apps", tmp_path, typed_environment(tmp_path))


def test_the_picture_shows_the_first_minute_and_asks_no_other_site() -> None:
    svg = IMAGE.read_text(encoding="utf-8")
    for command in ("kick new my-app", "kick generate resource book title:str pages:int", "pytest -q", "kick dev"):
        assert command in text_of(svg)
    assert "passed" in text_of(svg)
    assert svg.count("http") == svg.count("http://www.w3.org/") + svg.count("http://127.0.0.1")
