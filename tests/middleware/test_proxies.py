"""Who the client is behind proxies, and that nobody but a trusted one has a say in it."""

from __future__ import annotations

import string
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kick import App, Controller, Get, RequestContext
from kick.middleware.proxies import ProxiedApp, TrustedProxies, forwarded_elements, seen_through
from kick.session import SessionMiddleware, session
from tests.http.support import Answer, app_of, ask
from tests.support.costs import assert_costs_at_most
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
PEER = "192.0.2.7"
NETWORKS = ["192.0.2.0/24", "10.0.0.0/8", "2001:db8:1::/48"]


@Controller("/")
class Where:
    @Get("/")
    async def where(self, ctx: RequestContext) -> dict[str, Any]:
        return {"ip": ctx.client_ip, "url": str(ctx.url)}

    @Get("/reset")
    async def reset(self, ctx: RequestContext) -> Any:
        return ctx.redirect(str(ctx.url.replace(path="/login")))

    @Get("/login")
    async def login(self, ctx: RequestContext) -> None:
        ctx.session.data["user"] = 7


async def where(trusted: Any, *headers: tuple[str, str], peer: str | None = PEER) -> tuple[str, str]:
    app = app_of(Where, trusted_proxies=trusted, middleware=[session(SECRET)])
    client = None if peer is None else (peer, 50_000)
    answer = (await ask(app, "/", headers=headers, client=client)).json()
    return answer["ip"], answer["url"]


def xff(*values: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", value) for value in values]


async def test_by_default_nobody_is_believed() -> None:
    told = [*xff("203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.test")]
    assert await where(None, *told) == (PEER, "http://example.com/")


async def test_an_application_without_proxies_is_not_wrapped() -> None:
    assert type(app_of(Where, middleware=[session(SECRET)])) is App


@pytest.mark.parametrize(
    ("entries", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        (["1.2.3.4, 203.0.113.9, 10.0.0.3"], "203.0.113.9"),
        (["1.2.3.4", "203.0.113.9", "10.0.0.3"], "203.0.113.9"),
        (["10.0.0.9,10.0.0.3"], "10.0.0.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["2001:DB8:0:0::7"], "2001:db8::7"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, ::ffff:10.0.0.3"], "203.0.113.9"),
        (["203.0.113.9, 2001:db8:1::5"], "203.0.113.9"),
        # what cannot be read ends the way: no more is known than the proxy that said it
        (["203.0.113.9, unknown"], PEER),
        (["203.0.113.9, unknown, 10.0.0.3"], "10.0.0.3"),
        (["203.0.113.9, _hidden"], PEER),
        (["203.0.113.9, "], PEER),
        ([""], PEER),
        (['"203.0.113.9"'], PEER),
        (["fe80::1%eth0"], PEER),
        (["[::1"], PEER),
        (["203.0.113.9:99999"], PEER),
        (["203.0.113.9\x1b[31m"], PEER),
        (["0x7f.1"], PEER),
        (["010.0.0.1"], PEER),
    ],
)
async def test_x_forwarded_for_is_read_from_the_right_through_the_networks(entries: list[str], client: str) -> None:
    assert (await where(NETWORKS, *xff(*entries)))[0] == client


