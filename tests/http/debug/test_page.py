"""The error page: what it shows in development, to whom, and that nobody sees it elsewhere."""

import sys
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from kick import App, Controller, Get, RequestContext, Use
from kick.http.debug.page import prefers_html
from kick.session import session
from tests.http.support import app_of, ask
from tests.support.serving import Serve

SECRET = "a secret of at least thirty-two bytes"
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
EVIL = "</pre></title></style><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"


async def timing(ctx: RequestContext, call_next: Any) -> Any:
    return await call_next(ctx)


class Mistake(Exception):
    pass


Mistake.__qualname__ = EVIL


@Controller()
class Failing:
    @Use(timing)
    @Get("/notes/{name}")
    async def show(self, ctx: RequestContext, name: str) -> Any:
        ctx.session.data["user_id"] = "-".join(["value", "of", "session"])
        ctx.session.data[EVIL] = 1
        hidden = "-".join(["value", "of", "variable"])
        try:
            raise KeyError(EVIL)
        except KeyError as cause:
            cause.add_note(EVIL)
            raise Mistake(EVIL, len(hidden)) from cause

    @Get("/render")
    async def render(self, ctx: RequestContext) -> Any:
        return ctx.render("page.html")

    @Get("/refused")
    async def refused(self) -> Any:
        from kick import Conflict

        raise Conflict("taken")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setenv("KICK_ENV", "development")
    return app_of(Failing, middleware=[timing, session(SECRET)])


async def test_a_browser_sees_where_it_happened(app: App) -> None:
    answer = await ask(app, "/notes/5", headers=BROWSER)
    assert (answer.status, answer.header("content-type")) == (500, "text/html; charset=utf-8")
    assert str(answer.header("content-security-policy")).startswith("default-src 'none'")
    assert answer.header("cache-control") == "no-store"
    for shown in (
        "raise Mistake(EVIL",
        "tests/http/debug/test_page.py",
        "Failing.show",
        "caused by",
        "KeyError",
        "user_id",
    ):
        assert shown in answer.text
    chain = answer.text.partition('<ol class="chain">')[2].partition("</ol>")[0]
    assert [chain.index(each) for each in ("timing", "session", "Failing.show()")] == sorted(
        [chain.index(each) for each in ("timing", "session", "Failing.show()")]
    )
    assert chain.count("<li>") == 4


async def test_secrets_and_values_are_not_shown(app: App) -> None:
    secrets = {
        "cookie": "kick.sid=c-1",
        "authorization": "Bearer c-2",
        "x-api-key": "c-3",
        "x-csrf-token": "c-4",
        "proxy-authorization": "c-5",
        "user-agent": "to be seen",
    }
    answer = await ask(app, "/notes/5?token=c-6&page=7&password=c-8", headers={**BROWSER, **secrets})
    assert "to be seen" in answer.text
    assert "page=7" in answer.text
    assert answer.text.count("redacted") == 5
    for number in (1, 2, 3, 4, 5, 6, 8):
        assert f"c-{number}" not in answer.text
    assert "value-of" not in answer.text
    assert SECRET not in answer.text


async def test_everything_is_escaped(app: App) -> None:
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            found.append(tag)
            assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]

    headers = {**BROWSER, "user-agent": EVIL, EVIL.translate({ord(each): "x" for each in "</>=' \"()"}): EVIL}
    answer = await ask(app, f"/notes/{EVIL.replace('/', '%2F').replace(' ', '%20')}?q={EVIL}", headers=headers)
    assert answer.status == 500
    Tags().feed(answer.text)
    assert answer.text.count("pwned") > 8
    assert {"script", "img"}.isdisjoint(found)
    assert found.count("title") == found.count("style") == 1


