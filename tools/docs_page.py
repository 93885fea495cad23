"""Make the pictures of the interactive page: `python -m tools.docs_page`. They go to `docs/images`.
With a folder, they go there as PNG, to be looked at after a change of the page.

They show a small application with a login, in light and dark, as Chromium draws it.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from kick import App, Controller, Delete, Get, Module, NotFound, Post, RequestContext, Socket, WebSocket, bootstrap
from kick.auth import Authenticated, authentication, login
from kick.openapi import OpenAPI
from kick.session import csrf, session
from tests.support.browser import open_browser
from tests.support.serving import serve
from tests.support.waiting import wait_until

IMAGES: Final = Path(__file__).parents[1] / "docs/images"
WIDTH: Final = 1120
HEIGHT: Final = 1480
QUALITY: Final = 82

SETTLED: Final = """
requestAnimationFrame(() => requestAnimationFrame(() => arguments[0](document.getAnimations().length === 0)))
"""
"""Says whether nothing moves: a change of the colour scheme begins transitions with the next frame."""


class Credentials(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, examples=["ada"])]
    password: Annotated[str, msgspec.Meta(examples=["correct horse battery"])]


class NewNote(msgspec.Struct):
    """A note that is to be written."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=80, examples=["Buy milk"])]
    text: Annotated[str, msgspec.Meta(examples=["Two bottles."])] = ""


class Note(NewNote):
    """A note of the user."""

    id: int = 0


class Page(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    """The most notes of an answer."""


@Controller("/account")
class AccountController:
    """The login."""

    @Post("/login", status=204)
    async def log_in(self, ctx: RequestContext[Any], body: Credentials) -> None:
        """Log in.

        The session cookie of the answer is that of the *browser*: the requests of this page are logged in too.
        """
        await login(ctx, 1)


@Authenticated
@Controller("/notes")
class NoteController:
    """Notes of the user who is logged in."""

    @Get("/")
    async def index(self, query: Page) -> list[Note]:
        """List the notes."""
        return []

    @Post("/", status=201)
    async def write(self, body: NewNote) -> Note:
        """Write a note."""
        return Note(body.title, body.text, 1)

    @Delete("/{note_id}")
    async def remove(self, note_id: int) -> None:
        """Delete a note."""
        raise NotFound(f"You have no note {note_id}.")

    @WebSocket("/live")
    async def live(self, socket: Socket) -> None:
        """Changes of the notes, as they happen."""


def make_app() -> App:
    return bootstrap(
        [Module("account", controllers=[AccountController]), Module("notes", controllers=[NoteController])],
        [session("a secret of at least thirty-two bytes", save_uninitialized=False), authentication(), csrf()],
        openapi=OpenAPI(title="Notes", version="1.4", description="Keeps the notes of its users."),
    )


def find(browser: Chrome, selector: str) -> WebElement:
    """Wait until there is such an element."""
    wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, selector), selector)
    return browser.find_element(By.CSS_SELECTOR, selector)


def click(browser: Chrome, selector: str) -> None:
    find(browser, selector).click()


def take(browser: Chrome, file: Path, *, dark: bool) -> None:
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    browser.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    metrics = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    moved = {"type": "mouseMoved", "x": 1, "y": 1}  # a button under the pointer looks different
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", moved)
    wait_until(lambda: browser.execute_async_script(SETTLED), "the end of transitions")
    options = {"format": "png"} if file.suffix == ".png" else {"format": "webp", "quality": QUALITY}
    file.write_bytes(base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", options)["data"]))


def main(folder: Path, suffix: str = ".webp") -> None:
    with tempfile.TemporaryDirectory() as scratch, serve(make_app()) as url, open_browser(Path(scratch)) as browser:
        metrics = {"width": WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(f"{url}/docs")
        for operation in ("account-AccountController", "notes-NoteController"):
            post = f'.opblock-post[id*="{operation}"]'
            click(browser, f"{post} .opblock-summary-control")
            click(browser, f"{post} .try-out__btn")
            click(browser, f"{post} .execute")
            find(browser, f"{post} .live-responses-table")
        click(browser, '.opblock-post[id*="AccountController"] .opblock-summary-control')
        for dark in (False, True):
            take(browser, folder / f"docs-page-{'dark' if dark else 'light'}{suffix}", dark=dark)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), ".png")
    else:
        main(IMAGES)
