from pathlib import Path

import click
import pytest

from kick.cli.error_report import error_report, is_users, place_of
from kick.errors import KickError, SetupErrors


def run(path: Path, text: str) -> BaseException:
    """The exception that a program raises."""
    path.write_text(text)
    try:
        exec(compile(text, str(path), "exec"), {})
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def test_the_place_is_the_innermost_line_of_the_users_program(tmp_path: Path) -> None:
    error = run(tmp_path / "app.py", "import json\n\ndef read():\n    json.loads('{')\n\nread()\n")
    place = place_of(error)
    assert place is not None
    assert (place.file, place.line, place.text) == (str(tmp_path / "app.py"), 4, "json.loads('{')")


def test_the_place_of_a_syntax_error_is_where_the_syntax_is_wrong(tmp_path: Path) -> None:
    error = run(tmp_path / "app.py", "a = 1\nb = = 2\n")
    place = place_of(error)
    assert place is not None
    assert (place.line, place.text) == (2, "b = = 2")


def test_an_error_that_nobody_raised_has_no_place() -> None:
    assert place_of(KickError("code", "cause", "fix")) is None


def test_paths_are_shown_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = run(tmp_path / "app.py", "1 / 0\n")
    assert str(place_of(error)) == f"{tmp_path / 'app.py'}:1"
    monkeypatch.chdir(tmp_path)
    assert str(place_of(error)) == "app.py:1"


def test_a_cause_that_names_its_place_needs_no_other(tmp_path: Path) -> None:
    text = "from kick.errors import KickError\nraise KickError('code', '{}', 'fix')\n"
    elsewhere = run(tmp_path / "app.py", text.format("GET / at notes.py:3 has no type."))
    here = run(tmp_path / "app.py", text.format("There is no secret."))
    assert isinstance(elsewhere, KickError)
    assert isinstance(here, KickError)
    assert "app.py:2" not in error_report(elsewhere)
    assert "app.py:2" in error_report(here)


def test_several_mistakes_are_counted() -> None:
    report = click.unstyle(error_report(SetupErrors([KickError("x", "a", "b"), KickError("y", "c", "d")])))
    assert "error  x  1 of 2\n         a\n  fix    b\n" in report
    assert "error  y  2 of 2\n         c\n  fix    d\n" in report


def test_a_folder_whose_name_begins_like_that_of_kick_is_the_users() -> None:
    kick = Path(error_report.__code__.co_filename).parents[1]
    assert not is_users(str(kick / "app.py"))
    assert is_users(f"{kick}-demo/app.py")
