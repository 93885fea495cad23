"""`kick dev --live`, and the page for a mistake, in a real browser and over real sockets."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Scope

from kick.cli.server.live_reload import PATH, SCRIPT_PATH, TAG, LiveReload, error_page
from kick.testing import TestClient
from tests.cli.support import APP, get, running
from tests.support.ports import HOST, free_port

PAGE = """
@Controller("/page")
class PageController:
    @Get("/")
    async def page(self, ctx: RequestContext):
        ctx.session.data["visits"] = ctx.session.data.get("visits", 0) + 1
        return ctx.html(f"<!doctype html><h1>VERSION 1</h1><p>{ctx.session.data['visits']}</p>")

app = bootstrap(
    [HelloModule, Module("page", controllers=[PageController])],
    [session("{secret}", store="sqlite:///sessions.db")],
)
""".replace("{secret}", "a secret of at least thirty-two bytes")
GREETING = "Every save is picked up."


def client(app: ASGIApp) -> TestClient:
    return TestClient(LiveReload(app, lambda: True))


def heading(browser: Chrome, text: str) -> None:
    """Wait until the page says this."""
    WebDriverWait(browser, 30, poll_frequency=0.05, ignored_exceptions=[Exception]).until(
        lambda driver: text in driver.find_element(By.TAG_NAME, "h1").text
    )


def test_a_page_loads_itself_anew_after_a_save_and_after_a_mistake(project: Path, browser: Chrome) -> None:
    (project / "app.py").write_text(APP + PAGE)
    port = free_port()
    with running("dev", "--live", "--port", str(port), cwd=project) as process:
        process.wait_for(GREETING)
        browser.get(f"http://{HOST}:{port}/page")
        heading(browser, "VERSION 1")
        (project / "app.py").write_text(APP + PAGE.replace("VERSION 1", "VERSION 2"))
        heading(browser, "VERSION 2")
        assert browser.find_element(By.TAG_NAME, "p").text == "2"  # the session survived it
        (project / "app.py").write_text(APP + PAGE + "x = (\n")
        heading(browser, "The application cannot be started")
        assert "SyntaxError" in browser.find_element(By.TAG_NAME, "pre").text
        (project / "app.py").write_text(APP + PAGE.replace("VERSION 1", "VERSION 3"))
        heading(browser, "VERSION 3")
        assert browser.find_element(By.TAG_NAME, "p").text == "3"
        process.press_ctrl_c()
        assert process.end() == 0


def test_the_page_for_a_mistake_gives_way_without_live_too(project: Path, browser: Chrome) -> None:
    (project / "app.py").write_text(APP + PAGE + "x = (\n")
    port = free_port()
    with running("dev", "--port", str(port), cwd=project) as process:
        process.wait_for("SyntaxError")
        browser.get(f"http://{HOST}:{port}/page")
        heading(browser, "The application cannot be started")
        (project / "app.py").write_text(APP + PAGE)
        heading(browser, "VERSION 1")
        assert "__kick__" not in get(f"http://{HOST}:{port}/page").text


@pytest.mark.parametrize("headers", [{}, {"accept-encoding": "gzip"}])
def test_the_script_is_at_the_end_of_a_page_and_counted(headers: dict[str, str]) -> None:
    browser = client(HTMLResponse("<p>page</p>", headers={"etag": '"1"'}))
    answer = browser.get("/", headers=headers)
    assert answer.content == b"<p>page</p>" + TAG
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "etag" not in answer.headers


def test_a_page_that_is_streamed_has_it_once() -> None:
    async def parts():  # type: ignore[no-untyped-def]
        yield b"<p>one"
        yield b"two</p>"

    async def app(scope, receive, send):  # type: ignore[no-untyped-def]
        await StreamingResponse(parts(), media_type="text/html")(scope, receive, send)

    browser = client(app)
    assert browser.get("/").content == b"<p>onetwo</p>" + TAG


@pytest.mark.parametrize(
    "response",
    [
        Response("{}", media_type="application/json"),
        Response(b"\x1f\x8b", media_type="text/html", headers={"content-encoding": "identity"}),
        Response("part", status_code=206, media_type="text/html"),
        Response(status_code=304, media_type="text/html"),
    ],
)
def test_what_is_no_whole_page_is_left_alone(response: Response) -> None:
    browser = client(response)
    answer = browser.get("/")
    assert TAG not in answer.content
    assert answer.content == response.body


def test_a_head_has_the_length_that_the_application_said() -> None:
    browser = client(HTMLResponse("<p>page</p>"))
    assert browser.head("/").headers["content-length"] == "11"


def test_the_events_and_the_script_are_served_and_kept_by_nobody() -> None:
    browser = client(HTMLResponse(""))
    events, script = browser.get(PATH), browser.get(SCRIPT_PATH)
    assert events.text.startswith("retry: 100\nevent: process\ndata: ")
    assert script.headers["content-type"].startswith("text/javascript")
    assert f'new EventSource("{PATH}")' in script.text
    assert {events.headers["cache-control"], script.headers["cache-control"]} == {"no-store"}


async def test_a_page_that_is_gone_leaves_no_task_behind() -> None:
    """A page that loads itself anew every moment would else leave one that looks 20 times a second, for ever."""
    app = LiveReload(HTMLResponse(""), lambda: False)
    scope: Scope = {"type": "http", "path": PATH, "method": "GET", "headers": []}
    before = len(asyncio.all_tasks())
    for _ in range(50):
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}])

        async def receive(messages: Iterator[Message] = messages) -> Message:
            return next(messages)

        async def send(message: Message) -> None:
            """The client is gone."""

        await app(scope, receive, send)
    assert len(asyncio.all_tasks()) == before


def test_a_mistake_is_a_page_for_browsers_and_text_for_others_and_nothing_in_it_is_markup() -> None:
    browser = TestClient(error_page("error  <script>alert(1)</script>"))
    page = browser.get("/", headers={"accept": "text/html,*/*"})
    text = browser.get("/", headers={"accept": "*/*"})
    assert page.status_code == text.status_code == 500
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert text.text == "error  <script>alert(1)</script>"
    assert text.headers["content-type"].startswith("text/plain")
