"""The page about rate limits."""

from __future__ import annotations

from kick.testing import TestClient
from tests.guide.pages import application

PAGE = "rate-limits.md"


def test_the_sixth_login_is_refused_and_the_other_routes_are_not() -> None:
    with TestClient(application(PAGE, "Limits for the application and for a route")) as client:
        answers = [client.post("/auth/login") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert int(answers[5].headers["retry-after"]) in range(1, 61)
        assert '"5/minute";r=0;t=' in answers[5].headers["ratelimit"]
        assert client.get("/nowhere").headers["ratelimit"].startswith('"100/minute";r=93;')


def test_keys_are_counted_apart_and_deep_searches_cost_more() -> None:
    with TestClient(application(PAGE, "Keys and costs")) as client:
        for key in ("a", "b"):
            found = [client.get("/search?deep=1", headers={"x-api-key": key}).status_code for _ in range(3)]
            assert found == [200, 200, 429]
        assert [client.get("/search?deep=1").status_code for _ in range(3)] == [200] * 3


def test_an_account_has_ten_attempts_an_hour_and_its_owner_gets_in_on_a_known_device() -> None:
    right = {"email": "ada@example.com", "password": "correct horse"}
    wrong = {**right, "password": "wrong"}
    with TestClient(application(PAGE, "Logins")) as client:
        assert client.post("/auth/login", json=right).status_code == 204
        device = client.cookies["kick.device"]
        client.cookies.clear()
        assert [client.post("/auth/login", json=wrong).status_code for _ in range(11)] == [401] * 9 + [429] * 2
        client.cookies.set("kick.device", device)
        assert client.post("/auth/login", json=right).status_code == 204
