from pathlib import Path

from kick.cli.watching import Watch


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
