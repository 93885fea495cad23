from pathlib import Path

import pytest

from kick.cli.scaffold import fill, render, write_project
from tests.support.setup_errors import raises_code

LAYERS = ("_base", "_notes", "_sqlalchemy", "api")
VALUES = {
    **dict.fromkeys(
        [
            *(
                "api",
                "web",
                "minimal",
                "memory",
                "sqlite",
                "postgres",
                "redis",
                "notes",
                "data",
                "stateless",
                "volumes",
            ),
            *("from_index", "sqlalchemy", "sqlite3", "plain", "depends"),
        ],
        "",
    ),
    **dict.fromkeys(["description", "secret", "session_url", "session_about", "container_session_url"], "text"),
    **dict.fromkeys(["extras", "target", "checked", "database_url", "migrate_phony"], "text"),
    **dict.fromkeys(["versions", "elsewhere", "kick_line", "kick_folder", "kick_needed"], "text"),
    **dict.fromkeys(["kick_wheel", "kick_phony", "kick_target"], "text"),
    "name": "my-app",
    "package": "my_app",
}


def test_every_marker_is_replaced() -> None:
    contents = render(LAYERS, VALUES)
    assert {"my_app/main.py", "my_app/notes/controller.py", ".env", ".env.example", ".gitignore"} < contents.keys()
    assert [path for path, text in contents.items() if "__package__" in text + path or "{{ package" in text] == []


def test_a_layer_replaces_what_is_in_those_before_it() -> None:
    below, above = (render([layer], VALUES)["tests/test_notes.py"] for layer in ("api", "web"))
    assert below != above
    assert render(["api", "web"], VALUES)["tests/test_notes.py"] == above


def test_a_part_is_there_where_its_value_is() -> None:
    text = "first\n{{ if a }}\n{{ name }}\n{{ end }}\n{{ if b }}\nother\n{{ end }}\nlast\n"
    assert fill(text, {"a": "yes", "b": "", "name": "mine"}) == "first\nmine\nlast\n"
    with pytest.raises(KeyError, match="b"):
        fill(text, {"a": "yes", "name": "mine"})


def test_the_braces_of_pages_are_left_to_jinja() -> None:
    assert "{{ site }}" in render(["web"], VALUES)["my_app/templates/base.html"]


def test_a_marker_without_a_value_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="nothing"):
        fill("{{ nothing }}", VALUES)


def test_braces_of_other_kinds_stay() -> None:
    assert fill("{name} {{name}} $name %s", VALUES) == "{name} {{name}} $name %s"


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    with raises_code("project-folder", match="a folder that is not empty"):
        write_project(folder, {"a": "1"})
    assert [path.name for path in tmp_path.rglob("*")] == ["shop", "mine"]


def test_a_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    with raises_code("project-folder", match="a file"):
        write_project(tmp_path / "shop", {"a": "1"})


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shop").symlink_to(tmp_path / "elsewhere")
    with raises_code("project-folder"):
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


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_project(tmp_path / "shop", {"a": b"\r\n\xff"})
    assert (tmp_path / "shop" / "a").read_bytes() == b"\r\n\xff"
