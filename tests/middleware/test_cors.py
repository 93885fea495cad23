"""CORS: who may read what, preflights, errors, caches, and what is refused at the start."""

from __future__ import annotations

import re
from typing import Any

import pytest
from selenium.webdriver import Chrome
from starlette.types import Receive, Scope, Send

from kick import App, Controller, Get, Module, Options, Post, RequestContext, Response, Use, bootstrap
from kick.errors import KickError
from kick.middleware import cors, rate_limit
from kick.middleware.cors import CorsLayer, PlainCorsLayer
from tests.http.support import app_of, ask
from tests.support.serving import Serve
from tests.support.setup_errors import raises_code

SITE = "https://app.example.com"
FROM_SITE = {"origin": SITE}
ASKS = {"origin": SITE, "access-control-request-method": "POST"}


@Controller("/x")
class XController:
    @Get()
    async def show(self) -> dict[str, int]:
        return {"a": 1}

    @Post()
    async def create(self, body: dict[str, int]) -> dict[str, int]:
        return body

    @Get("/broken")
    async def broken(self) -> None:
        raise LookupError

    @Options("/options")
    async def options(self) -> str:
        return "mine"

    @Get("/own")
    async def own(self, ctx: RequestContext) -> Response:
        response = ctx.text("own")
        response.headers["access-control-allow-origin"] = "https://other.test"
        return response


def app(**options: Any) -> App:
    return app_of(XController, middleware=[cors(**{"allow_origins": [SITE], **options})])


# Responses


async def test_a_site_on_the_list_may_read_and_caches_know_that_it_depends() -> None:
    answer = await ask(app(allow_credentials=True, expose_headers=["ratelimit"]), "/x", headers=FROM_SITE)
    assert answer.header("access-control-allow-origin") == SITE
    assert answer.header("access-control-allow-credentials") == "true"
    assert answer.header("access-control-expose-headers") == "ratelimit"
    assert answer.header("vary") == "Origin"


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "https://evil.test"}, {"origin": "null"}, {"origin": SITE + "/"}], ids=str
)
async def test_no_other_site_may_and_caches_know_that_too(headers: dict[str, str]) -> None:
    answer = await ask(app(allow_credentials=True), "/x", headers=headers)
    assert answer.status == 200
    assert [name for name, _ in answer.headers if name.startswith("access-control")] == []
    assert answer.header("vary") == "Origin"


@pytest.mark.parametrize(
    ("target", "options", "status"),
    [
        ("/nowhere", {}, 404),
        ("/x", {"method": "DELETE"}, 405),
        ("/x", {"method": "POST", "json": "text"}, 422),
        ("/x/broken", {}, 500),
        ("/x%2", {}, 400),
    ],
)
async def test_errors_can_be_read_as_well(target: str, options: Any, status: int) -> None:
    answer = await ask(app(), target, headers=FROM_SITE, **options)
    assert answer.status == status
    assert answer.header("access-control-allow-origin") == SITE
    assert answer.header("vary") == "Origin"


async def test_what_everybody_may_read_depends_on_nothing() -> None:
    for headers in ({}, FROM_SITE):
        answer = await ask(app(allow_origins=["*"]), "/x", headers=headers)
        assert answer.header("access-control-allow-origin") == "*"
        assert answer.header("vary") is None


async def test_many_sites_by_a_pattern() -> None:
    application = app(allow_origins=[], allow_origin_regex=r"https://[a-z0-9-]+\.example\.com")
    for origin, allowed in {
        "https://a.example.com": True,
        "https://b-1.example.com": True,
        "https://a.example.com.evil.test": False,
        "https://evil.test/https://a.example.com": False,
        "https://aXexample.com": False,
        "http://a.example.com": False,
    }.items():
        answer = await ask(application, "/x", headers={"origin": origin})
        assert answer.header("access-control-allow-origin") == (origin if allowed else None)


