"""`csrf()` in Chromium: what a page on another origin can make the browser of somebody who is logged in do.

The attacker's page is served on another port of the same host, which is the same site, so that `SameSite` keeps no
cookie back; and under another name, `localhost`, which is another site, to which the cookie is sent all the same,
because it is `SameSite=None`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from kick import App, Controller, Get, Module, Post, RequestContext, bootstrap
from kick.auth import Authenticated, Identity, authentication, login
from kick.middleware import csrf, security_headers
from kick.session import session
from tests.support.browser import open_browser
from tests.support.serving import Serve
from tests.support.waiting import wait_until

SECRET = "a secret of at least thirty-two bytes"


class Bank:
    """A site that pays for whoever is logged in, and keeps a book of what it was asked."""

    def __init__(self, *, protected: bool = True) -> None:
        book: list[tuple[str, int | None]] = []

        async def keeping_book(ctx: RequestContext, call_next: Any) -> Any:
            response = await call_next(ctx)
            if ctx.method == "POST" and ctx.path != "/bank/login":
                who = ctx.cookies.get("kick.sid")
                book.append(("cookie" if who else "none", response.status_code))
            return response

        @Controller("/bank")
        class BankController:
            paid = 0

            @Get()
            async def page(self, ctx: RequestContext) -> Any:
                token = ctx.session.csrf_token
                return ctx.html(
                    f'<form method="post" action="/bank/pay"><input name="csrf_token" value="{token}">'
                    '<button id="with">Pay</button></form>'
                    '<form method="post" action="/bank/pay"><button id="without">Pay</button></form>'
                )

            @Post("/login")
            async def log_in(self, ctx: RequestContext) -> str:
                await login(ctx, ctx.query["as"])
                return ctx.session.csrf_token

            @Post("/enter")
            async def enter(self, ctx: RequestContext) -> str:
                await login(ctx, "mallory")
                return "entered"

            @Get("/me")
            async def me(self, who: Identity | None) -> str | None:
                return None if who is None else str(who.user_id)

            @Authenticated
            @Post("/pay")
            async def pay(self, who: Identity) -> str:
                type(self).paid += 1
                return f"paid by {who.user_id}"

        self.book = book
        self.controller = BankController
        layers: list[Any] = [
            security_headers(csp=None, resource_policy=None),  # it must hold without
            keeping_book,
            session(SECRET, save_uninitialized=False, cookie={"same_site": "none", "secure": True}),
            authentication(),
        ]
        self.app: App = bootstrap(
            [Module("bank", controllers=[BankController])], [*layers, csrf()] if protected else layers
        )

    @property
    def paid(self) -> int:
        return self.controller.paid


@Controller("/")
class EvilController:
    @Get("/")
    async def page(self, ctx: RequestContext) -> Any:
        ctx.set_header("referrer-policy", "no-referrer" if "hidden" in ctx.query else "unsafe-url")
        return ctx.html("<!doctype html><title>Prizes</title><body>You have won.")


EVIL = bootstrap([Module("evil", controllers=[EvilController])], [security_headers(csp=None)])

SUBMIT = """
const [target, encoding, text, frame] = arguments;
const form = document.createElement("form");
form.method = "post"; form.action = target; form.enctype = encoding;
const field = document.createElement("input");
field.name = text; field.value = '"}'; form.append(field);
document.body.append(form); form.submit();
"""

IN_A_FRAME = """
const [target, sandbox] = arguments;
const frame = document.createElement("iframe");
if (sandbox) frame.sandbox = "allow-forms allow-scripts";
frame.srcdoc = `<form method=post action="${target}"><input name=to value=mallory></form>
  <script>document.forms[0].submit()</script>`;
document.body.append(frame);
"""

FETCH = """
const [target, options, done] = arguments;
fetch(target, options).then(
  (answer) => done(answer.type === "opaque" ? "opaque" : answer.status),
  () => done("refused"),
);
"""

BEACON = "navigator.sendBeacon(arguments[0], new URLSearchParams({to: 'mallory'}))"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """Chromium, in place of the browser that the other tests of sessions pretend to be."""
    with open_browser(tmp_path) as driver:
        yield driver


@pytest.fixture(params=["another port", "another host"])
def evil(request: pytest.FixtureRequest, serve: Serve) -> Iterator[str]:
    """Where the attacker's page is."""
    with serve(EVIL) as url:
        yield url if request.param == "another port" else url.replace("127.0.0.1", "localhost")


def log_in(browser: Chrome, site: str) -> str:
    """Log the victim in, from a page of the site, without a token: the browser proves the origin."""
    browser.get(f"{site}/bank")
    options = {"method": "POST"}
    assert browser.execute_async_script(FETCH, f"{site}/bank/login?as=ada", options) == 200
    browser.get(f"{site}/bank/me")
    assert "ada" in browser.page_source
    cookie = browser.get_cookie("kick.sid")
    assert cookie is not None
    return str(cookie["value"])


FORMS = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]


