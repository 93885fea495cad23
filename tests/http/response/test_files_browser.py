"""Uploads in Chromium: what somebody has uploaded runs nothing on the origin of the application."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from kick import App, Controller, Get, Module, RequestContext, bootstrap
from kick.http.response.static import StaticFiles
from kick.middleware import security_headers
from tests.support.serving import Serve
from tests.support.waiting import wait_until

PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

SCRIPT = "fetch('/reached/' + (document.currentScript?.dataset.way ?? 'import'));"
LOADING = '<script src="{url}" data-way="{way}"></script>'

UPLOADS = {
    "evil.js": SCRIPT,
    "evil.mjs": SCRIPT,
    "EVIL.JS": SCRIPT,
    "evil.css": "p { color: rgb(1, 2, 3) }",
    "page.html": LOADING.format(url="/files/evil.js", way="page.html"),
    "page.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml">'
    + LOADING.format(url="/files/evil.js", way="page.xhtml")
    + "</html>",
    "page.svg": '<svg xmlns="http://www.w3.org/2000/svg"><script href="/files/evil.js" data-way="page.svg"/></svg>',
    "page.txt": LOADING.format(url="/files/evil.js", way="page.txt"),
    "page": LOADING.format(url="/files/evil.js", way="page"),
    "picture.gif": PICTURE,
}


class Site:
    """An application that shows uploads, and keeps a book of what scripts reached and of the statuses of pages."""

    def __init__(self, folder: Path, own: Path) -> None:
        reached: set[str] = set()
        statuses: list[int] = []

        async def keeping_book(ctx: RequestContext, call_next: Any) -> Any:
            response = await call_next(ctx)
            if ctx.path == "/own/index.html":
                statuses.append(response.status_code)
            return response

        @Controller()
        class Pages:
            @Get("/files/{name}")
            async def show(self, ctx: RequestContext, name: str) -> Any:
                return ctx.send_file(name, root=folder)

            @Get("/downloads/{name}")
            async def save(self, ctx: RequestContext, name: str) -> Any:
                return ctx.download((folder / name).read_bytes(), name)

            @Get("/reached/{way}")
            async def reached(self, way: str) -> None:
                reached.add(way)

            @Get("/embedding")
            async def embedding(self, ctx: RequestContext) -> Any:
                """A page of the application into which an attacker has put markup."""
                names = ("evil.js", "evil.mjs", "EVIL.JS", "page.txt", "page")
                urls = [f"/{way}/{name}" for name in names for way in ("files", "downloads")]
                scripts = [LOADING.format(url=url, way=url.replace("/", ".")) for url in urls]
                modules = [f'<script type="module" src="{url}"></script>' for url in urls]
                styles = [f'<link rel="stylesheet" href="/{way}/evil.css">' for way in ("files", "downloads")]
                objects = [
                    f'<object data="/files/{name}" type="{kind}"></object><embed src="/files/{name}" type="{kind}">'
                    f'<iframe src="/files/{name}"></iframe>'
                    for name, kind in (("page.svg", "image/svg+xml"), ("page.html", "text/html"))
                ]
                picture = '<img src="/files/picture.gif" alt="">'
                parts = [*styles, *scripts, *modules, *objects, picture, "<p>text</p>"]
                return ctx.html(f"<!doctype html>{''.join(parts)}{LOADING.format(url='/own/own.js', way='own')}")

        self.reached = reached
        self.statuses = statuses
        layers = [keeping_book, security_headers(csp={"frame-ancestors": "'self'"})]
        self.app: App = bootstrap([Module("site", controllers=[Pages], mounts={"/own": StaticFiles(own)})], layers)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder, own = tmp_path / "uploads", tmp_path / "own"
    folder.mkdir()
    own.mkdir()
    for name, content in UPLOADS.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (own / "own.js").write_text(SCRIPT)
    (own / "index.html").write_text(f"<!doctype html>{LOADING.format(url='/own/own.js', way='index')}")
    return Site(folder, own)


@pytest.fixture
def url(site: Site, serve: Serve) -> Iterator[str]:
    with serve(site.app) as address:
        yield address


@pytest.mark.parametrize("name", ["page.html", "page.xhtml", "page.svg", "page"])
def test_an_uploaded_page_is_saved_and_not_shown(site: Site, url: str, browser: Chrome, name: str) -> None:
    browser.get(f"{url}/own/index.html")
    wait_until(lambda: "index" in site.reached, "the script of the application runs")
    browser.get(f"{url}/files/{name}")
    assert browser.execute_script("return location.pathname") == "/own/index.html"
    assert site.reached == {"index"}


def test_no_page_of_the_application_runs_or_applies_an_upload(site: Site, url: str, browser: Chrome) -> None:
    browser.get(f"{url}/embedding")  # all of the page has been loaded, its scripts and frames included
    wait_until(lambda: "own" in site.reached, "the script of the application runs")
    assert site.reached == {"own"}
    paragraph = browser.find_element(By.TAG_NAME, "p")
    assert paragraph.value_of_css_property("color") == "rgba(0, 0, 0, 1)"
    assert browser.execute_script("return document.querySelector('img').naturalWidth") == 1


def test_text_is_shown_as_text(site: Site, url: str, browser: Chrome) -> None:
    browser.get(f"{url}/files/page.txt")
    assert browser.find_element(By.TAG_NAME, "body").text == UPLOADS["page.txt"]
    assert site.reached == set()


def test_a_page_that_the_browser_has_already_runs_its_scripts_again(site: Site, url: str, browser: Chrome) -> None:
    """The 304 had a policy that allows nothing, and caches replace the headers of what they have with its headers."""
    for statuses in ([200], [200, 304]):
        site.reached.clear()
        browser.get(f"{url}/own/index.html")
        wait_until(lambda: "index" in site.reached, "the script of the application runs")
        assert site.statuses == statuses
        browser.get("about:blank")
