"""The picture of the README is drawn from a real terminal; all of it anew by `python -m tests.cli.recording`."""

import re
import xml.etree.ElementTree
from pathlib import Path

import pytest

from tests.cli.recording import IMAGE, PROMPT, drawn, made, record, typed_environment


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


def test_the_picture_shows_what_the_commands_write_today(tmp_path: Path) -> None:
    """If it fails, draw the picture again: `python -m tests.cli.recording`."""
    env = typed_environment(tmp_path)
    picture = lines_of(IMAGE.read_text(encoding="utf-8"))
    shown = lines_of(drawn(made(tmp_path, env)))
    assert len(shown) > 40
    assert picture[: len(shown)] == shown
    routes = paths_in(lines_of(drawn(record("kick routes", tmp_path / "my-app", env))))
    of_the_api = {path for path in routes if path.startswith(("/docs", "/openapi"))}
    assert paths_in(picture) == routes - of_the_api


def lines_of(svg: str) -> list[str]:
    """The texts of a picture, from above. The number of a migration is another one each time."""
    texts = xml.etree.ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    lines = ["".join(text.itertext()).replace("\xa0", " ").strip() for text in texts]
    return [re.sub(r"/[0-9a-f]{12}_", "/..._", line) for line in lines]


def paths_in(lines: list[str]) -> set[str]:
    return {line.split()[0] for line in lines if line.startswith("/")}


def test_the_picture_shows_the_first_minute_and_asks_no_other_site() -> None:
    svg = IMAGE.read_text(encoding="utf-8")
    for command in ("kick new my-app", "kick generate resource book title:str pages:int", "pytest -q", "kick dev"):
        assert command in text_of(svg)
    assert "passed" in text_of(svg)
    assert svg.count("http") == svg.count("http://www.w3.org/") + svg.count("http://127.0.0.1")
