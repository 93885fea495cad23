"""Uploads over real sockets: refused while they arrive, broken off, sent by a client of others."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import pytest

from kick import Controller, File, Post, UploadFile
from tests.http.forms import file, form, no_leak, open_temporary_files, pieces, text
from tests.http.support import app_of
from tests.support.serving import Serve
from tests.support.waiting import wait_until

MiB = 1 << 20

__all__ = ["no_leak"]  # a fixture


@Controller()
class Pictures:
    @Post("/picture")
    async def picture(self, picture: Annotated[UploadFile, File(max_size=8 * MiB, types=["image/*"])]) -> Any:
        return [picture.filename, picture.safe_name, picture.content_type, picture.size]


@pytest.fixture(params=["httptools", "h11"])
def url(serve: Serve, request: pytest.FixtureRequest) -> Iterator[str]:
    with serve(app_of(Pictures), http=request.param) as url:
        yield url


@contextmanager
def sending(url: str, length: int) -> Iterator[socket.socket]:
    """A connection on which the headers of an upload have been sent."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        connection.sendall(
            f"POST /picture HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-length: {length}\r\n"
            "content-type: multipart/form-data; boundary=xx\r\n\r\n".encode()
        )
        yield connection


def answer_on(connection: socket.socket) -> tuple[int, Any]:
    """The status and the JSON of an answer after which the connection is closed."""
    head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)


def test_a_client_of_others_uploads(no_leak: None, url: str) -> None:
    picture = ("../naïve 写真.png", b"x" * 3 * MiB, "image/png")
    answer = httpx2.post(f"{url}/picture", files={"picture": picture}, data={"more": "text"})
    assert answer.json() == ["../naïve 写真.png", "naïve 写真.png", "image/png", 3 * MiB]


def test_a_file_that_is_too_large_is_refused_while_it_is_sent(no_leak: None, url: str) -> None:
    body = file("picture", b"x" * (8 * MiB + 1))[:-2]
    with sending(url, len(body) + 1000) as connection:  # these are never sent
        connection.sendall(body)
        status, problem = answer_on(connection)
    assert (status, problem["errors"][0]["location"]) == (413, "/body/picture")


def test_a_file_of_a_wrong_type_is_refused_before_its_content(no_leak: None, url: str) -> None:
    with sending(url, MiB) as connection:
        connection.sendall(file("picture", b"", media_type="text/html")[:-2])
        status, problem = answer_on(connection)
    assert (status, problem["errors"][0]["location"]) == (415, "/body/picture")


def test_an_announced_length_beyond_the_limits_is_refused_unread(url: str) -> None:
    with sending(url, 10 * MiB) as connection:
        assert answer_on(connection)[0] == 413


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_goes_away_in_the_middle_leaves_no_file(no_leak: None, url: str, reset: bool) -> None:
    body, before = form(file("picture", b"x" * 6 * MiB), text("a", "1")), open_temporary_files()
    with sending(url, len(body)) as connection:
        for piece in pieces(body[: 4 * MiB], 65536):
            connection.sendall(piece)
        wait_until(lambda: open_temporary_files() - before, "a temporary file")
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: not open_temporary_files() - before, "the end of the temporary file")
    assert httpx2.post(f"{url}/picture", files={"picture": ("a.png", b"x", "image/png")}).status_code == 200
