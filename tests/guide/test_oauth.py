"""The page about logins at other services, with a provider on loopback: its applications do what is said of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from examples.oauth.provider import CLIENT_ID, CLIENT_SECRET, create_app
from kick.testing import TestClient
from tests.guide.pages import application
from tests.support.serving import serve

PAGES = pytest.mark.parametrize("heading", ["In a kick application", "In a FastAPI application"])

NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
"""What a browser sends when the provider redirects it."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serve(create_app()) as url:
        monkeypatch.setenv("GOOGLE_CLIENT_ID", CLIENT_ID)
        monkeypatch.setenv("GOOGLE_CLIENT_SECRET", CLIENT_SECRET)
        monkeypatch.setenv("GOOGLE_ISSUER", url)
        yield url


def site(heading: str) -> Any:
    return TestClient(application("oauth.md", heading), base_url="https://testserver", follow_redirects=False)


def ask(address: str) -> str:
    """What the provider answers to the browser: where it is to go."""
    answer = httpx2.get(address, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def begin(client: Any, provider: str) -> str:
    """Start a login; gives the address at the provider."""
    location = "/login/google"
    while not location.startswith(provider):
        location = client.get(location).headers["location"]
    return location


@PAGES
def test_somebody_logs_in_at_the_provider_and_out_again(provider: str, heading: str) -> None:
    with site(heading) as client:
        assert client.get("/me").status_code == 401
        start = begin(client, provider)
        assert urlsplit(start).path == "/authorize"
        before = client.cookies["kick.sid"]
        finish = client.get(ask(start), headers=NAVIGATION)
        assert (finish.status_code, finish.headers["location"]) == (303, "/me")
        assert client.cookies["kick.sid"] != before
        me = client.get("/me").json()
        assert (me["name"], me["id"].removeprefix("google:")) == ("Ada", "1815")
        path = "/me/logout" if "csrf_token" in me else "/logout"
        answer = client.post(path, headers={"x-csrf-token": me.get("csrf_token", "")})
        assert answer.status_code == 204
        assert client.get("/me").status_code == 401


@PAGES
def test_a_callback_that_another_browser_has_begun_is_refused(provider: str, heading: str) -> None:
    with site(heading) as mine, site(heading) as theirs:
        address = begin(mine, provider)
        begin(theirs, provider)
        callback = ask(address)
        assert theirs.get(callback).status_code == 401
        assert theirs.get("/me").status_code == 401


@PAGES
def test_a_callback_works_once(provider: str, heading: str) -> None:
    with site(heading) as client:
        callback = ask(begin(client, provider))
        assert client.get(callback).status_code == 303
        assert client.get(callback).status_code == 401
        assert client.get("/me").json()["name"] == "Ada"


@PAGES
def test_a_refusal_of_the_provider_logs_nobody_in(provider: str, heading: str) -> None:
    with site(heading) as client:
        state = parse_qs(urlsplit(begin(client, provider)).query)["state"][0]
        refused = client.get("/login/google/callback", params={"error": "access_denied", "state": state})
        assert refused.status_code == 401
        assert client.get("/me").status_code == 401


def test_a_form_post_becomes_a_get_of_the_own_site() -> None:
    with site("The way back is a request from another site") as client:
        answer = client.post("/login/apple/callback", data={"code": "a b", "state": "é"})
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/login/apple/callback?code=a+b&state=%C3%A9",
        )
        assert "set-cookie" not in answer.headers
