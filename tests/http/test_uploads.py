"""`UploadFile`, `File`, and names that are safe."""

import io
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest

from kick import File, UploadFile
from kick.http.uploads import safe_name_of
from tests.support.setup_errors import raises_code


def upload(content: bytes = b"content", *, on_disk: bool = False) -> UploadFile:
    file: Any = SpooledTemporaryFile()  # noqa: SIM115
    file.write(content)
    if on_disk:
        file.rollover()
    file.seek(0)
    return UploadFile(file, size=len(content), filename="a.txt")


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("写真 1.jpeg", "写真 1.jpeg"),
        ("e\u0301te\u0301.txt", "été.txt"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\ada\\a.txt", "a.txt"),
        ("folder/", "file"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        ("...", "file"),
        (" . ", "file"),
        (".htaccess", "htaccess"),
        ("a.txt. . ", "a.txt"),
        ("a\x00.png", "a.png"),
        ("a\r\nset-cookie: x", "aset-cookie_ x"),
        ("gnp\u202eexe.a", "gnpexe.a"),
        ("a\u2028b", "ab"),
        ("\ud800", "file"),
        ('<a href="x">?*|', "_a href=_x_____"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("COM1.tar.gz", "_COM1.tar.gz"),
        ("console.txt", "console.txt"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("é" * 200 + ".png", "é" * 125 + ".png"),
        ("x" * 300, "x" * 255),
        ("x." + "y" * 300, "x." + "y" * 253),
    ],
)
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name_of(name) == safe == UploadFile(io.BytesIO(), filename=name).safe_name
    assert len(safe.encode()) <= 255
    assert safe_name_of(safe) == safe


@pytest.mark.parametrize("on_disk", [False, True])
async def test_the_content_comes_in_chunks_from_its_beginning_each_time(on_disk: bool) -> None:
    file = upload(b"abcdefg", on_disk=on_disk)
    assert await file.read(2) == b"ab"
    for _ in range(2):
        assert [chunk async for chunk in file.chunks(3)] == [b"abc", b"def", b"g"]
    await file.close()


@pytest.mark.parametrize("on_disk", [False, True])
async def test_a_file_is_saved_and_can_be_read_again(tmp_path: Path, on_disk: bool) -> None:
    file = upload(on_disk=on_disk)
    await file.read()
    assert await file.save_to(tmp_path / "a.txt") == tmp_path / "a.txt"
    assert (tmp_path / "a.txt").read_bytes() == b"content" == await file.read()
    await file.close()


async def test_a_file_that_is_there_is_not_overwritten_unless_asked_for(tmp_path: Path) -> None:
    file, target = upload(), tmp_path / "a.txt"
    target.write_bytes(b"before")
    with pytest.raises(FileExistsError):
        await file.save_to(target)
    assert target.read_bytes() == b"before"
    await file.save_to(str(target), overwrite=True)
    assert target.read_bytes() == b"content"
    assert names_in(tmp_path) == ["a.txt"]
    await file.close()


class Breaking(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("the disk is gone")


@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_copy_that_fails_leaves_nothing_behind(tmp_path: Path, overwrite: bool) -> None:
    with pytest.raises(OSError, match="the disk is gone"):
        await UploadFile(Breaking(b"x")).save_to(tmp_path / "a.txt", overwrite=overwrite)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("types", "media_type", "taken"),
    [
        ([], "anything/else", True),
        (["image/png"], "image/png", True),
        (["image/PNG"], "image/png", True),
        (["image/png"], "image/jpeg", False),
        (["image/*", "text/plain"], "image/svg+xml", True),
        (["image/*"], "imagery/png", False),
        (["image/*"], "", False),
        (["*/*"], "text/html", True),
    ],
)
def test_media_types_are_taken_one_by_one_or_by_their_group(types: list[str], media_type: str, taken: bool) -> None:
    assert File(types=types).takes(media_type) is taken


@pytest.mark.parametrize(
    "options",
    [
        {"max_size": 0},
        {"max_size": 1.5},
        {"max_size": True},
        {"max_files": -1},
        {"types": "image/png"},
        {"types": ["png"]},
        {"types": [1]},
    ],
)
def test_what_is_no_limit_is_a_mistake(options: dict[str, Any]) -> None:
    with raises_code("file-limit"):
        File(**options)
