"""Requests as bytes over a real socket to each server: malformed ones, and those where the server matters."""

import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, bootstrap
from kick.http import cookie_parser
from kick.session import session
from tests.support.servers import SERVERS

SECRET = "a secret of at least thirty-two bytes"
LIMIT = 1 << 20


class Search(msgspec.Struct):
    q: str = ""
    page: int = 1


@Controller()
class Everything:
    @Get("/item/{number}")
    async def item(self, number: int) -> int:
        return number

    @Get("/text/{text}")
    async def text(self, text: str) -> str:
        return text

    @Get("/search")
    async def search(self, query: Search) -> Search:
        return query

    @Get("/look")
    async def look(self, ctx: RequestContext) -> Any:
        ctx.session.data["seen"] = True
        return [
            ctx.cookies,
            ctx.signed_cookies,
            dict(ctx.query),
            [(name, value) for name, value in ctx.headers.items() if name != "host"],
            ctx.url.path,
            ctx.client_ip,
        ]

    @Post("/json")
    async def json(self, body: dict[str, int]) -> Any:
        return body

    @Post("/any")
    async def any(self, ctx: RequestContext) -> Any:
        return [str(type(ctx.body)), len(ctx.form)]

    @Post("/size")
    async def size(self, body: bytes) -> int:
        return len(body)

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d" % number

        return ctx.stream(chunks(), media_type="text/plain")

    @Get("/breaks")
    async def breaks(self, ctx: RequestContext) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"begun"
            raise LookupError("in the middle")

        return ctx.stream(chunks(), media_type="text/plain")


def application() -> App:
    return bootstrap(
        [Module("everything", controllers=[Everything])],
        [cookie_parser(secret=SECRET), session(secret=SECRET, save_uninitialized=False)],
    )


