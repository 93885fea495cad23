"""Security headers: which response gets which, how each is changed, and that a browser heeds the policy."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait
from starlette.types import Receive, Scope, Send

from kick import App, Controller, Get, Module, RequestContext, Response, Use, bootstrap
from kick.http import NotFound, conditional
from kick.http.response.static import StaticFiles
from kick.middleware import security_headers
from kick.middleware.security_headers.csp import DEFAULT, NONCE, Policy
from tests.http.support import Answer, app_of, ask
from tests.support.serving import Serve
from tests.support.setup_errors import raises_code

NAMES = (
    "content-security-policy",
    "content-security-policy-report-only",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
)
EVERYWHERE = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin"}
NOTHING = "default-src 'none'; frame-ancestors 'none'"
DOCUMENT = {"content-security-policy", "cross-origin-opener-policy", "permissions-policy", "referrer-policy"}

KEPT = Response("<p>kept</p>", media_type="text/html")


@Controller("/x")
class XController:
    @Get("/json")
    async def json(self) -> dict[str, int]:
        return {"a": 1}

    @Get("/page")
    async def page(self, ctx: RequestContext) -> Response:
        return ctx.html("<p>page</p>")

    @Get("/nonce")
    async def nonce(self, ctx: RequestContext) -> Response:
        return ctx.html(f"{ctx.csp_nonce} {ctx.csp_nonce}")

    @Get("/svg")
    async def svg(self) -> Response:
        return Response("<svg/>", media_type="image/svg+xml")

    @Get("/feed")
    async def feed(self) -> Response:
        return Response("<rss/>", media_type="Application/RSS+XML; charset=utf-8")

    @Get("/kept")
    async def kept(self) -> Response:
        return KEPT

    @Get("/nothing")
    async def nothing(self) -> None: ...

    @Get("/own")
    async def own(self, ctx: RequestContext) -> Response:
        ctx.set_header("referrer-policy", "no-referrer")
        response = ctx.html("<p>own</p>")
        response.headers["content-security-policy"] = "default-src *"
        response.headers["x-content-type-options"] = "other"
        return response

    @Get("/missing")
    async def missing(self) -> None:
        raise NotFound

    @Get("/broken")
    async def broken(self) -> None:
        raise LookupError

    @Get("/off")
    @Use(security_headers(enabled=False))
    async def off(self, ctx: RequestContext) -> Response:
        return ctx.html("off")

    @Get("/other")
    @Use(security_headers(csp={"img-src": "*"}, referrer_policy=None))
    async def other(self) -> None:
        raise LookupError


def app(**options: Any) -> App:
    return app_of(XController, middleware=[security_headers(**options)])


def security(answer: Answer) -> dict[str, str]:
    found = [(name, value) for name, value in answer.headers if name in NAMES]
    assert len(dict(found)) == len(found), found
    return dict(found)


# Which response gets which


@pytest.mark.parametrize("target", ["/x/json", "/x/missing", "/x/broken", "/x/nothing", "/nowhere"])
async def test_data_has_a_policy_that_allows_nothing(target: str) -> None:
    assert security(await ask(app(), target)) == {**EVERYWHERE, "content-security-policy": NOTHING}


@pytest.mark.parametrize("media_type", ["text/plain", "application/ld+json; charset=utf-8", "APPLICATION/JSON", None])
async def test_so_has_data_of_other_types_and_a_redirect(media_type: str | None) -> None:
    @Controller("/y")
    class YController:
        @Get()
        async def show(self) -> Response:
            return Response("1", media_type=media_type)

        @Get("/away")
        async def away(self, ctx: RequestContext) -> Response:
            return ctx.redirect("/y")

    for target in ("/y", "/y/away"):
        found = security(await ask(app_of(YController, middleware=[security_headers()]), target))
        assert found == {**EVERYWHERE, "content-security-policy": NOTHING}
        without = security(await ask(app_of(YController, middleware=[security_headers(csp=None)]), target))
        assert without == EVERYWHERE


@pytest.mark.parametrize("media_type", ["text/javascript", "text/css", "image/png", "application/pdf", "video/mp4"])
async def test_what_pages_are_made_of_has_none(media_type: str) -> None:
    """The policy of a script holds for the worker that it becomes, that of a PDF for its viewer."""

    @Controller("/y")
    class YController:
        @Get()
        async def show(self) -> Response:
            return Response("1", media_type=media_type)

    assert security(await ask(app_of(YController, middleware=[security_headers()]), "/y")) == EVERYWHERE


async def test_a_304_has_no_policy_that_would_replace_that_of_the_page(tmp_path: Path) -> None:
    """Caches put the headers of a 304 into what they have: pages came without scripts and styles after a reload."""
    (tmp_path / "page.html").write_text("<p>page")

    @Controller("/y")
    class YController:
        @Get("/version")
        async def version(self, ctx: RequestContext) -> Any:
            return ctx.not_modified() if ctx.is_not_modified("1") else ctx.html("<p>page")

        @Use(conditional())
        @Get("/conditional")
        async def by_content(self, ctx: RequestContext) -> Any:
            return ctx.html("<p>page")

        @Get("/file")
        async def file(self, ctx: RequestContext) -> Any:
            return ctx.send_file(tmp_path / "page.html")

    module = Module("y", controllers=[YController], mounts={"/static": StaticFiles(tmp_path)})
    tested = bootstrap([module], [security_headers()])
    for target in ("/y/version", "/y/conditional", "/y/file", "/static/page.html"):
        page = await ask(tested, target)
        assert set(security(page)) == DOCUMENT | set(EVERYWHERE)
        for method in ("GET", "HEAD"):
            answer = await ask(tested, target, method=method, headers={"if-none-match": str(page.header("etag"))})
            assert (answer.status, security(answer)) == (304, EVERYWHERE)


@pytest.mark.parametrize("target", ["/x/page", "/x/svg", "/x/feed", "/x/kept", "/x/nonce"])
async def test_documents_get_all(target: str) -> None:
    found = security(await ask(app(), target))
    assert set(found) == DOCUMENT | set(EVERYWHERE)
    assert "frame-ancestors 'none'" in found["content-security-policy"]


async def test_https_is_told_over_https_only() -> None:
    for target in ("/x/json", "/x/page", "/nowhere"):
        assert "strict-transport-security" not in security(await ask(app(), target))
        secure = security(await ask(app(), target, scheme="https"))
        assert secure["strict-transport-security"] == "max-age=31536000"


async def test_what_a_mounted_application_says_stays() -> None:
    own = {"strict-transport-security": "max-age=9; includeSubDomains", "x-content-type-options": "other"}

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("<p>old</p>", media_type="text/html", headers=own if scope["path"] == "/old" else {})(
            scope, receive, send
        )

    application = bootstrap([Module("old", mounts={"/old": mounted})], [security_headers()])
    assert security(await ask(application, "/old", scheme="https")) == {
        **own,
        "cross-origin-resource-policy": "same-origin",
    }
    assert set(security(await ask(application, "/old/x", scheme="https"))) == set(own) | set(EVERYWHERE)


async def test_a_response_that_is_kept_does_not_collect_headers() -> None:
    before = [*KEPT.raw_headers]
    application = app()
    for _ in range(2):
        security(await ask(application, "/x/kept"))
    assert KEPT.raw_headers == before


async def test_what_the_handler_set_stays() -> None:
    found = security(await ask(app(), "/x/own"))
    assert found["referrer-policy"] == "no-referrer"
    assert found["content-security-policy"] == "default-src *"
    assert found["x-content-type-options"] == "other"


async def test_a_route_may_do_without_or_have_its_own() -> None:
    assert security(await ask(app(), "/x/off")) == {}
    assert security(await ask(app(), "/x/other")) == {**EVERYWHERE, "content-security-policy": NOTHING}


async def test_a_route_may_have_them_alone() -> None:
    @Controller("/y")
    class YController:
        @Get()
        @Use(security_headers(csp={"img-src": "*"}))
        async def show(self, ctx: RequestContext) -> Response:
            return ctx.html("y")

    alone = app_of(YController)
    assert "img-src *;" in security(await ask(alone, "/y"))["content-security-policy"]
    assert security(await ask(alone, "/nowhere")) == {}
    both = app_of(YController, middleware=[security_headers()])
    assert "img-src *;" in security(await ask(both, "/y"))["content-security-policy"]


def test_where_there_is_nothing_to_do_it_is_left_out() -> None:
    assert security_headers(enabled=False).for_route(None) is None


# The nonce


async def test_the_nonce_is_drawn_once_a_request_and_only_where_it_is_asked_for() -> None:
    application = app()
    answers = [await ask(application, "/x/nonce") for _ in range(2)]
    nonces = [answer.text.split() for answer in answers]
    assert all(len(set(pair)) == 1 and len(pair[0]) >= 22 for pair in nonces)
    assert nonces[0] != nonces[1]
    for answer, (nonce, _) in zip(answers, nonces, strict=True):
        assert security(answer)["content-security-policy"].count(f"'nonce-{nonce}'") == 2
    assert "nonce" not in security(await ask(application, "/x/page"))["content-security-policy"]


async def test_a_policy_may_be_reported_only() -> None:
    found = security(await ask(app(csp=None, csp_report_only={"report-uri": "/csp"}), "/x/nonce"))
    assert "content-security-policy" not in found
    assert found["content-security-policy-report-only"].endswith("; report-uri /csp")
    assert "'nonce-" in found["content-security-policy-report-only"]


# Changing each


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"referrer_policy": "same-origin"}, "referrer-policy", "same-origin"),
        ({"referrer_policy": None}, "referrer-policy", None),
        ({"opener_policy": None}, "cross-origin-opener-policy", None),
        ({"resource_policy": "same-site"}, "cross-origin-resource-policy", "same-site"),
        ({"resource_policy": None}, "cross-origin-resource-policy", None),
        ({"permissions": None}, "permissions-policy", None),
        ({"csp": None}, "content-security-policy", None),
        ({"no_sniff": False}, "x-content-type-options", None),
        ({"hsts": None}, "strict-transport-security", None),
        (
            {"hsts": timedelta(days=1), "hsts_subdomains": True},
            "strict-transport-security",
            "max-age=86400; includeSubDomains",
        ),
        ({"hsts": 0}, "strict-transport-security", "max-age=0"),
    ],
    ids=str,
)
async def test_each_can_be_changed_or_removed(options: Any, name: str, value: str | None) -> None:
    assert security(await ask(app(**options), "/x/page", scheme="https")).get(name) == value


async def test_features_are_allowed_by_origin() -> None:
    permissions = {"camera": ["self", "https://a.test"], "usb": None, "fullscreen": ["*"], "payment": ["self"]}
    found = security(await ask(app(permissions=permissions), "/x/page"))["permissions-policy"]
    assert 'camera=(self "https://a.test")' in found
    assert "fullscreen=*" in found
    assert "microphone=()" in found
    assert "usb" not in found


async def test_directives_replace_those_of_the_default() -> None:
    policy = {"img-src": ["'self'", "https://img.test"], "script-src": None, "upgrade-insecure-requests": ""}
    found = security(await ask(app(csp=policy), "/x/page"))["content-security-policy"]
    parts = found.split("; ")
    assert "img-src 'self' https://img.test" in parts
    assert "upgrade-insecure-requests" in parts
    assert "script-src" not in found
    assert len(parts) == len(DEFAULT)


def test_a_directive_of_nothing_but_a_nonce_allows_nothing_without_one() -> None:
    assert Policy({"script-src": NONCE}).plain == b"script-src 'none'"


# Mistakes


@pytest.mark.parametrize(
    ("csp", "problem", "fix"),
    [
        ({"scirpt-src": "'self'"}, "no directive", '"script-src": "\'self\'"'),
        ({"img-src": "self"}, "a keyword", '"img-src": "\'self\'"'),
        ({"img-src": "'none' data:"}, "'none' beside", '"img-src": "\'none\'"'),
        ({"img-src": ""}, "names no source", '"img-src": "\'none\'"'),
        ({"img-src": ["a; script-src *"]}, "is no source", '"img-src": ["\'self\'"]'),
        ({"img-src": ["a\r\nx: y"]}, "is no source", '"img-src": ["\'self\'"]'),
        ({"img-src": ["é"]}, "is no source", '"img-src": ["\'self\'"]'),
        ({"img-src": "a,b"}, "is no source", '"img-src": ["\'self\'"]'),
        ({"script-src": "'nonce-abc'"}, "always the same", "\"script-src\": \"'self' 'nonce'\""),
        ("default-src 'self'", "no mapping", '"img-src": "\'self\' data:"'),
    ],
    ids=str,
)
def test_a_policy_that_browsers_would_misread_stops_the_start(csp: Any, problem: str, fix: str) -> None:
    with raises_code("security-csp") as caught:
        security_headers(csp=csp)
    assert problem in caught.value.cause
    assert caught.value.fix == f"Write `csp={{{fix}}}`."
    security_headers(csp=eval(f"{{{fix}}}"))


@pytest.mark.parametrize(
    "options",
    [
        {"referrer_policy": "none"},
        {"opener_policy": "same-site"},
        {"hsts": -1},
        {"hsts": "1y"},
        {"hsts": True},
        {"hsts_preload": True},
        {"hsts_preload": True, "hsts_subdomains": True, "hsts": 100},
        {"permissions": ["camera"]},
        {"permissions": {"Camera!": []}},
        {"permissions": {"camera": "self"}},
        {"permissions": {"camera": ['https://a" b']}},
    ],
    ids=str,
)
def test_a_value_that_browsers_do_not_know_stops_the_start(options: Any) -> None:
    with raises_code("security-header") as caught:
        security_headers(**options)
    code = re.findall(r"`([^`]+)`", caught.value.fix)[0]
    assert eval(code, {"security_headers": security_headers, "timedelta": timedelta})


# In Chromium


def test_a_browser_runs_the_script_with_the_nonce_and_no_other(browser: Chrome, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        """<title>none</title><script nonce="{{ ctx.csp_nonce }}">document.title = "nonce"</script>
        <script>document.title += " injected"</script><p onclick="document.title += ' handler'">{{ text }}</p>
        <script nonce="guessed">document.title += " guessed"</script>"""
    )

    @Controller()
    class PageController:
        @Get("/")
        async def page(self, ctx: RequestContext) -> Response:
            return ctx.render("page.html", text="Hello")

        @Get("/frame")
        async def frame(self, ctx: RequestContext) -> Response:
            ctx.set_header("content-security-policy", "default-src *")
            return ctx.html('<iframe src="/" onload="document.title"></iframe>')

    with serve(app_of(PageController, middleware=[security_headers()], templates=tmp_path)) as url:
        browser.get(url)
        browser.find_element("tag name", "p").click()
        assert browser.title == "nonce"
        browser.get(f"{url}/frame")
        browser.switch_to.frame(0)
        assert "Hello" not in browser.page_source


PIXEL = "<svg xmlns='http://www.w3.org/2000/svg' width='7' height='7'/>"


@pytest.mark.parametrize(("policy", "loads"), [("same-origin", False), ("cross-origin", True), (None, True)])
def test_a_page_of_another_origin_embeds_no_picture(
    browser: Chrome, serve: Serve, policy: str | None, loads: bool
) -> None:
    """A picture that needs a login must not tell another page whether its visitor is logged in."""

    @Controller()
    class PictureController:
        @Get("/pixel")
        async def pixel(self) -> Response:
            return Response(PIXEL, media_type="image/svg+xml")

        @Get("/page")
        async def page(self, ctx: RequestContext) -> Response:
            return ctx.html(f"<!doctype html><img src='{ctx.query['src']}'>")

    def width(page: str, picture: str) -> int:
        browser.get(f"{page}/page?src={picture}/pixel")
        WebDriverWait(browser, 30).until(lambda _: browser.execute_script("return document.images[0].complete"))
        found: int = browser.execute_script("return document.images[0].naturalWidth")
        return found

    app = app_of(PictureController, middleware=[security_headers(resource_policy=policy, csp=None)])
    with serve(app) as mine, serve(app) as other:
        assert width(mine, mine) == 7
        assert width(other, mine) == (7 if loads else 0)
