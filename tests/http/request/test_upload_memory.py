"""What a large upload costs a server in memory: measured from outside, over a real socket."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.serving import ServedProcess, ServeProcess

MiB, GiB = 1 << 20, 1 << 30
MOST_GROWTH = 16 * MiB

APP = """
import hashlib
from typing import Annotated
from kick import Controller, File, Module, Post, RequestContext, UploadFile, bootstrap

@Controller()
class Uploads:
    @Post("/typed")
    async def typed(self, video: Annotated[UploadFile, File(max_size=1 << 40)]) -> list[int]:
        return [video.size]

    @Post("/context", max_body=1 << 40)
    async def context(self, ctx: RequestContext) -> list[int]:
        return [each.size for each in ctx.files]

    @Post("/read", max_body=1 << 40)
    async def read(self, video: UploadFile) -> list[int]:
        return [sum([len(chunk) async for chunk in video.chunks()])]

app = bootstrap([Module("uploads", controllers=[Uploads])])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uploads")
    (folder / "upload_server.py").write_text(APP)
    return folder


@pytest.mark.parametrize(
    ("path", "size", "files"),
    [("/typed", GiB, 1), ("/context", 128 * MiB, 1), ("/context", 128 * MiB, 90), ("/read", 128 * MiB, 1)],
)
def test_a_large_upload_does_not_grow_the_server(
    serve_process: ServeProcess, folder: Path, path: str, size: int, files: int
) -> None:
    with serve_process("upload_server:app", cwd=folder) as server:
        assert upload(server, path, 2 * MiB, 1) == [2 * MiB]  # what is imported at the first upload, threads too
        before = memory(server, "VmRSS")
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # forget the peak
        assert sum(upload(server, path, size, files)) == size // files * files
        assert memory(server, "VmHWM") - before < MOST_GROWTH


def memory(server: ServedProcess, what: str) -> int:
    """A figure of the process, in bytes."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024


def upload(server: ServedProcess, path: str, size: int, files: int) -> list[int]:
    """Send a form with so many files, made while they are sent; gives what the server says of them."""
    address = urlsplit(server.url)
    length = sum(len(piece) * times for piece, times in _form(size, files))
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {address.netloc}\r\nconnection: close\r\ncontent-length: {length}\r\n"
        "content-type: multipart/form-data; boundary=xx\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=300) as connection:
        connection.sendall(head.encode())
        for piece, times in _form(size, files):
            for _ in range(times):
                connection.sendall(piece)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return [int(each) for each in answer.rpartition(b"\r\n\r\n")[2].strip(b"[]").split(b",")]


def _form(size: int, files: int) -> Iterator[tuple[bytes, int]]:
    """The pieces of a form, and how often each is sent."""
    piece = bytes(range(256)) * 256
    pieces, rest = divmod(size // files, len(piece))
    for _ in range(files):
        yield b'--xx\r\nContent-Disposition: form-data; name="video"; filename="video.mp4"\r\n\r\n', 1
        yield piece, pieces
        yield piece[:rest] + b"\r\n", 1
    yield b"--xx--\r\n", 1
