"""The page on errors: its application does what is said of it."""

from __future__ import annotations

import pytest

from kick.testing import TestClient
from tests.guide.pages import application


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
