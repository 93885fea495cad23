"""The page in a browser: what a test does and sees there."""

from __future__ import annotations

import json
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.waiting import wait_until

WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  refused.push([event.violatedDirective, event.blockedURI]);
});
"""


class DocsPage:
    """The page at an address. `refused` are the violations of its security policy, `origins` whom it has asked."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        browser.get(url)
        wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, ".opblock"), "the operations")

    @property
    def refused(self) -> list[list[str]]:
        found: list[list[str]] = self.browser.execute_script("return window.refused")
        return found

    @property
    def broken(self) -> Any:
        return self.browser.execute_script("return window.broken")

    @property
    def origins(self) -> set[str]:
        names = "performance.getEntriesByType('resource').map((each) => new URL(each.name).origin)"
        return set(self.browser.execute_script(f"return [location.origin, ...{names}]"))

    @property
    def names(self) -> list[str]:
        """The ids of the operations."""
        ids = "return [...document.querySelectorAll('.opblock')].map((each) => each.id.split('-').pop())"
        return [each.replace("\\", "") for each in self.browser.execute_script(ids)]

    def run(self, name: str, body: Any = None, *, timeout: float = 15.0) -> tuple[str, Any]:
        """Run an operation by its id, and return the status and the body that the page shows: JSON as its value."""
        place = self.open(name)
        if not place.find_elements(By.CSS_SELECTOR, ".execute"):
            place.find_element(By.CSS_SELECTOR, ".try-out__btn").click()
        if body is not None:
            self._write(place.find_element(By.CSS_SELECTOR, "textarea"), json.dumps(body))
        cleared = place.find_elements(By.CSS_SELECTOR, ".btn-clear")
        if cleared:
            cleared[0].click()
        place.find_element(By.CSS_SELECTOR, ".execute").click()
        shown = ".live-responses-table .response .response-col_status"
        wait_until(lambda: place.find_elements(By.CSS_SELECTOR, shown), "the answer", timeout=timeout)
        status = place.find_element(By.CSS_SELECTOR, shown).text.split()[0]
        body = place.find_element(By.CSS_SELECTOR, ".live-responses-table .response .microlight").text
        return status, json.loads(body) if body.startswith(("{", "[")) else body

    def open(self, name: str) -> WebElement:
        place = self.operation(name)
        if not place.find_elements(By.CSS_SELECTOR, ".try-out__btn"):  # the class `is-open` is missing if deprecated
            place.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
        wait_until(lambda: place.find_elements(By.CSS_SELECTOR, ".try-out__btn"), "the operation")
        return place

    def operation(self, name: str) -> WebElement:
        # Swagger UI writes a backslash before the dot, and in a selector that is two.
        escaped = name.replace(".", "\\\\.")
        return self.browser.find_element(By.CSS_SELECTOR, f'[id$="{escaped}"].opblock')

    def _write(self, field: WebElement, text: str) -> None:
        # React hears of a value only by the setter of the element itself.
        script = """
        const [field, text] = arguments;
        Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, text);
        field.dispatchEvent(new Event("input", { bubbles: true }));
        """
        self.browser.execute_script(script, field, text)
