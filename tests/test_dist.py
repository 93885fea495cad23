"""What is released is the same for the same commit, complete, and runs where nothing else is."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.shared import shared_folder
from tools import dist

pytestmark = [pytest.mark.project, pytest.mark.long, pytest.mark.process]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the files of this one, in one commit of a fixed time. All workers share it."""
    return shared_folder(tmp_path_factory, "checkout", commit)


def commit(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", str(dist.ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (dist.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(dist.ROOT / name, folder / name)
    who = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
    when = os.environ | {"GIT_COMMITTER_DATE": "2026-01-02T03:04:06Z", "GIT_AUTHOR_DATE": "2026-01-02T03:04:06Z"}
    for command in (["init", "-q"], ["add", "--all"], [*who, "commit", "-q", "-m", "All of it"]):
        subprocess.run(["git", *command], cwd=folder, check=True, env=when)


@pytest.fixture(scope="module")
def made(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = shared_folder(tmp_path_factory, "made", lambda folder: dist.make(folder / "dist", root=checkout)) / "dist"
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture
def changed(made: tuple[Path, Path], tmp_path: Path) -> Callable[..., Path]:
    """The wheel, with some of its files taken out, others put in, and a change in its metadata."""

    def change(*, without: str = "", extra: str = "", metadata: Callable[[bytes], bytes] = bytes) -> Path:
        target = tmp_path / made[1].name
        with zipfile.ZipFile(made[1]) as old, zipfile.ZipFile(target, "w") as new:
            for name in old.namelist():
                raw = old.read(name)
                if not without or without not in name:
                    new.writestr(name, metadata(raw) if name.endswith("/METADATA") else raw)
            if extra:
                new.writestr(extra, b"")
        return target

    return change


def test_both_are_made_after_all_checks_and_bear_the_time_of_the_commit(made: tuple[Path, Path]) -> None:
    """The checks build twice, compare the bytes, and serve and ask the README's application from the wheel."""
    sdist, wheel = made
    assert {each.name for each in sdist.parent.iterdir()} == {sdist.name, wheel.name}
    with zipfile.ZipFile(wheel) as archive:
        assert {each.date_time for each in archive.infolist()} == {(2026, 1, 2, 3, 4, 6)}
    with tarfile.open(sdist) as archive:
        assert {each.mtime for each in archive.getmembers()} == {1767323046}


def test_what_is_not_committed_is_not_released(checkout: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(checkout, changed)
    (changed / "kick" / "stray.py").write_text("")
    dist.export(changed, tmp_path / "source")
    assert (tmp_path / "source/kick/app.py").exists()
    assert not (tmp_path / "source/kick/stray.py").exists()


@pytest.mark.parametrize(
    ("without", "extra", "problem"),
    [
        ("kick/py.typed", "", "kick/py.typed is missing"),
        ("kick/cli/templates/", "", "kick/cli/templates/"),
        ("licenses/LICENSE", "", "licenses/LICENSE is missing"),
        ("entry_points.txt", "", "entry_points.txt is missing"),
        ("METADATA", "", "METADATA"),
        ("", "tests/test_app.py", "tests/test_app.py does not belong there"),
        ("", "kick/app.pyc", "kick/app.pyc does not belong there"),
        ("", "kick/.env", "kick/.env does not belong there"),
    ],
)
def test_a_wheel_that_lacks_something_or_has_too_much_is_refused(
    changed: Callable[..., Path], checkout: Path, without: str, extra: str, problem: str
) -> None:
    with pytest.raises(dist.Unfit, match=problem):
        dist.check_wheel(changed(without=without, extra=extra), checkout)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"Name: kick-framework", b"Name: other", "it is other"),
        (b"\nVersion: ", b"\nVersion: 9", "not what pyproject.toml says"),
        (b"\nVersion: ", b"\nVersion: one.", "version"),
        (b"License-Expression: MIT", b"License-Expression: NONE OF THESE", "license"),
        (b"License-Expression: MIT AND Apache-2.0\n", b"", "licence"),
        (b"Classifier: Typing :: Typed", b"Classifier: Typing :: Guessed", "no such classifier"),
        (b"Description-Content-Type: text/markdown", b"Description-Content-Type: text/x-rst", "text/x-rst"),
        (b"\n# kick\n", b"\nkick\n", "README"),
        (b"Requires-Dist: click>=8", b"Requires-Dist: click==8.5.1", "pins"),
        (b"Requires-Python: >=3.11", b"Requires-Python: new", "requires-python"),
    ],
)
def test_metadata_that_an_index_refuses_or_shows_wrongly_is_refused(
    changed: Callable[..., Path], checkout: Path, old: bytes, new: bytes, problem: str
) -> None:
    def change(raw: bytes) -> bytes:
        assert old in raw
        return raw.replace(old, new, 1)

    with pytest.raises(dist.Unfit, match=f"(?i){problem}"):
        dist.check_wheel(changed(metadata=change), checkout)


def test_an_sdist_without_its_tests_or_with_a_secret_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "kick_framework-1.tar.gz"
    with tarfile.open(target, "w:gz") as archive:
        for name in (*dist.IN_SDIST[:-1], "examples/auth/.env"):
            archive.addfile(tarfile.TarInfo(f"kick_framework-1/{name}"), io.BytesIO())
    with pytest.raises(dist.Unfit) as refused:
        dist.check_sdist(target)
    assert refused.value.problems == [
        "kick_framework-1.tar.gz: tests is missing",
        "kick_framework-1.tar.gz: examples/auth/.env does not belong there",
    ]


def test_builds_that_differ_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    dist.check_same([one], [one])
    with pytest.raises(dist.Unfit, match="other bytes"):
        dist.check_same([one, one], [one, other])


def test_a_wheel_whose_application_does_not_start_is_refused(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("raise SystemExit('no application')")
    with (
        pytest.raises(dist.Unfit, match="no application"),
        dist.serving([shutil.which("python3") or "python3", "server.py"], cwd=tmp_path),
    ):
        pass
