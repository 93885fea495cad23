"""Hosts that an application answers for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Message

from kick import App, Controller, Get
from kick.middleware.hosts import HostPatterns, parse_host
from kick.middleware.proxies import TrustedProxies
from tests.http.support import Answer, app_of, ask
from tests.support.setup_errors import raises_code

ALLOWED = ["example.com", "*.example.org", "192.0.2.1", "[2001:db8::1]", "localhost"]


@Controller("/")
class Home:
    @Get("/")
    async def home(self) -> str:
        return "works"


def app(**options: Any) -> App:
    return app_of(Home, allowed_hosts=ALLOWED, **options)


async def visit(application: App, *hosts: str) -> Answer:
    scope: dict[str, Any] = {"headers": [(b"host", host.encode("latin-1")) for host in hosts]}
    messages: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        messages.append(message)

    scope |= {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": ""}
    await application(scope, receive, send)
    return Answer(messages)


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "EXAMPLE.com", "example.com.", "example.com:8000", "example.com:", "a.example.org"),
        *("a.b.EXAMPLE.org:1", "192.0.2.1:80", "[2001:db8::1]", "[2001:DB8:0::1]:8000", "localhost:8000"),
    ],
)
async def test_a_host_that_is_named_is_answered(host: str) -> None:
    assert (await visit(app(), host)).text == '"works"'


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.test", "example.org", "evilexample.org", "example.com.evil.test", "example.com@evil.test", "."),
        *("example.com/", "example.com evil.test", "example.com,evil.test", "example.com:80:90", "example.com:99999"),
        *("example.com:x", "[2001:db8::2]", "[2001:db8::1", "2001:db8::1", "[::ffff:192.0.2.1]", "a..example.org"),
        *(".example.org", "-.example.org", "example.com\x00", "\x1b[31m.example.org", "é.example.org", "x" * 9000),
    ],
)
async def test_any_other_is_a_400_with_problem_details(host: str) -> None:
    answer = await visit(app(), host)
    assert (answer.status, answer.header("content-type")) == (400, "application/problem+json")
    assert answer.json()["detail"] == "This server does not serve the host of this request."
    assert len(answer.json()["request_id"]) == 32


@pytest.mark.parametrize("hosts", [(), ("example.com", "evil.test"), ("example.com", "example.com")])
async def test_none_and_several_are_refused(hosts: tuple[str, ...]) -> None:
    assert (await visit(app(), *hosts)).status == 400


async def test_the_host_that_a_trusted_proxy_tells_counts() -> None:
    behind = app(trusted_proxies=TrustedProxies(1, host=True))
    told = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-host", "evil.test")]
    assert (await ask(behind, "/", headers=told)).status == 400
    assert (await ask(behind, "/", headers=[told[0], ("x-forwarded-host", "a.example.org")])).status == 200


@pytest.mark.parametrize("given", ["example.com", 1, {"example.com": 1}])
def test_it_takes_a_list(given: Any) -> None:
    with raises_code("list-missing", match="allowed_hosts= of bootstrap"):
        app_of(Home, allowed_hosts=given)


async def test_it_stands_around_asgi_middleware() -> None:
    application = app(asgi_middleware=[Middleware(GZipMiddleware)])
    assert [(await visit(application, host)).status for host in ("example.com", "evil.test")] == [200, 400]


async def test_a_websocket_for_another_host_is_refused() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app()({"type": "websocket", "headers": [(b"host", b"evil.test")]}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40) | st.text("aA.-_:[]0189*@/ ", max_size=30).map(str.encode))
def test_whatever_is_sent_nothing_is_raised_and_what_is_read_is_a_host(value: bytes) -> None:
    assert HostPatterns(ALLOWED).allow(value) in (True, False)
    host = parse_host(value.decode("latin-1"))
    if host is not None:
        assert set(host.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_:")
        assert msgspec.json.encode(host.name)
