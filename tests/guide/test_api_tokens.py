"""The page about API tokens: tokens work without a session, and only until they are revoked."""

from __future__ import annotations

from typing import Any

from kick.testing import TestClient
from tests.guide.pages import names_of


def test_a_token_from_its_creation_to_its_end() -> None:
    names = names_of("api-tokens.md", "Tokens for users")
    with TestClient(names["app"]) as client:
        assert client.post("/account/tokens").status_code == 401
        client.post("/account/login", json={"name": "ada"})
        created = client.post("/account/tokens", headers={"sec-fetch-site": "same-origin"})
        assert created.status_code == 201
        token = created.json()["token"]

        program = TestClient(names["app"])
        sends = {"authorization": f"Bearer {token}"}
        assert program.get("/api/orders", headers=sends).json() == ["an order of ada"]
        assert program.post("/api/orders", headers=sends | {"origin": "https://elsewhere.example"}).status_code == 201
        assert not program.cookies

        client.delete("/account/tokens", headers={"sec-fetch-site": "same-origin"})
        assert program.get("/api/orders", headers=sends).status_code == 401


def test_without_a_token_there_is_a_challenge() -> None:
    with TestClient(names_of("api-tokens.md", "Tokens for users")["app"]) as client:
        for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic YTpi"}, {"authorization": ""}):
            refused = client.get("/api/orders", headers=header)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_a_session_does_not_open_the_routes_for_programs() -> None:
    with TestClient(names_of("api-tokens.md", "Tokens for users")["app"]) as client:
        client.post("/account/login", json={"name": "ada"})
        assert client.get("/api/orders").status_code == 401


def test_one_route_takes_a_session_or_a_token() -> None:
    app = names_of("api-tokens.md", "One route for both")["app"]
    token = {"authorization": "Bearer shop_abc"}
    with TestClient(app, validate=True) as program:
        assert program.get("/orders").status_code == 401
        assert program.get("/orders", headers={"authorization": "Bearer wrong"}).status_code == 401
        assert program.get("/orders", headers=token).json() == ["an order of grace"]
        assert program.post("/orders", headers=token).status_code == 201
        assert not program.cookies
    with TestClient(app) as browser:
        browser.post("/login")
        assert browser.get("/orders").json() == ["an order of ada"]
        assert browser.get("/orders", headers=token).json() == ["an order of grace"]
        assert browser.get("/orders", headers={"authorization": "Bearer wrong"}).status_code == 401
        cross_site = {"sec-fetch-site": "cross-site", "origin": "https://elsewhere.example"}
        assert browser.post("/orders", headers=cross_site).status_code == 403
        assert browser.post("/orders", headers={"sec-fetch-site": "same-origin"}).status_code == 201
    operations: dict[str, Any] = app.openapi()["paths"]["/orders"]
    assert operations["get"]["security"] == [{"session": []}, {"bearer": []}]
    assert operations["post"]["security"] == [{"session": [], "csrf": []}, {"bearer": []}]
