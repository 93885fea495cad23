"""The application of a tutorial in the page, as those see it who know `/docs` of FastAPI."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.openapi.page.browsing import DocsPage
from tests.openapi.page.workshop import workshop
from tests.support.serving import Serve
from tests.support.waiting import wait_until

ILLEGIBLE = Path(__file__).with_name("illegible.js").read_text()
"""Returns the texts of a page whose contrast is too low."""


CLICK_ALL = "document.querySelectorAll(arguments[0]).forEach((each) => each.click())"


class TestColors:
    @pytest.mark.parametrize("dark", [False, True])
    def test_all_texts_can_be_read(self, browser: Chrome, serve: Serve, dark: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        with serve(workshop()) as url:
            page = DocsPage(browser, f"{url}/docs")
            illegible = list(browser.execute_script(ILLEGIBLE))

            def click(selector: str, shown: str) -> None:
                browser.execute_script(CLICK_ALL, selector)
                wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, shown), shown)
                illegible.extend(browser.execute_script(ILLEGIBLE))

            click("#kick-errors, .opblock-summary-control", ".opblock:last-child .try-out__btn")
            click(".models .json-schema-2020-12-accordion", ".models .json-schema-2020-12-body")
            click(".try-out__btn", ".opblock:last-child .execute")
            assert page.run("ToolController.create", {"name": 1})[0] == "401"
            click(".opblock .tablinks", ".opblock .json-schema-2020-12")  # schemas in place of examples
            click(".btn.authorize", ".auth-container")
        assert [f"{contrast}: {text!r} in {place}" for text, place, contrast in sorted(illegible, key=str)] == []


class TestRequests:
    def test_the_dialog_logs_in_with_a_password_and_requests_have_the_token(
        self, browser: Chrome, serve: Serve
    ) -> None:
        with serve(workshop()) as url:
            page = DocsPage(browser, f"{url}/docs")
            assert page.run("MemberController.me")[0] == "401"
            browser.execute_script(CLICK_ALL, ".btn.authorize")
            wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, "#oauth_username"), "the dialog")
            browser.find_element(By.CSS_SELECTOR, "#oauth_username").send_keys("ada")
            browser.find_element(By.CSS_SELECTOR, "#oauth_password").send_keys("secret")
            browser.find_element(By.CSS_SELECTOR, ".auth-container:has(#oauth_username) .btn.authorize").click()
            wait_until(lambda: "Logout" in browser.find_element(By.CSS_SELECTOR, ".modal-ux").text, "the token")
            browser.find_element(By.CSS_SELECTOR, ".btn-done").click()
            assert page.run("MemberController.me") == ("200", {"username": "ada", "email": None})
            assert page.refused == []

    def test_files_are_chosen_and_sent(self, browser: Chrome, serve: Serve, tmp_path: Path) -> None:
        files = [tmp_path / name for name in ("one.txt", "two.txt")]
        for each in files:
            each.write_text(each.stem)
        with serve(workshop()) as url:
            page = DocsPage(browser, f"{url}/docs")
            place = page.open("FileController.upload")
            place.find_element(By.CSS_SELECTOR, ".try-out__btn").click()
            wait_until(lambda: len(place.find_elements(By.CSS_SELECTOR, "input[type=file]")) == 2, "the fields")
            for field, file in zip(place.find_elements(By.CSS_SELECTOR, "input[type=file]"), files, strict=True):
                field.send_keys(str(file))
            assert page.run("FileController.upload") == ("200", {"name": "one.txt", "size": 3, "more": ["two.txt"]})
            assert page.refused == []

    def test_a_named_example_is_sent(self, browser: Chrome, serve: Serve) -> None:
        with serve(workshop()) as url:
            page = DocsPage(browser, f"{url}/docs")
            place = page.open("ToolController.replace")
            place.find_element(By.CSS_SELECTOR, ".try-out__btn").click()
            wait_until(lambda: place.find_elements(By.CSS_SELECTOR, ".examples-select select"), "the examples")
            place.find_element(By.CSS_SELECTOR, 'tr[data-param-name="tool_id"] input').send_keys("5")
            Select(place.find_element(By.CSS_SELECTOR, ".examples-select select")).select_by_visible_text(
                "A wrong price"
            )
            status, problem = page.run("ToolController.replace")
            assert (status, problem["errors"][0]["location"]) == ("422", "/body/price")

    def test_a_file_of_a_response_can_be_downloaded(self, browser: Chrome, serve: Serve) -> None:
        with serve(workshop()) as url:
            page = DocsPage(browser, f"{url}/docs")
            assert page.run("FileController.table")[0] == "200"
            link = page.operation("FileController.table").find_element(
                By.CSS_SELECTOR, ".live-responses-table a[download]"
            )
            assert link.get_attribute("download") == "table.csv"


class TestOrder:
    def test_tags_are_those_of_the_options_first_with_their_texts_and_links(
        self, browser: Chrome, serve: Serve
    ) -> None:
        with serve(workshop()) as url:
            DocsPage(browser, f"{url}/docs")
            tags = [each.text.split("\n") for each in browser.find_elements(By.CSS_SELECTOR, ".opblock-tag")]
            assert tags == [
                ["members", "Members, and their login."],
                ["tools", "Tools of the workshop.", "Catalogue"],
                ["files"],
            ]