@pytest.mark.parametrize(
    ("count", "entries", "client"),
    [
        (1, "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        (2, "1.2.3.4, 203.0.113.9, 198.51.100.2", "203.0.113.9"),
        (2, "203.0.113.9", "203.0.113.9"),
        (3, "1.2.3.4, unknown, 198.51.100.2", "198.51.100.2"),
        (1, "garbage", PEER),
    ],
)
async def test_a_count_says_how_many_entries_are_the_proxies_own(count: int, entries: str, client: str) -> None:
    assert (await where(count, *xff(entries)))[0] == client


async def test_a_proxy_that_names_no_client_still_says_the_scheme() -> None:
    assert await where(1, ("X-Forwarded-Proto", "https")) == (PEER, "https://example.com/")
    assert await where(1) == (PEER, "http://example.com/")


async def test_somebody_outside_of_the_networks_is_the_client_whatever_they_say() -> None:
    told = [*xff("203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.test")]
    assert await where(["10.0.0.0/8"], *told) == (PEER, "http://example.com/")


@pytest.mark.parametrize(("trusted", "client"), [(["unix"], "203.0.113.9"), (1, "203.0.113.9"), (["10.0.0.0/8"], None)])
async def test_a_proxy_on_a_unix_socket_has_no_address(trusted: Any, client: str | None) -> None:
    assert (await where(trusted, *xff("203.0.113.9"), peer=None))[0] == client


@pytest.mark.parametrize(
    ("proto", "host", "url"),
    [
        ("https", "shop.example", "https://shop.example/"),
        ("HTTPS", "shop.example:8443", "https://shop.example:8443/"),
        ("https, http", "evil.test, shop.example", "http://shop.example/"),
        ("javascript", "shop.example/@evil.test", "http://example.com/"),
        ("", "", "http://example.com/"),
        ("https\x00", "a b", "http://example.com/"),
        ("https", "[2001:db8::1]:8000", "https://[2001:db8::1]:8000/"),
        ("https", "user@evil.test", "https://example.com/"),
    ],
)
async def test_scheme_and_host_are_those_of_the_nearest_proxy(proto: str, host: str, url: str) -> None:
    headers = [*xff("203.0.113.9"), ("X-Forwarded-Proto", proto), ("X-Forwarded-Host", host)]
    assert await where(TrustedProxies(NETWORKS, host=True), *headers) == ("203.0.113.9", url)


@pytest.mark.parametrize("trusted", [1, NETWORKS, TrustedProxies(1, prefix=True), TrustedProxies.of_text("1, prefix")])
async def test_the_host_is_not_read_of_a_proxy_that_is_not_said_to_set_it(trusted: Any) -> None:
    """Most proxies set `-For` and `-Proto`, and forward the `-Host` of the client: links would lead to `evil.test`."""
    told = [*xff("203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.test")]
    assert await where(trusted, *told) == ("203.0.113.9", "https://example.com/")
    app = app_of(Where, trusted_proxies=trusted, middleware=[session(SECRET)])
    (location,) = (await ask(app, "/reset", headers=told, client=(PEER, 1))).all("location")
    assert location == "https://example.com/login"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1, host", TrustedProxies(1, host=True)),
        ("host,1,prefix", TrustedProxies(1, host=True, prefix=True)),
        ("10.0.0.0/8, unix , prefix", TrustedProxies(["10.0.0.0/8", "unix"], prefix=True)),
        ("1", TrustedProxies(1)),
        (" , ", None),
        ("0", None),
    ],
)
def test_the_environment_says_it_in_words(text: str, expected: TrustedProxies | None) -> None:
    assert repr(TrustedProxies.of_text(text)) == repr(expected)


@pytest.mark.parametrize("text", ["host", "host, prefix", "1, 10.0.0.0/8", "1 host", "Host, 1", "-1"])
def test_words_without_a_proxy_stop_the_start(text: str) -> None:
    with raises_code("trusted-proxies"):
        TrustedProxies.of_text(text)


@pytest.mark.parametrize(
    ("lines", "client", "url"),
    [
        (["for=203.0.113.9;proto=https;host=shop.example"], "203.0.113.9", "https://shop.example/"),
        (['For="[2001:db8::7]:4711" ; PROTO=https'], "2001:db8::7", "https://example.com/"),
        (["for=1.2.3.4;proto=https, for=203.0.113.9;proto=http"], "203.0.113.9", "http://example.com/"),
        (["for=203.0.113.9;proto=https, for=10.0.0.3;proto=http"], "203.0.113.9", "https://example.com/"),
        (["for=1.2.3.4;host=evil.test", "for=203.0.113.9"], "203.0.113.9", "http://example.com/"),
        (["for=unknown;proto=https"], PEER, "https://example.com/"),
        (["for=203.0.113.9, for=_hidden;proto=https, for=10.0.0.3"], "10.0.0.3", "https://example.com/"),
        (['for="203.0.113.9'], PEER, "http://example.com/"),
        (['for="1.2.3.4', "for=203.0.113.9"], "203.0.113.9", "http://example.com/"),
        (['for=1.2.3.4;host=", for="[2001:db8::7]"'], PEER, "http://example.com/"),
        (["for=1.2.3.4;for=203.0.113.9"], PEER, "http://example.com/"),
        (['for="203.0.113.9\\"";host="a\\"b"'], PEER, "http://example.com/"),
    ],
)
async def test_forwarded_is_read_likewise(lines: list[str], client: str, url: str) -> None:
    proxies = TrustedProxies(NETWORKS, headers="forwarded")
    assert await where(proxies, *(("Forwarded", line) for line in lines)) == (client, url)


async def test_only_the_kind_of_headers_that_the_proxies_write_is_read() -> None:
    both = [*xff("203.0.113.9"), ("Forwarded", "for=198.51.100.4")]
    assert (await where(1, *both))[0] == "203.0.113.9"
    assert (await where(TrustedProxies(1, headers="forwarded"), *both))[0] == "198.51.100.4"


async def test_asgi_middleware_sees_the_client_too() -> None:
    seen: list[Any] = []

    class Look:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append((scope["client"][0], scope["scheme"]))
            await self.app(scope, receive, send)

    app = app_of(Where, middleware=[session(SECRET)], trusted_proxies=1, asgi_middleware=[Middleware(Look)])
    await ask(app, "/", headers=[*xff("203.0.113.9"), ("X-Forwarded-Proto", "https")])
    assert seen == [("203.0.113.9", "https")]


