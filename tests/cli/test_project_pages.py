"""Pages of the website that `kick new` writes, as far as the tests of the project do not show them."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from kick import Controller, Get, Module, Post, RequestContext, bootstrap
from kick.cli.project_templates import contents_of
from kick.http import JinjaTemplates
from kick.session import csrf, session
from kick.testing import TestClient

SECRET = "a secret of the tests, more than 32 bytes long"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a website, whose package `site_of_ada` can be imported."""
    for path, text in contents_of("site-of-ada", "web", "memory", database="none").items():
        if isinstance(text, str):
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [each for each in sys.modules if each.partition(".")[0] == "site_of_ada"]:
        del sys.modules[name]


@pytest.fixture
def pages(project: Path) -> ModuleType:
    return importlib.import_module("site_of_ada.pages")


def application(project: Path) -> Any:
    settings = importlib.import_module("site_of_ada.settings").Settings(
        session_secrets=[SECRET],
        session_store=f"sqlite:///{project}/no-such-folder/sessions.db",
        database=str(project / "notes.db"),
        allowed_hosts=["testserver"],
    )
    return importlib.import_module("site_of_ada.app").create_app(settings)


def test_a_session_store_that_is_down_is_an_error_page_for_browsers(project: Path) -> None:
    with TestClient(application(project), base_url="https://testserver") as client:
        form = {"email": "ada@example.com", "password": "correct horse battery"}
        page = client.post("/register", data=form, headers={"accept": "text/html"})
        assert page.status_code == 503
        assert "<h1>Service Unavailable</h1>" in page.text
        assert page.headers["retry-after"]
        other = client.post("/register", data={**form, "email": "bob@example.com"}, headers={"accept": "*/*"})
        assert other.json()["status"] == 503


def test_an_error_page_loses_no_cookie_and_no_header(project: Path, pages: ModuleType) -> None:
    @Controller()
    class Page:
        @Post("/")
        async def wrong(self, ctx: RequestContext) -> Any:
            ctx.session["n"] = 1
            ctx.set_cookie("theme", "dark")
            return ctx.problem(409, "Taken.")

    layers = [pages.ErrorPages(), session(SECRET, save_uninitialized=False), csrf()]
    app = bootstrap([Module("page", controllers=[Page])], layers, templates=templates(project))
    with TestClient(app, base_url="https://testserver") as client:
        page = client.post("/", headers={"accept": "text/html"})
        assert "<h1>Conflict</h1>" in page.text
        assert sorted(cookie.partition("=")[0] for cookie in page.headers.get_list("set-cookie")) == [
            "kick.sid",
            "theme",
        ]
        assert page.headers["cache-control"] == "no-store"
        assert {each.strip() for each in page.headers["vary"].split(",")} == {"Accept", "Cookie"}


def test_the_errors_of_a_query_are_written_for_people(project: Path, pages: ModuleType) -> None:
    class Paging(Struct):
        page: Annotated[int, Meta(ge=1)] = 1

    @Controller()
    class Rooms:
        @Get("/rooms")
        async def index(self, query: Paging) -> int:
            return query.page

    app = bootstrap([Module("rooms", controllers=[Rooms])], [pages.ErrorPages()], templates=templates(project))
    with TestClient(app, headers={"accept": "text/html"}) as client:
        assert "<p>page: Enter 1 or more.</p>" in client.get("/rooms?page=0").text
        assert "<p>page: Enter a whole number.</p>" in client.get("/rooms?page=x").text


def test_attributes_without_a_value_are_written_without_one(project: Path) -> None:
    with TestClient(application(project), base_url="https://testserver") as client:
        text = client.get("/login", headers={"accept": "text/html"}).text
        assert 'autocomplete="username" required autofocus>' in text
        assert "True" not in text


def templates(project: Path) -> Any:
    return JinjaTemplates(project / "site_of_ada/templates", globals={"site": "Ada"})
