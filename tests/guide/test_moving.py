"""The page about moving: sessions of the old framework become sessions of kick."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient as StarletteClient

from kick.testing import TestClient
from tests.guide.pages import names_of

STARLETTE = "From Starlette or FastAPI"


def old_cookie(data: dict[str, Any], secret: str) -> str:
    """The cookie that Starlette sends for a session."""

    def log_in(request: Request) -> JSONResponse:
        request.session.update(data)
        return JSONResponse({})

    site = Starlette(routes=[Route("/", log_in)], middleware=[Middleware(SessionMiddleware, secret_key=secret)])
    return str(StarletteClient(site).get("/").cookies["session"])


@pytest.fixture
def names() -> dict[str, Any]:
    return names_of("moving.md", STARLETTE)


def test_the_user_stays_logged_in_and_the_old_cookie_goes(names: dict[str, Any]) -> None:
    with TestClient(names["app"]) as client:
        client.cookies.set("session", old_cookie({"user_id": 7}, names["OLD_SECRET"]), domain="testserver.local")
        first = client.get("/me")
        assert first.json() == {"user_id": 7}
        assert "kick.sid" in client.cookies
        assert "session" not in client.cookies
        assert client.get("/me").json() == {"user_id": 7}


@pytest.mark.parametrize("cookie", ["", "nonsense", "e30=.aaaa.bbbb"])
def test_a_cookie_that_is_not_valid_gives_nothing(names: dict[str, Any], cookie: str) -> None:
    with TestClient(names["app"]) as client:
        client.cookies.set("session", cookie, domain="testserver.local")
        assert client.get("/me").json() == {"user_id": None}
        assert "kick.sid" not in client.cookies


def test_a_cookie_of_another_secret_gives_nothing(names: dict[str, Any]) -> None:
    forged = old_cookie({"user_id": 1}, "another secret")
    assert names["old_session"](forged) == {}


def test_an_old_cookie_does_not_replace_the_session_that_is_there(names: dict[str, Any]) -> None:
    with TestClient(names["app"]) as client:
        for user in (7, 8):
            client.cookies.set("session", old_cookie({"user_id": user}, names["OLD_SECRET"]), domain="testserver.local")
            assert client.get("/me").json() == {"user_id": 7}


def test_a_cookie_of_flask_is_read() -> None:
    names = names_of("moving.md", "From Flask")
    site = Flask("old")
    site.secret_key = "the SECRET_KEY of Flask"

    @site.get("/")
    def log_in() -> dict[str, str]:
        session["user_id"] = 7
        return {}

    cookie = site.test_client().get("/").headers["set-cookie"].partition(";")[0].partition("=")[2]
    assert names["old_session"](cookie) == {"user_id": 7}
    assert names["old_session"](cookie[:-2]) == {}
