"""Request smuggling: a request with two lengths, behind a proxy and on each server."""

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from kick import Controller, Get, Module, Post, RequestContext, bootstrap
from tests.http.support import ask
from tests.support.servers import Serves, on_each_server

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


def answers(url: str, request: bytes) -> bytes:
    """What the server sends, until it closes the connection or says nothing more."""
    received = b""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        while data := connection.recv(65_536):
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


async def test_the_refusal_is_in_the_access_log() -> None:
    from kick.middleware.access_log.log import AccessLog

    lines: list[str] = []
    log = AccessLog("json", write=lines.append)
    headers = [("transfer-encoding", "chunked"), ("content-length", "4")]
    answer = await ask(app(trusted_proxies=1, access_log=log), "/size", method="POST", body=b"abcd", headers=headers)
    log.flush()
    assert answer.status == 400
    assert '"status":400' in lines[0]
