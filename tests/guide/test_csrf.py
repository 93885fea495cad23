"""The page about forged requests: its applications do what is said of them."""

from __future__ import annotations

import re

import pytest

from kick.testing import TestClient
from tests.guide.pages import application

SAME = {"sec-fetch-site": "same-origin"}
EVIL = {"sec-fetch-site": "cross-site", "origin": "https://evil.test"}


def test_a_form_passes_with_its_token_or_the_word_of_the_browser() -> None:
    with TestClient(application("csrf.md", "Enabling the protection"), origin=None) as client:
        (token,) = re.findall(r'value="([\w-]+)"', client.get("/notes/new").text)
        form = {"text": "milk"}
        assert client.post("/notes", data=form).json()["code"] == "csrf-token-missing"
        assert client.post("/notes", data={**form, "csrf_token": token}).json() == {"saved": "milk"}
        assert client.post("/notes", data=form, headers=SAME).json() == {"saved": "milk"}
        assert client.post("/notes", data={**form, "csrf_token": token}, headers=EVIL).status_code == 403


def test_a_client_sends_the_token_in_a_header() -> None:
    with TestClient(application("csrf.md", "The token"), origin=None) as client:
        token = client.get("/client/token").json()["token"]
        assert client.post("/client/orders", json={"apples": 2}).status_code == 403
        answer = client.post("/client/orders", json={"apples": 2}, headers={"x-csrf-token": token})
        assert (answer.status_code, answer.json()) == (201, {"apples": 2})


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [
        ("/hooks/payment", "https://evil.test", 200),
        ("/hooks/test", "https://evil.test", 403),
        ("/hooks/test", "https://admin.example.com", 200),
    ],
)
def test_exceptions_are_named(path: str, origin: str, status: int) -> None:
    with TestClient(application("csrf.md", "Exemptions and trusted origins")) as client:
        assert client.post(path, headers={**EVIL, "origin": origin}).status_code == status
