"""Every fix that `kick generate` prints is carried out here, and then the command works."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import kick
from tests.support.setup_errors import codes_in

APP = "from kick import bootstrap\n\napp = bootstrap([])\n"
BOOK = "kick generate resource book title:str"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def refused(command: str, folder: Path, code: str) -> list[str]:
    """The code in the fix that a refused command prints."""
    run = kick(*shlex.split(command)[1:], cwd=folder)
    assert run.returncode == 1, run.stdout
    assert f"error  {code}" in run.stderr, run.stderr
    assert "Traceback" not in run.stderr
    return re.findall(r"`([^`]+)`", run.stderr.partition("\n  fix    ")[2])


def works(command: str, folder: Path) -> None:
    run = kick(*shlex.split(command)[1:], cwd=folder)
    assert run.returncode == 0, run.stderr
    assert kick("routes", cwd=folder).returncode == 0


def bad_name(folder: Path) -> None:
    for kind in ("resource", "module"):
        (command,) = refused(
            f"kick generate {kind} 5-notes title:str"[: None if kind == "resource" else -10], folder, "generate-name"
        )
        works(f"{command} --dry-run", folder)


def bad_field(folder: Path) -> None:
    (command,) = refused("kick generate resource note title", folder, "generate-field")
    works(command, folder)


def file_taken(folder: Path) -> None:
    (folder / "books").mkdir()
    (folder / "books" / "models.py").write_text("mine = 1\n")
    (command,) = refused(BOOK, folder, "generate-file")
    _, here, there = shlex.split(command)
    (folder / here).rename(folder / there)
    works(BOOK, folder)
    assert (folder / "books" / "models.py.old").read_text() == "mine = 1\n"


def no_module_list(folder: Path) -> None:
    (folder / "app.py").write_text(APP.replace("[]", "list()"))
    written, option, line, entry = refused(BOOK, folder, "generate-list")
    works(f"{BOOK} {option}", folder)
    (folder / "app.py").write_text(f"{line}\n{APP.replace('[]', f'list([{entry}])')}")
    assert "/books/{book_id}" in kick("routes", cwd=folder).stdout
    (folder / "app.py").write_text(APP.replace("[]", written.replace("...", "")))
    works("kick generate resource cup size:int", folder)


def unreadable_module(folder: Path) -> None:
    (folder / "app.py").write_text(APP + "x = (")
    (command,) = refused(BOOK, folder, "generate-syntax")
    assert "app.py:4" in kick(*command.split()[1:], cwd=folder).stderr
    (folder / "app.py").write_text(APP)
    works(BOOK, folder)


FIXES: dict[str, Callable[[Path], None]] = {
    "generate-name": bad_name,
    "generate-field": bad_field,
    "generate-file": file_taken,
    "generate-list": no_module_list,
    "generate-syntax": unreadable_module,
}


@pytest.mark.parametrize("code", FIXES)
def test_the_fix_works(code: str, folder: Path) -> None:
    FIXES[code](folder)


def test_every_mistake_is_here() -> None:
    assert set(codes_in("cli/generate")) - {"missing-extra"} == FIXES.keys()
