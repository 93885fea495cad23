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
