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

from kick import Controller, File, Get, Post, Provider, RequestContext, Unauthorized, UploadFile
from kick.auth import Authenticated, login
from kick.middleware import csrf
from kick.session import session
from tests.http.forms import file, form, no_leak, open_temporary_files, pieces, text
from tests.http.support import app_of
from tests.support.serving import Serve
from tests.support.waiting import wait_until
from tests.support.wire import Wire

MiB = 1 << 20

__all__ = ["no_leak"]  # a fixture


@Controller()
class Pictures:
    @Post("/picture")
    async def picture(self, picture: Annotated[UploadFile, File(max_size=8 * MiB, types=["image/*"])]) -> Any:
        return [picture.filename, picture.safe_name, picture.content_type, picture.size]


class User: ...


async def current_user(ctx: RequestContext) -> User:
    if "authorization" not in ctx.headers:
        raise Unauthorized("Log in first.")
    return User()


@Controller(session=False)
class Protected:
    """Whoever says who they are may upload."""

    @Post("/file")
    async def file(self, picture: UploadFile, user: User) -> Any:
        return picture.size

    @Post("/watched", cancel_on_disconnect=True)
    async def watched(self, body: bytes, user: User) -> Any:
        return len(body)

    @Post("/body", decompress=True)
    async def body(self, *, user: User, ctx: RequestContext) -> Any:
        return len(ctx.raw_body)

    @Post("/guarded", session=True)
    @Authenticated
    async def guarded(self, picture: UploadFile) -> Any:
        return picture.size


@pytest.fixture(params=["httptools", "h11"])
def url(serve: Serve, request: pytest.FixtureRequest) -> Iterator[str]:
    with serve(app_of(Pictures), http=request.param) as url:
        yield url


@contextmanager
def sending(url: str, length: int) -> Iterator[socket.socket]:
    """A connection on which the headers of an upload have been sent."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=60) as connection:
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


# Refused by a guard or a provider


@pytest.fixture(params=["httptools", "h11"])
def protected(serve: Serve, request: pytest.FixtureRequest) -> Iterator[str]:
    app = app_of(
        Protected,
        middleware=[session("a secret of at least thirty-two bytes", save_uninitialized=False)],
        providers=[Provider(User, current_user, scope="request")],
        max_body=64 * MiB,
    )
    with serve(app, http=request.param) as url:
        yield url


AUTHORIZED = {"authorization": "Basic YTpi"}
EXPECTING = {"expect": "100-continue", "content-type": "multipart/form-data; boundary=xx"}


@pytest.mark.parametrize("target", ["/file", "/watched", "/body", "/guarded"])
@pytest.mark.parametrize("size", [f"content-length: {48 * MiB}", "transfer-encoding: chunked"])
def test_whoever_is_refused_is_not_asked_for_the_upload(protected: str, target: str, size: str) -> None:
    with Wire(protected) as wire:
        lines = f"{size}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in EXPECTING.items())
        wire.say(f"POST {target} HTTP/1.1\r\nhost: kick.test\r\nconnection: close\r\n{lines}\r\n".encode())
        received = wire.rest()  # nothing of the body is ever sent
    assert received.startswith(b"HTTP/1.1 401 ")


def test_whoever_may_upload_is_asked_for_it(protected: str) -> None:
    body = form(file("picture", b"x" * 5 * MiB))
    for target, size in (("/file", 5 * MiB), ("/watched", len(body)), ("/body", 0)):
        with Wire(protected) as wire:
            headers = {**EXPECTING, "content-length": str(len(body)), **AUTHORIZED}
            if target == "/watched":
                headers["content-type"] = "application/octet-stream"
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            wire.say(f"POST {target} HTTP/1.1\r\nhost: kick.test\r\n{lines}\r\n".encode())
            wire.read_until(b"HTTP/1.1 100 ")
            wire.read_until(b"\r\n\r\n")
            wire.say(body)
            assert json.loads(wire.reply("POST").body) == size


def test_a_coding_that_is_not_decoded_is_refused_before_the_upload(protected: str) -> None:
    for target in ("/watched", "/body"):
        with Wire(protected) as wire:
            headers = {"expect": "100-continue", "content-length": "1000", "content-encoding": "br", **AUTHORIZED}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            wire.say(f"POST {target} HTTP/1.1\r\nhost: kick.test\r\n{lines}\r\n".encode())
            assert wire.rest().startswith(b"HTTP/1.1 415 ")


def test_whoever_a_guard_refuses_is_not_asked_for_a_form_with_a_token(serve: Serve) -> None:
    """An old browser sends the token in the form, which is read for it only if the guards let the request pass."""

    @Controller()
    class Account:
        @Get("/form")
        async def form(self, ctx: RequestContext) -> str:
            return ctx.session.csrf_token

        @Post("/log-in")
        async def log_in(self, ctx: RequestContext) -> str:
            await login(ctx, "ada")
            return ctx.session.csrf_token

        @Post("/picture")
        @Authenticated
        async def picture(self, picture: UploadFile) -> Any:
            return picture.size

    layers = [session("a secret of at least thirty-two bytes", save_uninitialized=False), csrf()]
    with serve(app_of(Account, middleware=layers, max_body=64 * MiB)) as url:

        def upload(page: httpx2.Response, body: bytes | None = None) -> bytes:
            cookie = page.headers["set-cookie"].partition(";")[0]
            length = 48 * MiB if body is None else len(body)
            headers = {**EXPECTING, "content-length": str(length), "cookie": cookie, "connection": "close"}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            with Wire(url) as wire:
                wire.say(f"POST /picture HTTP/1.1\r\nhost: kick.test\r\n{lines}\r\n".encode())
                if body is not None:
                    wire.read_until(b"HTTP/1.1 100 ")
                    wire.say(body)
                return wire.rest()

        assert upload(httpx2.get(f"{url}/form")).startswith(b"HTTP/1.1 401 ")
        page = httpx2.post(f"{url}/log-in")
        body = form(text("csrf_token", page.json()), file("picture", b"x" * MiB))
        assert upload(page, body).endswith(b"\r\n\r\n%d" % MiB)