async def test_what_the_handler_said_is_not_said_twice() -> None:
    answer = await ask(app(), "/x/own", headers=FROM_SITE)
    assert answer.header("access-control-allow-origin") == "https://other.test"


# Preflights


@pytest.mark.parametrize("target", ["/x", "/nowhere", "/x/options"])
async def test_a_preflight_is_answered_for_every_path(target: str) -> None:
    headers = {**ASKS, "access-control-request-headers": "content-type, x-token"}
    answer = await ask(app(allow_headers=["X-Token"], max_age=5), target, method="OPTIONS", headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("access-control-allow-origin") == SITE
    assert "POST" in (answer.header("access-control-allow-methods") or "")
    assert "X-Token" in (answer.header("access-control-allow-headers") or "")
    assert answer.header("access-control-max-age") == "5"
    assert (answer.header("vary") or "").startswith("Origin, Access-Control-Request-Method")


async def test_a_preflight_for_what_is_mounted_does_not_reach_it() -> None:
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("its own answer")(scope, receive, send)

    application = bootstrap([Module("old", mounts={"/old": mounted})], [cors(allow_origins=[SITE])])
    answer = await ask(application, "/old/x", method="OPTIONS", headers=ASKS)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("access-control-allow-methods")
    options = await ask(application, "/old/x", method="OPTIONS")
    assert options.body == b"its own answer"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({**ASKS, "origin": "https://evil.test"}, "origin"),
        ({**ASKS, "access-control-request-method": "BREW"}, "method"),
        ({**ASKS, "access-control-request-headers": "x-token"}, "headers"),
    ],
)
async def test_a_preflight_that_is_refused_says_why(headers: dict[str, str], reason: str) -> None:
    answer = await ask(app(), "/x", method="OPTIONS", headers=headers)
    assert answer.status == 400
    assert answer.json()["detail"] == f"Disallowed CORS {reason}."
    assert (answer.header("access-control-allow-origin") is None) is (reason == "origin")


async def test_options_without_a_preflight_is_the_applications() -> None:
    assert (await ask(app(), "/x", method="OPTIONS", headers=FROM_SITE)).header("allow") == "GET, HEAD, OPTIONS, POST"
    answer = await ask(app(), "/x/options", method="OPTIONS", headers=FROM_SITE)
    assert (answer.json(), answer.header("access-control-allow-origin")) == ("mine", SITE)


async def test_all_headers_are_those_that_were_asked_for() -> None:
    application = app(allow_headers=["*"])
    headers = {**ASKS, "access-control-request-headers": "x-a,x-b"}
    answer = await ask(application, "/x", method="OPTIONS", headers=headers)
    assert answer.header("access-control-allow-headers") == "x-a,x-b"
    for hostile in ("x-a: b", "x-a\r\nset-cookie: a=b", "é", "x" * 9000):
        headers = {**ASKS, "access-control-request-headers": hostile}
        answer = await ask(application, "/x", method="OPTIONS", headers=headers)
        assert answer.status == 400
        assert hostile not in str(answer.headers)


def test_routes_without_options_do_not_look_for_preflights() -> None:
    application = app()
    layer, _ = application.middleware
    assert isinstance(layer, CorsLayer)
    found = {route.path: type(layer.for_route(route)) for route in application.routes}
    assert (found["/x"], found["/x/options"], type(layer.for_route(None))) == (PlainCorsLayer, CorsLayer, CorsLayer)


# Mistakes


@pytest.mark.parametrize(
    "origin",
    [
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://App.Example.com",
        "https://*.example.com",
        "https://user@app.example.com",
        "https://app.example.com:port",
        " https://app.example.com",
        "https://",
        "",
        5,
    ],
)
def test_an_origin_that_no_browser_sends_stops_the_start(origin: Any) -> None:
    with raises_code("cors-origin") as caught:
        cors(allow_origins=[origin])
    (code,) = re.findall(r"`allow_origins=([^`]+)`", caught.value.fix)
    assert cors(allow_origins=eval(code))


