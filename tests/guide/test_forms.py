"""The page on forms: its applications do what is said of them."""

from __future__ import annotations

from kick.testing import TestClient
from tests.guide.pages import application

PAGE = "forms.md"
ADA = {"email": "ada@example.com", "password": "correct horse battery"}


def test_a_form_is_shown_again_with_its_errors_and_what_was_typed() -> None:
    with TestClient(application(PAGE, "A form and its errors"), follow_redirects=False) as client:
        page = client.get("/sign-up").text
        assert 'name="email" value=""></label> \n' in page
        assert "checked" not in page
        answer = client.post("/sign-up", data={"email": "ada", "password": "short", "news": "on"})
        assert answer.status_code == 422
        assert 'value="ada"></label> This is not an email address.' in answer.text
        assert "Use at least 12 characters." in answer.text
        assert "short" not in answer.text
        assert 'type="checkbox" checked>' in answer.text
        assert "role" not in answer.text


def test_the_application_finds_an_error_of_its_own() -> None:
    with TestClient(application(PAGE, "A form and its errors"), follow_redirects=False) as client:
        assert client.post("/sign-up", data=ADA).status_code == 303
        again = client.post("/sign-up", data=ADA)
        assert again.status_code == 422
        assert 'value="ada@example.com"></label> There is an account with this address already.' in again.text
        assert "This field is required." in client.post("/sign-up", data={"email": ""}).text


def test_a_form_shows_an_object_and_then_what_was_typed() -> None:
    with TestClient(application(PAGE, "A form that shows an object"), follow_redirects=False) as client:
        page = client.get("/note").text
        assert '<input name="title" type="text" value="Buy milk" maxlength="200">' in page
        assert '<input name="due" type="date" value="">' in page
        wrong = client.post("/note", data={"title": "   ", "due": "2026-01-02"})
        assert wrong.status_code == 422
        assert 'aria-describedby="title-error"' in wrong.text
        assert 'type="date" value="2026-01-02"' in wrong.text
        assert client.post("/note", data={"title": "Bake bread", "due": ""}).status_code == 303
        assert 'value="Bake bread"' in client.get("/note").text
