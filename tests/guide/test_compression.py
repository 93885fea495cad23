"""The page about compression."""

from __future__ import annotations

import pytest

from kick.testing import TestClient
from tests.guide.pages import application

GZIP = {"accept-encoding": "gzip"}


def test_reports_are_compressed_but_for_the_raw_one() -> None:
    with TestClient(application("compression.md", "Enabling compression")) as client:
        for path, coding in {"/reports": "gzip", "/reports/raw": None, "/reports/lines": "gzip"}.items():
            answer = client.get(path, headers=GZIP)
            assert answer.headers.get("content-encoding") == coding
            assert "499" in answer.text


def test_what_is_the_users_own_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SESSION_SECRET", raising=False)
    with TestClient(application("compression.md", "Secrets and BREACH")) as client:
        assert client.get("/catalog", headers=GZIP).headers["content-encoding"] == "gzip"
        assert "content-encoding" not in client.get("/catalog/mine", headers=GZIP).headers
