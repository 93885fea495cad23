"""CSRF tokens of pages that load while a login gives the session a new id, in the order in which a browser asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, bootstrap
from kick.auth import login
from kick.middleware import csrf
from kick.session import session
from kick.session.state import Status
from kick.testing import travel
from tests.http.support import Answer, ask

SECRET = "a secret of at least thirty-two bytes"


async def regenerate(ctx: RequestContext) -> None:
    await ctx.session.regenerate()


async def log_in(ctx: RequestContext) -> None:
    await login(ctx, "ada")


class Browser:
    """One browser with several tabs: all share the cookie that the last response has set."""

    def __init__(self, change: Callable[[RequestContext], Awaitable[None]]) -> None:
        self.has_new_id, self.may_answer = asyncio.Event(), asyncio.Event()
        self.statuses: list[Status] = []
        self.cookie = ""
        self.app = self._app(change)

    def _app(self, change: Callable[[RequestContext], Awaitable[None]]) -> App:
        browser = self

        @Controller()
        class Site:
            @Get("/begin")
            async def begin(self, ctx: RequestContext) -> None:
                ctx.session.data["cart"] = ["tea"]

            @Get("/form")
            async def form(self, ctx: RequestContext) -> str:
                browser.statuses.append(ctx.session.state.status)
                return ctx.session.csrf_token

            @Post("/log-in")
            async def log_in(self, ctx: RequestContext) -> None:
                await change(ctx)
                browser.has_new_id.set()
                await browser.may_answer.wait()

            @Post("/pay")
            async def pay(self, ctx: RequestContext) -> str:
                return "paid"

        layers = [session(SECRET, save_uninitialized=False), csrf()]
        return bootstrap([Module("site", controllers=[Site])], layers)

    async def ask(self, path: str, *, cookie: str | None = None, **options: str) -> Answer:
        """Send a request, as scripts send it: POST with its token in the header. Keep the cookie of the response."""
        headers = {"cookie": self.cookie if cookie is None else cookie}
        if "token" in options:
            headers["x-csrf-token"] = options["token"]
        if "site" in options:
            headers["sec-fetch-site"] = options["site"]
        method = "POST" if path in ("/pay", "/log-in") else "GET"
        answer = await ask(self.app, path, method=method, headers=headers)
        self.cookie = next((each.partition(";")[0] for each in answer.all("set-cookie")), self.cookie)
        return answer

    async def token(self, **options: str) -> str:
        return str((await self.ask("/form", **options)).json())


async def at_a_login(browser: Browser) -> tuple[str, str]:
    """Load a page in one tab while the login in another has a new id and no response yet.

    Return the old cookie and the token of the page.
    """
    await browser.ask("/begin")
    old = browser.cookie
    logging_in = asyncio.create_task(browser.ask("/log-in", token=await browser.token()))
    await browser.has_new_id.wait()
    late = await browser.ask("/form")
    assert (late.all("set-cookie"), browser.statuses[-1]) == ([], Status.SUPERSEDED)
    browser.may_answer.set()
    assert (await logging_in).status == 204
    assert browser.cookie != old
    return old, late.json()


def refusal(answer: Answer) -> tuple[str, str]:
    assert answer.status == 403, answer.text
    return answer.json()["code"], answer.json()["detail"]


@pytest.fixture(params=[regenerate, log_in])
def browser(request: pytest.FixtureRequest) -> Browser:
    return Browser(request.param)


async def test_a_reload_mends_the_page_that_loaded_beside_the_login(browser: Browser) -> None:
    _, token = await at_a_login(browser)
    code, detail = refusal(await browser.ask("/pay", token=token))
    assert code == "csrf-token-invalid"
    assert "Load the page again" in detail
    assert (await browser.ask("/pay", token=await browser.token())).json() == "paid"


async def test_the_form_of_that_page_is_accepted_where_the_browser_states_the_origin(browser: Browser) -> None:
    await at_a_login(browser)
    assert (await browser.ask("/pay", site="same-origin")).json() == "paid"


async def test_a_request_with_the_old_cookie_is_told_of_the_new_id(browser: Browser) -> None:
    """A page cannot mend this as long as the old cookie comes; the one with the new id mends it."""
    old, token = await at_a_login(browser)
    new = browser.cookie
    for sent in (token, await browser.token(cookie=old)):
        code, detail = refusal(await browser.ask("/pay", cookie=old, token=sent))
        assert code == "csrf-session"
        assert "has a new id" in detail
        assert "Load the page again" in detail
    assert browser.cookie == new  # no response to the old cookie has touched it
    assert (await browser.ask("/pay", token=await browser.token())).json() == "paid"


async def test_a_client_that_never_received_the_new_cookie_deletes_the_old_one(browser: Browser) -> None:
    old, _ = await at_a_login(browser)
    code, detail = refusal(await browser.ask("/log-in", cookie=old))
    assert code == "csrf-session"
    assert "delete the old one" in detail
    assert (await browser.ask("/log-in", cookie="")).status == 204
    assert (await browser.ask("/pay", token=await browser.token())).json() == "paid"


async def test_a_browser_that_never_received_the_new_cookie_logs_in_again(browser: Browser) -> None:
    old, _ = await at_a_login(browser)
    assert (await browser.ask("/log-in", cookie=old, site="same-origin")).status == 204
    assert browser.cookie != old
    assert (await browser.ask("/pay", token=await browser.token())).json() == "paid"


async def test_after_the_marker_the_page_itself_mends_it(browser: Browser) -> None:
    old, _ = await at_a_login(browser)
    with travel(browser.app, seconds=61):
        code, detail = refusal(await browser.ask("/pay", cookie=old, token="x"))
        assert (code, "does not exist" in detail) == ("csrf-session", True)
        page = await browser.ask("/form", cookie=old)
        removal, cookie = page.all("set-cookie")
        assert removal.startswith("kick.sid=; Max-Age=0")
        assert (await browser.ask("/pay", cookie=cookie.partition(";")[0], token=page.json())).json() == "paid"
