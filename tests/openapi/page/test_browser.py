"""The page in Chromium: under kick's own policy, with the session of the visitor, and with hostile texts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from kick import Controller, Get, Module, Post, RequestContext, Response, Socket, WebSocket, bootstrap
from kick.http import CallNext
from kick.middleware import security_headers
from kick.openapi import OpenAPI
from tests.guide.pages import application
from tests.openapi.page.browsing import DocsPage
from tests.openapi.page.site import HOSTILE, document, site
from tests.support.serving import Serve
from tests.support.waiting import wait_until

CLICK = """
const texts = document.querySelectorAll(".info .renderedMarkdown *, .opblock-body .renderedMarkdown *");
texts.forEach((each) => each.dispatchEvent(new MouseEvent("click", { bubbles: true })));
return texts.length;
"""


async def without_origin(ctx: RequestContext[Any], call_next: CallNext) -> Response:
    """What a proxy or an extension does that removes the headers in which a browser states the origin."""
    hidden = (b"origin", b"sec-fetch-site")
    ctx.scope["headers"] = [each for each in ctx.scope["headers"] if each[0] not in hidden]
    return await call_next(ctx)


class TestRequests:
    def test_whoever_logs_in_through_the_page_is_logged_in(self, browser: Chrome, serve: Serve) -> None:
        with serve(site()) as url:
            page = DocsPage(browser, f"{url}/docs")
            assert page.run("ShopController.order", {"item": "tea"})[0] == "401"
            assert page.run("ShopController.log_in", {"name": "ada"}) == ("200", {"hello": "ada"})
            status, body = page.run("ShopController.order", {"item": "tea"})
            assert status == "201"
            assert body == {"ordered": "tea", "by": "ada"}
            assert page.refused == []
            assert page.origins == {url}

    def test_csrf_is_satisfied_where_the_browser_cannot_state_the_origin(self, browser: Chrome, serve: Serve) -> None:
        with serve(site(layers=[without_origin])) as url:
            page = DocsPage(browser, f"{url}/docs")
            assert page.run("ShopController.log_in", {"name": "ada"})[0] == "200"
            status, body = page.run("ShopController.order", {"item": "tea"})
            assert status == "201"
            assert body == {"ordered": "tea", "by": "ada"}

    def test_it_works_below_a_prefix_and_a_root_path(self, browser: Chrome, serve: Serve) -> None:
        servers = [{"url": "/outer/api"}]
        described = document(servers=servers)
        app = site(described, prefix="/api")

        async def below(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "root_path": "/outer"}, receive, send)

        with serve(below) as url:
            page = DocsPage(browser, f"{url}/outer/api/docs")
            assert page.run("ShopController.log_in", {"name": "ada"})[0] == "200"
            assert page.refused == []

    def test_an_event_stream_is_shown_although_it_does_not_end(self, browser: Chrome, serve: Serve) -> None:
        with serve(site()) as url:
            page = DocsPage(browser, f"{url}/docs")
            status, body = page.run("ShopController.ticks")
            assert status == "200"
            assert "first tick" in body

    def test_a_token_of_the_application_is_entered_once_and_sent(self, browser: Chrome, serve: Serve) -> None:
        with serve(site()) as url:
            page = DocsPage(browser, f"{url}/docs")
            assert page.run("ShopController.who") == ("200", '"token: None"')
            browser.find_element(By.CSS_SELECTOR, ".btn.authorize").click()
            field = ".auth-container input[type=text], .auth-container input:not([type])"
            wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, field), "the dialog")
            containers = browser.find_elements(By.CSS_SELECTOR, ".auth-container")
            [bearer] = [each for each in containers if "http, Bearer" in each.text]
            bearer.find_element(By.CSS_SELECTOR, "input").send_keys("secret", Keys.ENTER)
            wait_until(lambda: "Logout" in browser.find_element(By.CSS_SELECTOR, ".modal-ux").text, "the token")
            browser.find_element(By.CSS_SELECTOR, ".btn-done").click()
            assert page.run("ShopController.who") == ("200", '"token: Bearer secret"')
            assert page.refused == []

    @pytest.mark.parametrize(
        "server",
        [
            {"url": "https://api.example.com"},
            {"url": "https://{region}.example.com:{port}", "variables": {"region": {"default": "eu"}}},
        ],
    )
    def test_where_no_server_is_its_own_the_page_adds_it(
        self, browser: Chrome, serve: Serve, server: dict[str, Any]
    ) -> None:
        with serve(site(document(servers=[server]))) as url:
            page = DocsPage(browser, f"{url}/docs")
            assert page.run("ShopController.log_in", {"name": "ada"})[0] == "200"
            assert page.origins == {url}


class TestOwnDocument:
    def test_the_document_of_an_application_is_shown_without_an_error_and_can_be_run(
        self, browser: Chrome, serve: Serve
    ) -> None:
        with serve(application("api-page.md", "The page")) as url:
            page = DocsPage(browser, f"{url}/docs")
            assert page.run("ShopController.order", {"item": "tea"})[0] == "401"
            assert page.run("ShopController.log_in", {"name": "ada"}) == ("200", {"name": "ada"})
            assert page.run("ShopController.order", {"item": "tea"}) == ("201", {"item": "tea", "count": 1})
            status, problem = page.run("ShopController.order", {"item": "tea", "count": "many"})
            assert (status, problem["errors"][0]["location"]) == ("422", "/body/count")
            status, events = page.run("ShopController.prices")
            assert (status, 'data: {"item":"tea","price":3}' in events) == ("200", True)
            for each in browser.find_elements(By.CSS_SELECTOR, ".models .json-schema-2020-12-accordion"):
                each.click()
            assert browser.find_elements(By.CSS_SELECTOR, ".errors-wrapper") == []
            assert page.refused == []
            assert page.origins == {url}


class Search(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(max_length=50, examples=["tea"])]
    page: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1


@Controller("/items")
class ItemController:
    @Get()
    async def index(self, query: Search) -> dict[str, Any]:
        return {"text": query.text, "page": query.page}


class TestParameters:
    def test_constraints_are_shown_and_what_is_required_is_filled_in_with_its_example(
        self, browser: Chrome, serve: Serve
    ) -> None:
        with serve(bootstrap([Module("items", controllers=[ItemController])], openapi=True)) as url:
            page = DocsPage(browser, f"{url}/docs")
            place = page.open("ItemController.index")
            shown = {
                name: place.find_element(By.CSS_SELECTOR, f'tr[data-param-name="{name}"]') for name in ("text", "page")
            }
            assert "maxLength: 50" in shown["text"].text
            assert ("minimum: 1" in shown["page"].text, "maximum: 100" in shown["page"].text) == (True, True)
            assert page.run("ItemController.index") == ("200", {"text": "tea", "page": 1})
            assert page.refused == []


class TestHostileTexts:
    @pytest.mark.parametrize("layers", [[], [security_headers(enabled=False)]])
    def test_no_script_of_a_text_runs(self, browser: Chrome, serve: Serve, layers: list[Any]) -> None:
        with serve(site(document(HOSTILE), layers=layers)) as url:
            page = DocsPage(browser, f"{url}/docs")
            page.open("ShopController.log_in")
            assert browser.execute_script(CLICK) > 0
            assert page.run("ShopController.log_in", {"name": "ada"})[0] == "200"
            assert page.broken is None
            assert browser.find_elements(By.CSS_SELECTOR, "iframe, #swagger-ui script, #swagger-ui style") == []
            assert browser.find_element(By.CSS_SELECTOR, ".opblock").is_displayed()
            assert page.origins == {url}

    def test_docstrings_titles_and_constraints_of_an_application_are_such_texts_too(
        self, browser: Chrome, serve: Serve
    ) -> None:
        class Name(msgspec.Struct):
            name: Annotated[str, msgspec.Meta(description=HOSTILE, title=HOSTILE, examples=[HOSTILE])]

        Name.__doc__ = HOSTILE

        @Controller("/names")
        class NameController:
            @Post(deprecated=True)
            async def write(self, body: Name) -> Name:
                return body

            @WebSocket("/live")
            async def live(self, socket: Socket[str, str]) -> None: ...

        NameController.write.__annotations__.update({"body": Name, "return": Name})
        for each in (NameController, NameController.write, NameController.live):
            each.__doc__ = f"{HOSTILE}\n\n{HOSTILE}"
        options = OpenAPI(title=HOSTILE, description=HOSTILE, tags={"names": HOSTILE}, servers=[{"url": "/"}])
        with serve(bootstrap([Module("names", controllers=[NameController])], openapi=options)) as url:
            page = DocsPage(browser, f"{url}/docs")
            page.open("NameController.write")
            for each in browser.find_elements(By.CSS_SELECTOR, ".models .json-schema-2020-12-accordion"):
                browser.execute_script("arguments[0].click()", each)
            assert browser.execute_script(CLICK) > 0
            status, body = page.run("NameController.write", {"name": HOSTILE})
            assert (status, body) == ("200", {"name": HOSTILE})
            assert page.broken is None
            assert browser.find_elements(By.CSS_SELECTOR, "iframe, #swagger-ui script, #swagger-ui style") == []
            assert page.origins == {url}

    def test_the_sanitizer_stops_them_without_the_policy_too(self, browser: Chrome, serve: Serve) -> None:
        async def unprotected(ctx: RequestContext[Any], call_next: CallNext) -> Response:
            response = await call_next(ctx)
            del response.headers["content-security-policy"]
            return response

        layers = [security_headers(enabled=False), unprotected]
        with serve(site(document(HOSTILE), layers=layers)) as url:
            page = DocsPage(browser, f"{url}/docs")
            page.open("ShopController.log_in")
            assert page.refused == []
            assert page.broken is None


class TestReaders:
    @pytest.mark.parametrize("dark", [False, True])
    def test_it_is_dark_where_the_system_is_until_somebody_chooses(
        self, browser: Chrome, serve: Serve, dark: bool
    ) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

        def looks() -> tuple[str, str]:
            back = "return getComputedStyle(document.body).backgroundColor"
            return browser.find_element(By.ID, "kick-theme").text, browser.execute_script(back)

        light, night = ("Dark", "rgb(246, 245, 243)"), ("Light", "rgb(22, 21, 20)")
        with serve(site()) as url:
            DocsPage(browser, f"{url}/docs")
            assert looks() == (night if dark else light)
            browser.find_element(By.ID, "kick-theme").click()
            assert looks() == (light if dark else night)
            page = DocsPage(browser, f"{url}/docs")
            assert looks() == (light if dark else night)
            assert page.refused == []

    def test_the_bodies_of_errors_are_shown_on_request(self, browser: Chrome, serve: Serve) -> None:
        described = document()
        problem = {"description": "No.", "content": {"application/problem+json": {"schema": {"type": "object"}}}}
        described["paths"]["/shop/orders"]["post"]["responses"]["401"] = problem
        with serve(site(described)) as url:
            place = DocsPage(browser, f"{url}/docs").open("ShopController.order")

            def shown(status: str) -> bool:
                return place.find_element(By.CSS_SELECTOR, f'tr[data-code="{status}"] .model-example').is_displayed()

            button = browser.find_element(By.ID, "kick-errors")
            for is_pressed in (False, True, False):
                assert button.get_attribute("aria-pressed") == str(is_pressed).lower()
                assert (shown("201"), shown("401")) == (True, is_pressed)
                button.click()

    def test_an_operation_is_run_with_the_keyboard_alone(self, browser: Chrome, serve: Serve) -> None:
        with serve(site()) as url:
            page = DocsPage(browser, f"{url}/docs")
            place = page.operation("ShopController.log_in")

            def press(selector: str, key: str) -> None:
                """Go on with Tab until an element is reached, and press a key there."""
                for _ in range(40):
                    focused = browser.switch_to.active_element
                    if browser.execute_script("return arguments[0].matches(arguments[1])", focused, selector):
                        focused.send_keys(key)
                        return
                    focused.send_keys(Keys.TAB)
                raise AssertionError(f"Tab does not reach {selector}")

            press(".opblock-post .opblock-summary-control", Keys.ENTER)
            wait_until(lambda: place.find_elements(By.CSS_SELECTOR, ".try-out__btn"), "the operation")
            press(".try-out__btn", Keys.ENTER)
            press(".execute", Keys.ENTER)
            wait_until(lambda: place.find_elements(By.CSS_SELECTOR, ".live-responses-table"), "the answer")

    def test_fields_have_names(self, browser: Chrome, serve: Serve) -> None:
        with serve(site(document(servers=[{"url": "/"}, {"url": "/other"}]))) as url:
            page = DocsPage(browser, f"{url}/docs")
            page.open("ShopController.log_in").find_element(By.CSS_SELECTOR, ".try-out__btn").click()
            wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, "textarea"), "the field")
            names = "return [...document.querySelectorAll('textarea, #servers')].map((each) => each.ariaLabel)"
            assert sorted(browser.execute_script(names)) == ["Request body", "Server"]