def test_the_origin_that_was_meant_is_named() -> None:
    with raises_code("cors-origin", match=re.escape("`allow_origins=['https://shop.test:8443']`")):
        cors(allow_origins=["https://Shop.test:8443/cart"])


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "https://[::1]:8443", "https://a_b.test", "app://localhost"]
)
def test_origins_that_browsers_send_are_allowed(origin: str) -> None:
    assert cors(allow_origins=[origin], allow_credentials=True)


@pytest.mark.parametrize(
    "options",
    [
        {"allow_origins": ["*"], "allow_credentials": True},
        {"allow_origins": ["null"]},
        {"allow_origin_regex": ".*"},
        {"allow_origin_regex": r".*\.example\.com"},
        {"allow_origin_regex": r"https://.*\.example\.com"},
        {"allow_origin_regex": r"https://app.example\.com"},
        {"allow_origin_regex": r"https?://[^/]+"},
        {"allow_origin_regex": r"https://app\.test|[a-z:/.]+"},
        {"allow_origin_regex": r"(https://app\.test|null)"},
        {"allow_origin_regex": r"https://[a-z0-9-]+\.com", "allow_credentials": True},
        {"allow_origin_regex": r"https://[^.]+\.org", "allow_credentials": True},
        {"allow_origin_regex": r"https://[\w.-]+\.(com|net)", "allow_credentials": True},
        {"allow_origin_regex": r"https://[a-z.]+\.co\.uk", "allow_credentials": True},
        {"allow_origin_regex": r"https://[a-z0-9]{5,}\.io", "allow_credentials": True},
        {"allow_origin_regex": r"https://[a-z0-9-]+\.vercel\.app", "allow_credentials": True},
        {"allow_origin_regex": r"https://[a-z0-9.-]*example\.com", "allow_credentials": True},
    ],
    ids=str,
)
def test_what_opens_an_application_to_strangers_stops_the_start(options: Any) -> None:
    with raises_code("cors-dangerous") as caught:
        cors(**options)
    (code,) = re.findall(r"`([^`]+)`", caught.value.fix)
    name, _, value = code.partition("=")
    assert cors(**{"allow_origins": [], **options, name: eval(value)})


@pytest.mark.parametrize(
    "options", [{"allow_origins": ["http://app.test"]}, {"allow_origin_regex": r"https?://[a-z]+\.app\.test"}]
)
def test_sites_without_https_get_no_credentials_in_production(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cors(**options, allow_credentials=True)
    monkeypatch.setenv("KICK_ENV", "production")
    assert cors(**options)
    assert cors(allow_origins=["http://localhost:3000"], allow_credentials=True)
    with raises_code("cors-dangerous", match="https"):
        cors(**options, allow_credentials=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"allow_origins": SITE},
        {"allow_origin_regex": "("},
        {"allow_origins": [SITE], "allow_methods": "GET"},
        {"allow_origins": [SITE], "allow_headers": ["x y"]},
        {"allow_origins": [SITE], "expose_headers": ["x\r\ny"]},
        {"allow_origins": [SITE], "expose_headers": ["*"], "allow_credentials": True},
        {"allow_origins": [SITE], "max_age": "10m"},
    ],
    ids=str,
)
def test_an_option_that_makes_no_sense_stops_the_start(options: Any) -> None:
    with raises_code("cors-option"):
        cors(**options)


def test_around_a_route_it_stops_the_start() -> None:
    @Controller("/y")
    class YController:
        @Get()
        @Use(cors(allow_origins=["*"]))
        async def show(self) -> None: ...

    with raises_code("cors-route", match="show"):
        app_of(YController)


def test_a_limit_before_it_stops_the_start() -> None:
    with pytest.raises(KickError, match="cors\\(\\) is listed after rate_limit"):
        app_of(XController, middleware=[rate_limit("5/minute"), cors(allow_origins=["*"])])


# In Chromium, over two origins

