from pathlib import Path

import pytest

from kick.cli.errors import FolderTaken
from kick.cli.scaffold import fill, render, write_project

VALUES = {
    "name": "my-app",
    "package": "my_app",
    "secret": "drawn",
    "session_url": "memory://",
    "session_about": "somewhere",
    "extras": "fast",
}


def test_every_marker_is_replaced() -> None:
    contents = render("api", VALUES)
    assert "my_app/main.py" in contents
    assert {".env", ".env.example", ".gitignore"} < contents.keys()
    assert [path for path, text in contents.items() if "{{" in text + path or "__package__" in text + path] == []


def test_a_marker_without_a_value_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="nothing"):
        fill("{{ nothing }}", VALUES)


def test_braces_of_other_kinds_stay() -> None:
    assert fill("{name} {{name}} $name %s", VALUES) == "{name} {{name}} $name %s"


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    with pytest.raises(FolderTaken, match="a folder with something in it"):
        write_project(folder, {"a": "1"})
    assert [path.name for path in tmp_path.rglob("*")] == ["shop", "mine"]


def test_a_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    with pytest.raises(FolderTaken, match="a file"):
        write_project(tmp_path / "shop", {"a": "1"})


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shop").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderTaken):
        write_project(tmp_path / "shop", {"a": "1"})


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    write_project(tmp_path / "shop", {"a": "1", "b/c": "2"})
    assert (tmp_path / "shop" / "b" / "c").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_project(tmp_path / "shop", {"a": "1", "b": "\ud800"})
    assert list(tmp_path.iterdir()) == []
