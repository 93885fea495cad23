"""The page of `examples/auth`, as a person uses it."""

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

WAIT = 15.0
"""Seconds."""


class AuthPage:
    """Whatever it does, it returns when the page shows it."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url

    @property
    def text(self) -> str:
        """All that can be read on the page."""
        return self.browser.find_element(By.TAG_NAME, "body").text

    @property
    def visits(self) -> int:
        return int(self.one("#visits").text)

    @property
    def session_name(self) -> str:
        return self.one("[data-show=hash]").text

    @property
    def values(self) -> dict[str, str]:
        """What is in the session, as the page shows it."""
        rows = self.browser.find_elements(By.CSS_SELECTOR, "#values tr")
        return {row.find_element(By.TAG_NAME, "th").text: row.find_element(By.TAG_NAME, "td").text for row in rows}

    @property
    def is_logged_in(self) -> bool:
        return bool(self.browser.find_elements(By.CSS_SELECTOR, "#greeting"))

    def open(self) -> None:
        self.browser.get(self.url)
        self.wait_for("h1")

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def submit(self, form: str, **fields: str) -> None:
        """Fill in `login` or `register` and send it."""
        self.one(f"#tab-{form}").click()
        for name, value in fields.items():
            box = self.one(f"#{form}-{name}")
            box.clear()
            box.send_keys(value)
        self.one(f"#{form} [type=submit]").click()

    def register(self, *, name: str, email: str, password: str) -> None:
        self.submit("register", name=name, email=email, password=password)
        self.wait_for_visits(1)

    def log_in(self, *, email: str, password: str) -> None:
        self.submit("login", email=email, password=password)
        self.wait_for_visits(1)

    def count(self) -> None:
        expected = self.visits + 1
        self.one("#count").click()
        self.wait_for_visits(expected)

    def log_out(self) -> None:
        self.one("#log-out").click()
        self.wait_for("#login")

    def wait_for(self, selector: str) -> None:
        self._wait(lambda: self.browser.find_elements(By.CSS_SELECTOR, selector), selector)

    def wait_for_text(self, text: str) -> None:
        self._wait(lambda: text in self.text, text)

    def wait_for_visits(self, number: int) -> None:
        script = "return document.querySelector('#visits')?.textContent === arguments[0]"
        self._wait(lambda: self.browser.execute_script(script, str(number)), f"{number} visits")

    def _wait(self, condition: object, what: str) -> None:
        assert callable(condition)
        WebDriverWait(self.browser, WAIT, poll_frequency=0.05).until(lambda _: condition(), f"waiting for {what}")
