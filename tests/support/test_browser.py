from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.support.browser import open_browser
from tests.support.serving import Serve

PAGE = """<!doctype html>
<title>Counter</title>
<button onclick="this.textContent = Number(this.textContent) + 1">{visits}</button>
"""


async def counter(request: Request) -> HTMLResponse:
    visits = int(request.cookies.get("visits", "0")) + 1
    response = HTMLResponse(PAGE.format(visits=visits))
    response.set_cookie("visits", str(visits))
    return response


@pytest.fixture
def app() -> Starlette:
    return Starlette(routes=[Route("/", counter)])


def test_a_page_is_loaded_run_and_remembered(browser: Chrome, serve: Serve, app: Starlette) -> None:
    with serve(app) as url:
        browser.get(url)
        assert browser.title == "Counter"
        button = browser.find_element(By.TAG_NAME, "button")
        button.click()
        assert button.text == "2"

        browser.get(url)
        browser.get(url)
        assert browser.find_element(By.TAG_NAME, "button").text == "3"


def test_two_browsers_share_no_cookies(browser: Chrome, serve: Serve, app: Starlette, tmp_path: Path) -> None:
    with serve(app) as url, open_browser(tmp_path) as other:
        browser.get(url)
        other.get(url)
        assert other.find_element(By.TAG_NAME, "button").text == "1"


def test_nothing_beyond_this_machine_is_reached(browser: Chrome) -> None:
    with pytest.raises(WebDriverException, match="ERR_NAME_NOT_RESOLVED"):
        browser.get("http://kick.example/")
