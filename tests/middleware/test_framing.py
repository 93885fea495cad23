"""Request smuggling: requests whose end a proxy may see at another place, on each server."""

import socket
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from kick import Controller, Get, Module, Post, RequestContext, bootstrap
from tests.http.support import ask
from tests.support.servers import SERVERS, Serves, on_each_server

SMUGGLED = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
LENGTHS = {
    "length first": b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n",
    "chunked first": b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n",
}


@Controller()
class Site:
    @Get("/{name}")
    async def show(self, name: str) -> str:
        return name

    @Post("/size")
    async def size(self, ctx: RequestContext) -> int:
        return len(await ctx.read())


def app(**options: Any) -> Any:
    return bootstrap([Module("site", controllers=[Site])], **options)


def answers(url: str, *pieces: bytes, ends: bool = False) -> bytes:
    """What the server sends until it closes the connection; with `ends`, until it has sent a response to GET /first."""
    received = b""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        for number, piece in enumerate(pieces):
            time.sleep(0.05 * (number > 0))  # so that it comes by itself
            with suppress(ConnectionError):
                connection.sendall(piece)
        with suppress(ConnectionResetError):
            while not (ends and received.endswith(b'"first"')) and (data := connection.recv(65_536)):
                received += data
    return received


@on_each_server
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("line", [b"POST /size", b"GET /first"], ids=["POST", "GET"])
def test_a_request_with_two_lengths_is_refused_and_nothing_after_it_is_read(
    serves: Serves, line: bytes, lengths: bytes
) -> None:
    """The proxy goes by the length, and h11 by the chunks: what follows them is the request of somebody else."""
    head = line + b" HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n" + lengths % len(SMUGGLED)
    with serves(app(trusted_proxies=1)) as url:
        received = answers(url, head + b"\r\n" + SMUGGLED)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"smuggled" not in received
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "headers", [[("transfer-encoding", "chunked")], [("content-length", "4")], []], ids=["chunked", "length", "neither"]
)
async def test_one_length_is_served(headers: list[tuple[str, str]]) -> None:
    answer = await ask(app(trusted_proxies=1), "/size", method="POST", body=b"abcd", headers=headers)
    assert (answer.status, answer.json()) == (200, 4)


UPGRADES = {
    "unknown": b"Connection: upgrade\r\nUpgrade: x\r\n",
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "several lines": b"Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: keep-alive\r\nConnection: upgrade\r\n",
}
"""A handshake of a WebSocket is not among them: uvicorn alone never answers one with a body."""
BODY = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
BODIES = {
    "length": (b"Content-Length: %d\r\n" % len(BODY), BODY),
    "length of many": (b"Content-Length: %d\r\n" % (20 * len(BODY)), 20 * BODY),
    "chunked": (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)),
}


@on_each_server
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "in two pieces"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_the_body_of_a_request_to_upgrade_is_no_request(
    serves: Serves, upgrade: bytes, body: tuple[bytes, bytes], *, waits: bool
) -> None:
    """httptools takes the body for what follows the upgrade, and uvicorn goes on with the next request."""
    length, sent = body
    head = b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n" + upgrade + length + b"\r\n"
    with serves(app(trusted_proxies=1)) as url:
        received = answers(url, *([head, sent] if waits else [head + sent]))
    assert b"smuggled" not in received
    assert received.count(b"HTTP/1.1 2") == 0
    assert received.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"], ids=["none", "0"])
@pytest.mark.parametrize("upgrade", [UPGRADES["unknown"], UPGRADES["h2c"]], ids=["unknown", "h2c"])
@on_each_server
def test_an_upgrade_that_is_not_known_is_ignored(serves: Serves, upgrade: bytes, length: bytes) -> None:
    knows_it = b"h2c" in upgrade and not length and serves is SERVERS["hypercorn"]  # which speaks HTTP/2
    head = b"GET /first HTTP/1.1\r\nhost: x\r\n" + upgrade + length + b"\r\n"
    with serves(app(trusted_proxies=1)) as url:
        received = answers(url, head, ends=not knows_it)
    if knows_it:
        assert received.startswith(b"HTTP/1.1 101 ")
    else:
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.endswith(b'"first"')


@pytest.mark.parametrize("method", ["CONNECT", "POST"])
async def test_a_request_to_upgrade_with_a_body_is_a_400(method: str) -> None:
    headers = [("content-length", "4"), ("connection", "upgrade"), *([("upgrade", "x")] if method == "POST" else [])]
    answer = await ask(app(trusted_proxies=1), "/size", method=method, body=b"abcd", headers=headers)
    assert (answer.status, answer.header("connection")) == (400, "close")
    assert answer.json()["detail"] == "A request that asks for another protocol has no body."


async def test_the_refusal_is_in_the_access_log() -> None:
    from kick.middleware.access_log.log import AccessLog

    lines: list[str] = []
    log = AccessLog("json", write=lines.append)
    headers = [("transfer-encoding", "chunked"), ("content-length", "4")]
    answer = await ask(app(trusted_proxies=1, access_log=log), "/size", method="POST", body=b"abcd", headers=headers)
    log.flush()
    assert answer.status == 400
    assert '"status":400' in lines[0]