def attacks(browser: Chrome, site: str, evil: str, bank: Bank) -> None:
    """Everything that a page can send without asking, each once; returns when all of it has been answered."""
    target = f"{site}/bank/pay"

    def done(count: int) -> None:
        wait_until(lambda: len(bank.book) == count, f"answer {count}")

    for number, (page, encoding) in enumerate(
        [*((f"{evil}/", each) for each in FORMS), (f"{evil}/?hidden", FORMS[0])], 1
    ):
        browser.get(page)
        browser.execute_script(SUBMIT, target, encoding, '{"to": "mallory", "x": "')
        done(number)
        wait_until(lambda: urlsplit(browser.current_url).path == "/bank/pay", "the page of the answer")
    browser.get(f"{evil}/")
    for number, sandbox in enumerate([False, True], 5):
        browser.execute_script(IN_A_FRAME, target, sandbox)
        done(number)
    for content_type in FORMS:
        options = {"method": "POST", "mode": "no-cors", "credentials": "include", "body": "{}"}
        options["headers"] = {"content-type": content_type}  # type: ignore[assignment]
        assert browser.execute_async_script(FETCH, target, options) == "opaque"
    assert browser.execute_script(f"return {BEACON}", target)
    done(10)


def test_a_page_of_another_origin_gets_nothing_done(browser: Chrome, serve: Serve, evil: str) -> None:
    bank = Bank()
    with serve(bank.app) as site:
        cookie = log_in(browser, site)
        attacks(browser, site, evil, bank)
        assert {status for _, status in bank.book} == {403}
        assert bank.paid == 0
        browser.get(f"{site}/bank/me")
        assert "ada" in browser.page_source
        still = browser.get_cookie("kick.sid")
        assert still is not None
        assert still["value"] == cookie


def test_without_csrf_the_same_page_makes_the_victim_pay(browser: Chrome, serve: Serve, evil: str) -> None:
    """What the test above is worth: the attacks do reach the site, with the victim's cookie."""
    bank = Bank(protected=False)
    with serve(bank.app) as site:
        log_in(browser, site)
        attacks(browser, site, evil, bank)
        assert len(bank.book) == 10
        assert (
            bank.book[:4] == [("cookie", 200)] * 4
        )  # from frames and scripts of other sites, browsers keep cookies back
        assert bank.paid >= (9 if "127.0.0.1" in evil else 4)


def test_json_from_elsewhere_is_not_even_sent(browser: Chrome, serve: Serve, evil: str) -> None:
    bank = Bank()
    with serve(bank.app) as site:
        log_in(browser, site)
        browser.get(f"{evil}/")
        for headers in ({"content-type": "application/json"}, {"x-csrf-token": "guessed"}):
            options = {"method": "POST", "credentials": "include", "headers": headers, "body": "{}"}
            assert browser.execute_async_script(FETCH, f"{site}/bank/pay", options) == "refused"
        assert bank.book == []


def test_the_token_cannot_be_read_from_elsewhere(browser: Chrome, serve: Serve, evil: str) -> None:
    with serve(Bank().app) as site:
        log_in(browser, site)
        browser.get(f"{evil}/")
        assert browser.execute_async_script(FETCH, f"{site}/bank", {"credentials": "include"}) == "refused"


def test_nobody_is_logged_in_as_somebody_else_by_a_page_of_another_origin(
    browser: Chrome, serve: Serve, evil: str
) -> None:
    bank = Bank()
    with serve(bank.app) as site:
        browser.get(f"{evil}/")
        browser.execute_script(SUBMIT, f"{site}/bank/enter", FORMS[0], "password")
        wait_until(lambda: bank.book, "the answer")
        assert bank.book == [("none", 403)]
        wait_until(lambda: urlsplit(browser.current_url).path == "/bank/enter", "the page of the answer")
        assert "csrf-cross-site" in browser.page_source
        assert browser.get_cookie("kick.sid") is None


def test_pages_of_the_site_itself_need_no_token(browser: Chrome, serve: Serve) -> None:
    bank = Bank()
    with serve(bank.app) as site:
        log_in(browser, site)
        for options in (
            {"method": "POST"},
            {"method": "POST", "headers": {"content-type": "application/json"}, "body": "{}"},
            {"method": "POST", "credentials": "include", "body": "a=b"},
        ):
            assert browser.execute_async_script(FETCH, f"{site}/bank/pay", options) == 200
        for number, button in enumerate(["with", "without"], 4):
            browser.get(f"{site}/bank")
            browser.find_element(By.ID, button).click()
            wait_until(lambda: "paid by ada" in browser.page_source, "the answer")
            assert bank.paid == number


def test_a_token_from_before_the_login_is_refused_in_the_page_itself(browser: Chrome, serve: Serve) -> None:
    bank = Bank()
    with serve(bank.app) as site:
        browser.get(f"{site}/bank")
        before = browser.find_element(By.NAME, "csrf_token").get_attribute("value")
        log_in(browser, site)
        for token, status in ((before, 403), (None, 200)):
            browser.get(f"{site}/bank")
            token = token or browser.find_element(By.NAME, "csrf_token").get_attribute("value")
            options = {"method": "POST", "headers": {"x-csrf-token": token}}
            assert browser.execute_async_script(FETCH, f"{site}/bank/pay", options) == status