@pytest.fixture(scope="module", params=SERVERS.values(), ids=list(SERVERS))
def address(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """An application served by each server."""
    with request.param(application()) as url:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        yield parts.hostname, parts.port


class Reply:
    """What came back, taken apart by nobody's library."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.status = int(lines[0].split(b" ")[1]) if lines[0] else 0
        self.headers = [
            (name.lower().decode(), value.strip().decode())
            for name, _, value in (line.partition(b":") for line in lines[1:])
        ]

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def send(address: tuple[str, int], raw: bytes) -> Reply:
    """Send bytes and read until the server closes the connection."""
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(raw)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return Reply(received)


def request(target: bytes, *headers: bytes, method: bytes = b"GET", body: bytes = b"", host: bytes = b"x") -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: " + host, b"Connection: close", *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def is_handled(reply: Reply) -> bool:
    """Whether the server answered, and took none of it for a mistake of its own; 501 is for a coding nobody has."""
    return 200 <= reply.status < 500 or reply.status == 501


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"//",
        b"/text/%",
        b"/text/%f",
        b"/text/%zz",
        b"/text/%ff",
        b"/text/%C0%AF",
        b"/text/%ED%A0%80",
        b"/text/%00",
        b"/text/%0d%0aset-cookie:%20a=b",
        b"/text/..%2f..%2fetc%2fpasswd",
        b"/../../etc/passwd",
        b"/text/\xff",
        b"/text/caf\xc3\xa9",
        b"/item/99999999999999999999999999999999",
        b"/item/1e5",
        b"/item/%31",
        b"/text/" + b"a" * 8000,
        b"/text" * 1500,
        b"/search?page=x",
        b"/search?page=" + b"9" * 6000,
        b"/search?q=%ff",
        b"/search?q=\xff",
        b"/search?%",
        b"/search?" + b"&" * 5000,
        b"/search?" + b"q=1&" * 2000,
        b"/search?page[]=1&page[0]=2",
        b"/search?q=" + b"[" * 5000,
        b"/look?a=%ff",
        b"/look?=&&;=",
        b"/look#fragment",
        b"http://other.test/look",
        b"*",
        b"look",
        b"/look\x7f",
    ],
)
def test_no_path_and_no_query_is_a_mistake_of_the_server(address: tuple[str, int], target: bytes) -> None:
    assert is_handled(send(address, request(target)))


@pytest.mark.parametrize(
    "header",
    [
        b"Cookie: ",
        b"Cookie: ;;;===;;;",
        b"Cookie: kick.sid=",
        b"Cookie: kick.sid=s:",
        b"Cookie: kick.sid=s%3A%ff.%00",
        b"Cookie: kick.sid=s:" + b"a" * 6000,
        b"Cookie: kick.sid=s:../../etc/passwd." + b"A" * 43,
        b'Cookie: a="\\"; b=\xff\xfe; \xa0__Host-c=1',
        b"Cookie: a=%ff%fe",
        b"Cookie: " + b"a=1; " * 1500,
        b"Cookie: " + b'"' * 7000,
        b"Cookie: a=1\r\nCookie: a=2",
        b"Cookie: kick.sid=\xf0\x9f\x8d\xaa",
        b"X-Thing: \xff\xfe",
        b"X-Thing: \t \t",
        b"Content-Type: \xff/\xff",
        b"Content-Type: multipart/form-data",
        b"Accept: " + b"*/*," * 1500,
        b"X-Forwarded-For: nonsense, \xff",
        b"X-Forwarded-Proto: javascript",
        b"Range: bytes=a-b",
        b"If-None-Match: \xff",
        b"Content-Length: -1",
        b"Content-Length: abc",
        b"Content-Length: 1, 2",
        b"Content-Length: 99999999999999999999999",
        b"Transfer-Encoding: nonsense",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3",
        b"Bad Name: 1",
        b": 1",
        b"NoColon",
        b"Expect: 200-nothing",
        b"Upgrade: nonsense",
    ],
)
def test_no_header_is_a_mistake_of_the_server(address: tuple[str, int], header: bytes) -> None:
    reply = send(address, request(b"/look", header))
    assert is_handled(reply)
    assert reply.header("a") is None


@pytest.mark.parametrize("host", [b"", b"[", b"a b", b"a:b:c", b"\xff", b"evil.test\\", b"x:99999999"])
def test_no_host_is_a_mistake_of_the_server(address: tuple[str, int], host: bytes) -> None:
    assert is_handled(send(address, request(b"/look", host=host)))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"application/json", b"{"),
        (b"application/json", b"\xff"),
        (b"application/json", b"[" * 100_000),
        (b"application/json", b'{"a":' * 100_000),
        (b"application/json", b'{"a": 1' + b"0" * 5000 + b"}"),
        (b"application/json", b'{"a": NaN}'),
        (b"application/json", b'{"\\ud800": 1}'),
        (b"application/json; charset=utf-16", b"\xff\xfe{\0}\0"),
        (b"application/x-www-form-urlencoded", b"%ff=%ff"),
        (b"application/x-www-form-urlencoded", b"a=1&" * 5000),
        (b"application/x-www-form-urlencoded", b"\xff\xfe"),
        (b"multipart/form-data", b"x"),
        (b"multipart/form-data; boundary=xx", b"x"),
        (b"multipart/form-data; boundary=xx", b"--xx\r\n\xff: \xff\r\n\r\nx\r\n--xx--"),
        (
            b"multipart/form-data; boundary=xx",
            b'--xx\r\nContent-Disposition: form-data; name="a"; filename="\xff"\r\n\r\nx\r\n--xx--\r\n',
        ),
        (b"multipart/form-data; boundary=" + b"x" * 5000, b"x"),
        (b"\xff", b"x"),
        (b"", b"x"),
        (b"text/plain; charset=nonsense", b"\xff"),
    ],
)
def test_no_body_is_a_mistake_of_the_server(address: tuple[str, int], content_type: bytes, body: bytes) -> None:
    for target in (b"/json", b"/any"):
        reply = send(address, request(target, b"Content-Type: " + content_type, method=b"POST", body=body))
        assert is_handled(reply)
        if reply.status >= 400:
            assert reply.header("content-type") == "application/problem+json"
            assert reply.json()["detail"]


def test_after_a_malformed_request_the_next_one_is_served(address: tuple[str, int]) -> None:
    assert send(address, b"NONSENSE\r\n\r\n").status == 400
    assert send(address, request(b"/item/7")).body == b"7"


# What the server has to do with


def test_head_has_the_headers_of_get_and_not_one_byte_of_a_body(address: tuple[str, int]) -> None:
    for target in (b"/item/7", b"/none", b"/look", b"/stream"):
        got, head = (send(address, request(target, method=method)) for method in (b"GET", b"HEAD"))
        assert head.status == got.status
        assert head.body == b""
        if target != b"/stream":
            assert head.header("content-length") == got.header("content-length") == str(len(got.body))
        assert head.header("content-type") == got.header("content-type")


def test_a_stream_that_breaks_is_cut_off_and_never_looks_complete(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    reply = send(address, request(b"/breaks"))
    assert reply.status == 200
    assert b"begun" in reply.body
    assert not reply.body.endswith(b"0\r\n\r\n")
    assert "in the middle" in caplog.text or reply.header("server") != "uvicorn"  # Hypercorn's log is off


def refused(address: tuple[str, int], head: bytes, piece: bytes, pieces: int) -> tuple[Reply, int]:
    """Send a body piece by piece until the server has had enough; the reply, and how much of it left here."""
    sent = 0
    received = b""
    with socket.create_connection(address, timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        connection.sendall(head)
        try:
            for _ in range(pieces):
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        try:
            while chunk := connection.recv(65_536):
                received += chunk
        except OSError:
            pass
    return Reply(received), sent


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(address: tuple[str, int]) -> None:
    for target in (b"/size", b"/any", b"/json"):
        reply = send(address, request(target, b"Content-Length: %d" % (1 << 40), method=b"POST"))
        assert reply.status == 413
        assert reply.header("connection") == "close"
        assert reply.json()["limit"] == LIMIT


def test_a_body_without_an_end_is_refused_when_it_is_too_large(address: tuple[str, int]) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply, _ = refused(address, head, piece, 17)  # the limit and 64 KiB, without an end
    assert reply.status == 413
    assert reply.header("connection") == "close"
    reply, sent = refused(address, head, piece, 4096)
    assert sent < 64 * LIMIT  # of 256 MiB; what is in the buffers of both ends is not held against the server
    assert reply.status in (413, 0)  # the reply may be lost when the connection is reset


def test_a_body_at_the_limit_is_taken(address: tuple[str, int]) -> None:
    assert send(address, request(b"/size", method=b"POST", body=b"x" * LIMIT)).body == str(LIMIT).encode()
    too_long = request(b"/size", b"Content-Length: %d" % (LIMIT + 1), method=b"POST")
    assert send(address, too_long).status == 413


def test_a_client_that_leaves_amid_its_body_leaves_nothing_in_the_log(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    assert send(address, request(b"/item/7")).status == 200
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
