"""A real browser: Chromium without a window, steered by Selenium. It reaches this machine and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.support.programs import program

FLAGS = (
    "--headless",
    "--no-sandbox",  # root, as in a container, may not have one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--window-size=1280,900",
)

SELENIUM = {"SE_OFFLINE": "true", "SE_AVOID_STATS": "true", "no_proxy": "127.0.0.1,localhost"}
"""Selenium looks for no driver of its own, tells nobody that it runs, and asks the driver without a proxy."""


@contextmanager
def open_browser(profile: Path, *, timeout: float = 20.0) -> Iterator[webdriver.Chrome]:
    """A browser with a fresh profile in the directory `profile`; `timeout` in seconds is for a page to load."""
    options = Options()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    service = Service(executable_path=program("chromedriver"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SELENIUM.items():
            patch.setenv(name, value)
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_page_load_timeout(timeout)
            driver.set_script_timeout(timeout)
            yield driver
        finally:
            driver.quit()


class SharedBrowser:
    """A browser for several tests, one after another; each makes `as_new()` of what the one before left."""

    def __init__(self, make_profile: Callable[[], Path]) -> None:
        self._make_profile = make_profile
        self._stack = ExitStack()
        self._driver: webdriver.Chrome | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def as_new(self) -> webdriver.Chrome:
        """An empty tab, without cookies, storage, cache and messages; in a new browser if that one is broken."""
        if self._driver is not None:
            try:
                _forget(self._driver)
                return self._driver
            except WebDriverException:
                self._stack.close()
        self._driver = self._stack.enter_context(open_browser(self._make_profile()))
        return self._driver


def _forget(driver: webdriver.Chrome) -> None:
    before = driver.window_handles
    driver.switch_to.new_window("tab")
    empty = driver.current_window_handle
    for each in before:
        driver.switch_to.window(each)
        driver.close()
    driver.switch_to.window(empty)
    driver.set_window_size(1280, 900)
    for command in ("Network.clearBrowserCookies", "Network.clearBrowserCache"):
        driver.execute_cdp_cmd(command, {})
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    driver.get_log("browser")  # type: ignore[no-untyped-call]
