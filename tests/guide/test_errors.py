"""The page on errors: its application does what is said of it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kick.cli.program import program
from kick.testing import TestClient
from tests.guide.pages import GUIDE, application, names_of


def test_errors_are_problem_details() -> None:
    with TestClient(application("errors.md", "Responses to errors"), raise_exceptions=False) as client:
        assert client.get("/errors/missing").json()["detail"] == "There is no note 7."
        taken = client.get("/errors/taken").json()
        assert (taken["status"], taken["title"], taken["name"]) == (409, "Conflict", "ada")
        assert client.get("/errors/paid").json()["balance"] == 30
        assert client.get("/errors/built").status_code == 409
        assert client.get("/errors/mistake").json().keys() == {"type", "title", "status", "detail", "request_id"}


def test_exceptions_of_the_application_have_a_handler(capsys: pytest.CaptureFixture[str]) -> None:
    with TestClient(application("errors.md", "Exception handlers")) as client:
        answer = client.get("/shop/bread")
        assert (answer.status_code, answer.json()["item"]) == (409, "bread")
        assert capsys.readouterr().out == ""  # on_error is told of what nothing handles


def test_in_development_they_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "development")
    with TestClient(application("errors.md", "Responses to errors"), raise_exceptions=False) as client:
        assert client.get("/errors/mistake").json()["exception"] == "KeyError"
        page = client.get("/errors/mistake", headers={"accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert "ErrorController.mistake" in page.text


def test_browsers_get_pages_and_scripts_problem_details() -> None:
    with TestClient(application("errors.md", "Error pages"), raise_exceptions=False) as client:
        browser = {"accept": "text/html,*/*;q=0.8"}
        assert client.get("/notes/1", headers=browser).json() == {"number": 1}
        for path, status, shown in [
            ("/notes/12", 404, "There is no note 12."),
            ("/elsewhere", 404, "<h1>Not Found</h1>"),
            ("/notes/0", 500, "which was logged."),
        ]:
            page = client.get(path, headers=browser)
            assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
            assert shown in page.text
            assert "ZeroDivisionError" not in page.text
            assert client.get(path).headers["content-type"] == "application/problem+json"
        wrong = client.post("/notes/1", headers=browser)
        assert (wrong.status_code, "<h1>Method Not Allowed</h1>" in wrong.text) == (405, True)
        assert "GET" in wrong.headers["allow"]


def test_in_development_only_the_page_of_an_unexpected_exception_is_the_one_of_kick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KICK_ENV", "development")
    with TestClient(application("errors.md", "Error pages"), raise_exceptions=False) as client:
        page = client.get("/notes/12", headers={"accept": "text/html"}).text
        assert "There is no note 12." in page
        unexpected = client.get("/notes/0", headers={"accept": "text/html"}).text
        assert "<title>ZeroDivisionError: division by zero</title>" in unexpected


def test_an_error_page_that_fails_is_a_500() -> None:
    names = names_of("errors.md", "Error pages")
    (names["folder"] / "error.html").write_text("{{ problem.missing.missing }}")
    with TestClient(names["app"], raise_exceptions=False) as client:
        answer = client.get("/notes/12", headers={"accept": "text/html"})
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")


SHOWN = """\
from kick import Controller, Get, Module, Use, bootstrap
from kick.session import session

async def timing(ctx, call_next):
    return await call_next(ctx)

async def limited(ctx, call_next):
    return await call_next(ctx)

SECRET = "a secret of at least thirty-two bytes"

@Controller("/notes")
class NoteController:
    @Use(limited)
    @Get("/{number}")
    async def show(self, number: int) -> int:
        return number

app = bootstrap(
    [Module("notes", controllers=[NoteController])], [timing, session(SECRET, save_uninitialized=False)]
)
"""


def test_the_printed_middleware_is_what_the_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "notes.py").write_text(SHOWN)
    printed = CliRunner().invoke(program, ["routes", "-v", "notes:app"]).output
    del sys.modules["notes"]
    (quoted,) = re.findall(r"```text\n(.*?)```", (GUIDE / "errors.md").read_text(), re.DOTALL)
    assert quoted in printed


def test_a_class_of_ones_own_has_its_status_in_the_response_and_the_document() -> None:
    app = application("errors.md", "Classes of your own")
    with TestClient(app, validate=True) as client:
        taken, poor = client.get("/shop/tea"), client.get("/shop/milk")
    assert (taken.status_code, taken.json()["code"]) == (409, "tea-is-out")
    assert (poor.status_code, poor.json()["status"], poor.json()["balance"]) == (402, 402, 30)
    responses = app.openapi()["paths"]["/shop/{item}"]["get"]["responses"]
    assert responses["402"]["description"] == "The balance is too low."
