import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from kick.cli.server import file_watching
from kick.cli.server.file_watching import Watch

POKE = "poke.py"


@pytest.fixture(params=["watchfiles", "without"])
def with_and_without_watchfiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "watchfiles":
        monkeypatch.setattr(file_watching, "_ANYWAY", 60)  # nothing is found by looking every now and then
    else:
        monkeypatch.setitem(sys.modules, "watchfiles", None)  # as if it were not installed


def begun(folder: Path) -> Iterator[list[Path]]:
    """The looks at a folder, from the moment on when they see what is saved."""
    looks = Watch(folder).looks(Event())
    is_seen = Event()

    def poke() -> None:
        number = 0
        while not is_seen.wait(0.05):
            number += 1
            (folder / POKE).write_text("#" * number)

    poking = Thread(target=poke)
    poking.start()
    try:
        assert next(filter(None, looks)) == [Path(POKE)]
    finally:
        is_seen.set()
        poking.join()
    return looks


def seen(looks: Iterator[list[Path]]) -> set[str]:
    """What is saved, as the next look sees it that sees something."""
    deadline = monotonic() + 60
    for saved in looks:
        names = {str(path) for path in saved} - {POKE}
        if names:
            return names
        assert monotonic() < deadline, "nothing is seen"
    raise AssertionError("the looks have ended")


def test_what_is_saved_made_or_removed_is_seen_once(tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "a.py").write_text("1")
    (package / "b.py").write_text("1")
    watch = Watch(tmp_path)
    assert watch.changed() == []
    (package / "a.py").write_text("22")
    (package / "b.py").unlink()
    (tmp_path / "c.py").write_text("1")
    (tmp_path / ".env").write_text("A=1")
    assert watch.changed() == [Path(".env"), Path("c.py"), Path("shop/a.py"), Path("shop/b.py")]
    assert watch.changed() == []


def test_what_is_no_part_of_the_program_is_not_seen(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    folders = [environment, tmp_path / ".hidden", tmp_path / "node_modules", tmp_path / "__pycache__"]
    for folder in folders:
        folder.mkdir()
    (environment / "pyvenv.cfg").write_text("")
    watch = Watch(tmp_path)
    for folder in folders:
        (folder / "a.py").write_text("1")
    (tmp_path / "notes.db").write_text("1")
    assert watch.changed() == []


def test_a_folder_that_goes_away_takes_its_files_along(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "a.py").write_text("1")
    watch = Watch(tmp_path)
    folder.rename(tmp_path / ".gone")
    assert watch.changed() == [Path("shop/a.py")]


@pytest.mark.usefixtures("with_and_without_watchfiles")
def test_a_save_is_seen_however_an_editor_makes_it(tmp_path: Path) -> None:
    file, beside = tmp_path / "app.py", tmp_path / "app.py~"
    looks = begun(tmp_path)
    file.write_text("1")
    assert seen(looks) == {"app.py"}
    beside.write_text("22")
    beside.replace(file)
    assert seen(looks) == {"app.py"}
    file.rename(beside)
    assert seen(looks) == {"app.py"}
    file.write_text("333")
    assert seen(looks) == {"app.py"}


@pytest.mark.usefixtures("with_and_without_watchfiles")
def test_what_is_saved_in_a_new_folder_is_seen(tmp_path: Path) -> None:
    looks = begun(tmp_path)
    package = tmp_path / "shop" / "orders"
    package.mkdir(parents=True)
    (tmp_path / "app.py").write_text("1")
    assert seen(looks) == {"app.py"}
    (package / "models.py").write_text("1")
    assert seen(looks) == {"shop/orders/models.py"}
    (tmp_path / "shop").rename(tmp_path / "store")
    assert seen(looks) == {"shop/orders/models.py", "store/orders/models.py"}
    (tmp_path / "store" / "orders" / "models.py").write_text("22")
    assert seen(looks) == {"store/orders/models.py"}


@pytest.mark.usefixtures("with_and_without_watchfiles")
def test_the_looks_end_when_they_are_told_to(tmp_path: Path) -> None:
    stopped = Event()
    looks = Watch(tmp_path).looks(stopped)
    Thread(target=stopped.set).start()
    assert [saved for saved in looks if saved] == []


def test_where_the_system_says_nothing_a_look_is_taken_all_the_same(tmp_path: Path) -> None:
    looks = Watch(tmp_path).looks(Event())
    (tmp_path / "app.py").write_text("1")  # before the system was asked
    assert seen(looks) == {"app.py"}


def test_where_the_system_watches_no_more_a_look_is_taken_now_and_then(tmp_path: Path) -> None:
    looks = begun(tmp_path)
    lowest = os.open(os.devnull, os.O_RDONLY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))
    os.close(lowest)  # a single file can be opened: enough to look, too few to watch
    try:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "a.py").write_text("1")
        assert seen(looks) == {"shop/a.py"}
        (tmp_path / "shop" / "a.py").write_text("22")
        assert seen(looks) == {"shop/a.py"}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