FETCH = """
const done = arguments[arguments.length - 1], [url, options] = arguments;
fetch(url, options).then(async r => done([r.status, await r.text(), r.headers.get("ratelimit")]), e => done(String(e)));
"""


def test_a_browser_lets_the_site_read_and_no_other(browser: Chrome, serve: Serve) -> None:
    @Controller()
    class PageController:
        @Get("/")
        async def page(self, ctx: RequestContext) -> Response:
            return ctx.html("<title>a page</title>")

    @Controller("/api")
    class ApiController:
        @Get()
        async def show(self, ctx: RequestContext) -> str:
            return ctx.cookies.get("who", "nobody")

        @Get("/cookie")
        async def cookie(self, ctx: RequestContext) -> str:
            ctx.set_cookie("who", "ada")
            return "set"

        @Post()
        async def create(self, body: dict[str, int]) -> dict[str, int]:
            return body

    with serve(app_of(PageController)) as site, serve(app_of(PageController)) as stranger:
        layers = [
            cors(allow_origins=[site], allow_credentials=True, expose_headers=["ratelimit"]),
            rate_limit("100/hour"),
        ]
        with serve(app_of(ApiController, middleware=layers)) as api:

            def fetch(path: str, **options: Any) -> Any:
                return browser.execute_async_script(FETCH, api + path, {"credentials": "include", **options})

            as_json = {"method": "POST", "headers": {"content-type": "application/json"}}
            browser.get(site)
            assert fetch("/api/cookie")[:2] == [200, '"set"']
            status, text, left = fetch("/api")
            assert (status, text) == (200, '"ada"')
            assert left.startswith('"100/hour";r=98;')
            assert fetch("/api", body='{"a":1}', **as_json)[:2] == [200, '{"a":1}']
            assert fetch("/api", body='{"a":"b"}', **as_json)[0] == 422
            assert fetch("/nowhere")[0] == 404
            assert "Failed to fetch" in fetch("/api", method="POST", headers={"x-other": "1"})
            browser.get(stranger)
            assert "Failed to fetch" in fetch("/api")
            assert "Failed to fetch" in fetch("/api", body='{"a":1}', **as_json)


# Private networks


PRIVATE = {**ASKS, "access-control-request-private-network": "true"}


@pytest.mark.parametrize("sites", [{}, {"allow_origins": [], "allow_origin_regex": r"https://[a-z]+\.example\.com"}])
async def test_a_site_may_reach_a_private_network_if_it_is_allowed_to(sites: dict[str, Any]) -> None:
    allowed = await ask(app(allow_private_network=True, **sites), "/x", method="OPTIONS", headers=PRIVATE)
    assert (allowed.status, allowed.header("access-control-allow-private-network")) == (204, "true")
    refused = await ask(app(**sites), "/x", method="OPTIONS", headers=PRIVATE)
    assert (refused.status, refused.header("access-control-allow-private-network")) == (400, None)
    assert "private-network" in refused.json()["detail"]


async def test_private_networks_are_spoken_of_to_those_who_ask_and_are_listed() -> None:
    layer = {"allow_private_network": True}
    for headers, status in ((ASKS, 204), ({**PRIVATE, "origin": "https://evil.test"}, 400)):
        answer = await ask(app(**layer), "/x", method="OPTIONS", headers=headers)
        assert answer.status == status
        assert answer.header("access-control-allow-origin") == (SITE if status == 204 else None)
    plain = await ask(app(**layer), "/x", headers=FROM_SITE)
    assert plain.header("access-control-allow-private-network") is None
    assert (await ask(app(**layer), "/x", method="OPTIONS", headers=ASKS)).header(
        "access-control-allow-private-network"
    ) is None


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"allow_origins": ["*"], "allow_private_network": True}, "cors-dangerous"),
        ({"allow_origins": [SITE], "allow_private_network": "yes"}, "cors-option"),
    ],
)
def test_a_private_network_is_not_opened_to_every_site(options: dict[str, Any], code: str) -> None:
    with raises_code(code):
        cors(**options)
