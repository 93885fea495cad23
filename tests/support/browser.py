"""A real browser: Chromium without a window, steered by Selenium. It reaches this machine and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
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