@pytest.mark.long
def test_nothing_of_it_runs_in_a_browser(app: App, serve: Serve, browser: Chrome) -> None:
    from urllib.parse import quote

    with serve(app) as url:
        browser.get(f"{url}/notes/{quote(EVIL, safe='')}?q={quote(EVIL)}")
        assert browser.title != "pwned"
        assert browser.find_elements(By.TAG_NAME, "script") == browser.find_elements(By.TAG_NAME, "img") == []
        assert EVIL in browser.find_element(By.TAG_NAME, "h1").text
        here = browser.find_element(By.CSS_SELECTOR, ".own .line.here")
        assert "raise Mistake" in here.text
        color = here.value_of_css_property("background-color")
        assert color not in ("rgba(0, 0, 0, 0)", "transparent")  # the style is applied under its own policy


async def test_a_client_gets_problem_details_with_the_trace(app: App) -> None:
    for accept in ("", "*/*", "application/json", "text/html;q=0.1, application/json"):
        answer = await ask(app, "/notes/5", headers={"accept": accept} if accept else {})
        assert answer.header("content-type") == "application/problem+json"
        problem = answer.json()
        assert problem["detail"] == "The server had an unexpected error, which was logged."
        assert any("test_page.py" in line and "show" in line for line in problem["trace"])
        assert problem["exception"] == EVIL


async def test_a_mistake_in_the_set_up_comes_with_its_fix(app: App) -> None:
    answer = await ask(app, "/render", headers=BROWSER)
    assert "<code>bootstrap(modules, templates=&quot;templates&quot;)</code>" in answer.text


async def test_what_is_meant_for_clients_stays_as_it_is(app: App) -> None:
    assert (await ask(app, "/refused", headers=BROWSER)).json()["title"] == "Conflict"


async def test_head_has_no_body(app: App) -> None:
    answer = await ask(app, "/notes/5", method="HEAD", headers=BROWSER)
    assert (answer.status, answer.body) == (500, b"")


@pytest.mark.parametrize("environment", ["production", "staging", "", None])
async def test_nobody_else_sees_anything_of_it(environment: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if environment is None:
        monkeypatch.delenv("KICK_ENV", raising=False)
    else:
        monkeypatch.setenv("KICK_ENV", environment)
    monkeypatch.setitem(sys.modules, "kick.http.debug.page", None)  # an import of it would fail
    app = app_of(Failing, middleware=[session(SECRET, cookie={"secure": True})])
    for accept in (BROWSER, {"accept": "application/json"}):
        answer = await ask(app, "/notes/5", headers=accept)
        assert answer.json().keys() == {"type", "title", "status", "detail", "request_id"}


async def test_it_is_decided_at_the_start(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "production")
    assert (await ask(app, "/notes/5", headers=BROWSER)).header("content-type") == "text/html; charset=utf-8"
    later = app_of(Failing, middleware=[session(SECRET, cookie={"secure": True})])
    monkeypatch.setenv("KICK_ENV", "development")
    assert (await ask(later, "/notes/5", headers=BROWSER)).header("content-type") == "application/problem+json"


async def test_a_session_with_a_type_shows_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    class Visitor(msgspec.Struct):
        visits: int = 0

    @Controller()
    class Typed:
        @Get("/")
        async def fail(self, ctx: RequestContext[Visitor]) -> Any:
            raise LookupError

    monkeypatch.setenv("KICK_ENV", "development")
    answer = await ask(app_of(Typed, middleware=[session(SECRET, data=Visitor)]), "/", headers=BROWSER)
    assert "<code>visits</code>" in answer.text
    assert answer.header("vary") is None  # to look at it for the page is not to use it


async def test_a_page_that_cannot_be_made_is_a_plain_500(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "kick.http.debug.traceback", None)
    monkeypatch.delitem(sys.modules, "kick.http.debug.page", raising=False)
    answer = await ask(app, "/notes/5", headers=BROWSER)
    assert answer.json()["title"] == "Internal Server Error"
    assert "could not be explained" in caplog.text


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html", True),
        ("TEXT/HTML;Q=0.9, */*;q=0.8", True),
        ("text/*", True),
        ("application/json, text/html", False),
        ("text/html;q=0", False),
        ("text/plain", False),
        ("application/problem+json, text/html;q=0.9", False),
        (",,;;q=", False),
        ("text/html" + "," * 100_000, True),
    ],
)
def test_who_would_rather_have_a_page(accept: str, html: bool) -> None:
    assert prefers_html(accept) is html