async def cookie_of(app: App, proto: str) -> str:
    answer: Answer = await ask(app, "/login", headers=[*xff("203.0.113.9"), ("X-Forwarded-Proto", proto)])
    (cookie,) = answer.all("set-cookie")
    return cookie


async def test_a_session_cookie_is_secure_by_what_the_proxy_says() -> None:
    layer = session(SECRET, cookie={"secure": "auto"}, save_uninitialized=False)
    app = app_of(Where, middleware=[layer], trusted_proxies=1)
    assert (await cookie_of(app, "https")).endswith("; Secure")
    assert "Secure" not in await cookie_of(app, "http")
    untold = app_of(Where, middleware=[layer])
    assert "Secure" not in await cookie_of(untold, "https")


async def test_so_is_that_of_the_session_middleware_of_other_frameworks() -> None:
    async def home(request: Request) -> PlainTextResponse:
        request.session["user"] = 7
        return PlainTextResponse("in")

    inner = SessionMiddleware(Starlette(routes=[Route("/", home)]), SECRET, cookie={"secure": "auto"})
    app = ProxiedApp(inner, TrustedProxies(1))
    for proto, is_secure in (("https", True), ("http", False)):
        answer = await ask(app, "/", headers=[*xff("203.0.113.9"), ("X-Forwarded-Proto", proto)])
        assert answer.all("set-cookie")[0].endswith("; Secure") is is_secure


def test_a_websocket_gets_the_scheme_of_websockets() -> None:
    scope: Scope = {"type": "websocket", "scheme": "ws", "client": (PEER, 1), "headers": []}
    scope["headers"] = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https")]
    assert seen_through(TrustedProxies(1), scope)["scheme"] == "wss"
    assert scope["scheme"] == "ws"


# Hostile values


HOSTILE = st.text(st.sampled_from(string.printable + "é\x00\x7f\x9b\"'\\[]:;,=_%"), max_size=60)
FORWARDED = st.lists(
    st.sampled_from(["for=", "1.2.3.4", '"', ";", ",", "proto=https", "host=a", "\\", "[::1]", ":80", "_x", " ", "="])
).map("".join)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"]),
            HOSTILE | FORWARDED,
        ),
        max_size=6,
    )
)
@pytest.mark.parametrize("headers", ["x-forwarded", "forwarded"])
@pytest.mark.parametrize("trusted", [2, NETWORKS])
def test_whatever_is_sent_the_client_is_an_address_and_the_host_a_host(
    trusted: Any, headers: Any, told: list[tuple[bytes, str]]
) -> None:
    raw = [(name, value.encode("latin-1", "replace")) for name, value in told]
    scope: Scope = {"type": "http", "scheme": "http", "client": (PEER, 1), "headers": [(b"host", b"example.com"), *raw]}
    seen = seen_through(TrustedProxies(trusted, headers=headers, host=True, prefix=True), scope)
    assert "%" not in str(ip_address(seen["client"][0]))
    assert 0 <= seen["client"][1] <= 65535
    assert seen["scheme"] in ("http", "https")
    (host,) = [value for name, value in seen["headers"] if name == b"host"]
    assert set(host.decode()) <= set(string.ascii_letters + string.digits + "._-:[]")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "beginning", "piece", "end"),
    [
        ("x-forwarded", b"", b"10.0.0.1, ", b""),
        ("x-forwarded", b"", b",", b""),
        ("forwarded", b"", b"for=10.0.0.1, ", b"for=10.0.0.1"),
        ("forwarded", b'for="', b"\\", b""),
        ("forwarded", b"", b'a="', b""),
        ("forwarded", b"", b" ", b""),
        ("forwarded", b"", b"a", b""),
    ],
)
def test_thousands_of_entries_take_time_in_proportion_to_their_length(
    headers: Any, beginning: bytes, piece: bytes, end: bytes
) -> None:
    name = b"forwarded" if headers == "forwarded" else b"x-forwarded-for"
    proxies = TrustedProxies(["10.0.0.0/8"], headers=headers)

    def read(size: int) -> Callable[[], object]:
        value = beginning + piece * (size // len(piece)) + end
        scope: Scope = {"type": "http", "scheme": "http", "client": ("10.0.0.1", 1), "headers": [(name, value)]}
        return lambda: seen_through(proxies, scope)

    assert_costs_at_most(20, read(480_000), read(60_000))


def test_an_unfinished_list_is_malformed() -> None:
    assert forwarded_elements("for=1.2.3.4,") is None
    assert forwarded_elements("for=1.2.3.4;") is None
    assert forwarded_elements("") == []
