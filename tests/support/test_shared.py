from pathlib import Path

import pytest

from tests.support.shared import shared_folder


def test_a_folder_is_made_once_and_for_all_workers(tmp_path_factory: pytest.TempPathFactory) -> None:
    made: list[Path] = []
    name = "folder-of-test-shared"
    first = shared_folder(tmp_path_factory, name, made.append)
    assert shared_folder(tmp_path_factory, name, made.append) == first
    assert made == [first]


def test_what_failed_is_made_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        shared_folder(tmp_path_factory, "failing-of-test-shared", fail)
    folder = shared_folder(tmp_path_factory, "failing-of-test-shared", lambda folder: (folder / "whole").touch())
    assert [each.name for each in folder.iterdir()] == ["whole"]
