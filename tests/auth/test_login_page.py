"""`login_page=` in Chromium: from a page that asks for a login to the form, and back."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from kick import Controller, Get, Module, Post, RequestContext, bootstrap
from kick.auth import Authenticated, Identity, authentication, login, logout, next_page
from kick.middleware import csrf
from kick.session import session
from tests.auth.support import SECRET
from tests.support.serving import Serve
from tests.support.waiting import wait_until


@Controller("/")
class Site:
    @Authenticated(login_page="/login")
    @Get("/orders")
    async def orders(self, ctx: RequestContext, who: Identity) -> Any:
        leave = "<form method=post action=/logout><button>Out</button></form>"
        return ctx.html(f"<p id=who>{who.user_id} sees {ctx.query['tab']}</p>{leave}")

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> Any:
        await logout(ctx)
        return ctx.redirect("/login")

    @Get("/login")
    async def form(self, ctx: RequestContext) -> Any:
        token = ctx.session.csrf_token if "token" in ctx.query.get("next", "") else ""
        field = f'<input type="hidden" name="csrf_token" value="{token}">' if token else ""
        return ctx.html(f'<form method="post">{field}<button>Log in</button></form>')

    @Post("/login")
    async def log_in(self, ctx: RequestContext) -> Any:
        await login(ctx, "ada")
        return ctx.redirect(next_page(ctx))


def test_a_person_is_asked_to_log_in_and_goes_on_to_where_they_wanted(browser: Chrome, serve: Serve) -> None:
    layers = [session(SECRET, save_uninitialized=False), authentication(), csrf()]
    with serve(bootstrap([Module("site", controllers=[Site])], layers)) as url:
        browser.get(f"{url}/orders?tab=open%26paid")
        assert browser.current_url.startswith(f"{url}/login?next=")
        browser.find_element(By.TAG_NAME, "button").click()
        wait_until(lambda: browser.find_elements(By.ID, "who"), "the page")
        assert browser.find_element(By.ID, "who").text == "ada sees open&paid"
        status = "fetch('/orders?tab=x').then((answer) => arguments[0](answer.status))"
        assert browser.execute_async_script(status) == 200
        browser.delete_all_cookies()
        assert browser.execute_async_script(status) == 401


@pytest.mark.long
@pytest.mark.parametrize("leaves", ["by a form", "by a script"])
@pytest.mark.parametrize("guard", ["no csrf()", "csrf()", "a token"])
def test_after_the_logout_the_back_button_shows_nothing(browser: Chrome, serve: Serve, guard: str, leaves: str) -> None:
    """Chromium keeps pages that are `no-store` for the back button, until cookies change.

    It does not count as many changes as the way to a page made: here, the login sets the cookie of the session, and
    removes that of the token.
    """
    layers = [session(SECRET, save_uninitialized=False), authentication(), *([] if guard == "no csrf()" else [csrf()])]
    with serve(bootstrap([Module("site", controllers=[Site])], layers)) as url:
        for page in ("the first page of the user", "a later one"):
            browser.get(f"{url}/orders?tab=open&{'token' if guard == 'a token' else ''}")
            browser.find_element(By.TAG_NAME, "button").click()
            wait_until(lambda: browser.find_elements(By.ID, "who"), "the page")
            if page == "a later one":
                browser.get(f"{url}/orders?tab=paid")
            if leaves == "by a form":
                browser.find_element(By.TAG_NAME, "button").click()
            else:
                browser.execute_script("fetch('/logout', {method: 'POST'}).then(() => location = '/login')")
            wait_until(lambda: browser.current_url == f"{url}/login", "the login")
            browser.back()
            wait_until(lambda: browser.current_url != f"{url}/login", "the page before")
            assert browser.current_url.startswith(f"{url}/login?next=")
            assert "ada sees" not in browser.page_source
