"""The page about security headers."""

from __future__ import annotations

import re

from kick.testing import TestClient
from tests.guide.pages import application

PAGE = "security-headers.md"


def test_the_script_has_the_nonce_of_the_policy() -> None:
    with TestClient(application(PAGE, "Inline scripts and nonces")) as client:
        answer = client.get("/")
        (nonce,) = re.findall(r"nonce='([^']+)'", answer.text)
        assert f"script-src 'self' 'nonce-{nonce}'" in answer.headers["content-security-policy"]


def test_each_is_changed_as_it_is_said() -> None:
    with TestClient(application(PAGE, "Options")) as client:
        headers = client.get("/").headers
        assert "img-src 'self' https://img.example.com;" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "camera=(self)" in headers["permissions-policy"]
        assert "cross-origin-opener-policy" not in headers
        widget = client.get("/widget").headers
        assert widget["content-security-policy"].endswith("frame-ancestors https://partner.example.com")
