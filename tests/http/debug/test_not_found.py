"""The page about missing routes: what it shows in development, and that nobody else gets it."""

import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from kick import App, Controller, Get, Module, NotFound, Post, RequestContext, Response, bootstrap
from kick.http import CallNext
from kick.session import session
from tests.http.support import ask
from tests.support.serving import Serve

SECRET = "a secret of at least thirty-two bytes"
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
EVIL = "/<script>document.title='pwned'</script>"


@Controller("/notes")
class Notes:
    @Get("/")
    async def index(self) -> list[str]:
        return []

    @Get("/{note_id}")
    async def show(self, note_id: int) -> int:
        raise NotFound("No such note.")

    @Post("/login")
    async def log_in(self) -> None: ...


def make(*middleware: Any) -> App:
    return bootstrap([Module("notes", controllers=[Notes])], [session(SECRET, save_uninitialized=False), *middleware])


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setenv("KICK_ENV", "development")
    return make()


async def test_a_browser_sees_which_routes_there_are_and_where_the_guide_is(app: App) -> None:
    answer = await ask(app, "/", headers=BROWSER)
    assert (answer.status, answer.header("content-type")) == (404, "text/html; charset=utf-8")
    for shown in ('<a href="/notes">/notes</a>', "/notes/{note_id}", "Notes.show", "POST", "docs/guide"):
        assert shown in answer.text
    assert answer.header("cache-control") == "no-store"
    assert str(answer.header("content-security-policy")).startswith("default-src 'none'")
    assert answer.header("x-content-type-options") == "nosniff"  # as on every response
    assert answer.header("set-cookie") is None


async def test_another_method_says_so(app: App) -> None:
    answer = await ask(app, "/notes/login", headers=BROWSER)
    assert (answer.status, answer.header("allow")) == (405, "OPTIONS, POST")
    assert "GET is not possible at /notes/login" in answer.text


async def test_of_the_description_of_the_api_only_what_people_open_is_listed(app: App) -> None:
    text = (await ask(app, "/nowhere", headers=BROWSER)).text
    assert '<a href="/docs">/docs</a>' in text
    assert '<a href="/openapi.json">/openapi.json</a>' in text
    for part in ("/docs/assets", "/docs/csrf-token"):
        assert part not in text


async def test_links_lead_below_the_path_of_the_application(app: App) -> None:
    answer = await ask(app, "/", headers=BROWSER, root_path="/shop")
    assert '<a href="/shop/notes">' in answer.text


async def test_what_a_handler_refuses_stays_as_it_is(app: App) -> None:
    answer = await ask(app, "/notes/7", headers=BROWSER)
    assert answer.json()["detail"] == "No such note."


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html;q=0.1, application/json"])
async def test_other_clients_get_problem_details(app: App, accept: str) -> None:
    answer = await ask(app, "/", headers={"accept": accept} if accept else {})
    assert (answer.status, answer.header("content-type")) == (404, "application/problem+json")
    assert answer.json()["detail"] == "There is nothing at /."


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE", "OPTIONS"])
async def test_only_pages_that_are_opened_are_replaced(app: App, method: str) -> None:
    assert "Routes of this application" not in (await ask(app, "/", method=method, headers=BROWSER)).text


async def test_a_page_of_the_application_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    async def own_pages(ctx: RequestContext, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        return ctx.html("my own", 404) if response.status_code == 404 else response

    monkeypatch.setenv("KICK_ENV", "development")
    assert (await ask(make(own_pages), "/", headers=BROWSER)).text == "my own"


async def test_an_application_without_routes_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "development")
    assert "There are no routes yet." in (await ask(bootstrap([]), "/", headers=BROWSER)).text


@pytest.mark.parametrize("environment", ["production", "staging", None])
async def test_nobody_sees_it_elsewhere(environment: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", environment or "")
    monkeypatch.setitem(sys.modules, "kick.http.debug.not_found", None)  # an import of it would fail
    answer = await ask(make(), "/", headers=BROWSER)
    assert answer.json().keys() == {"type", "title", "status", "detail", "request_id"}


async def test_a_page_that_cannot_be_made_is_a_plain_404(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kick.http.debug.not_found._docs", lambda: 1 / 0)
    assert (await ask(app, "/", headers=BROWSER)).json()["status"] == 404
    assert "the page for missing routes failed" in caplog.text


async def test_everything_is_escaped(app: App) -> None:
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            found.append(tag)

    answer = await ask(app, EVIL, headers=BROWSER)
    Tags().feed(answer.text)
    assert answer.text.count("pwned") == 2
    assert "script" not in found


@pytest.mark.long
@pytest.mark.browser
def test_a_browser_shows_it_with_its_style_and_follows_its_links(app: App, serve: Serve, browser: Chrome) -> None:
    with serve(app) as url:
        browser.get(url + EVIL)
        assert browser.title == f"404: {EVIL}"
        section = browser.find_element(By.TAG_NAME, "section")
        assert section.value_of_css_property("border-radius") == "10px"  # the style is applied under its own policy
        method = browser.find_element(By.CSS_SELECTOR, ".method")
        assert browser.execute_script("return getComputedStyle(arguments[0]).whiteSpace", method) == "nowrap"
        browser.find_element(By.LINK_TEXT, "/notes").click()
        assert browser.find_element(By.TAG_NAME, "body").text == "[]"
