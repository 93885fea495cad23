"""The page about CORS."""

from __future__ import annotations

from kick.testing import TestClient
from tests.guide.pages import application


def test_one_site_may_read_and_ask_before() -> None:
    with TestClient(application("cors.md", "One site")) as client:
        site = {"origin": "https://app.example.com"}
        assert client.get("/notes", headers=site).headers["access-control-allow-origin"] == site["origin"]
        assert (
            "access-control-allow-origin" not in client.get("/notes", headers={"origin": "https://evil.test"}).headers
        )
        asks = {**site, "access-control-request-method": "PUT", "access-control-request-headers": "x-csrf-token"}
        assert client.options("/notes", headers=asks).status_code == 204
        refused = client.options("/notes", headers={**asks, "access-control-request-headers": "x-other"})
        assert (refused.status_code, refused.json()["detail"]) == (400, "Disallowed CORS headers.")
