"""The page about proxies: its applications do what is said of them."""

from __future__ import annotations

from kick.testing import TestClient
from tests.guide.pages import application
from tests.http.support import ask

TOLD = {"x-forwarded-for": "1.2.3.4, 203.0.113.9", "x-forwarded-proto": "https", "x-forwarded-host": "shop.example"}


async def test_the_client_is_the_first_address_that_is_not_trusted() -> None:
    app = application("proxies.md", "Trusted proxies")
    behind = await ask(app, "/me", headers=TOLD, client=("10.0.0.1", 4711))
    assert behind.json() == {"ip": "203.0.113.9", "url": "https://example.com/me"}
    direct = await ask(app, "/me", headers=TOLD, client=("192.0.2.7", 4711))
    assert direct.json() == {"ip": "192.0.2.7", "url": "http://example.com/me"}


async def test_the_other_applications_start_and_answer() -> None:
    for heading in ("Host and prefix", "The Forwarded header", "Secure cookies"):
        assert (await ask(application("proxies.md", heading), "/")).status == 404


async def test_a_host_that_is_not_named_is_a_400() -> None:
    app = application("proxies.md", "Allowed hosts")
    assert (await ask(app, "/")).status == 404  # ask() names example.com
    for host, status in {"a.example.com:8000": 404, "EXAMPLE.com.": 404, "evil.test": 400}.items():
        with TestClient(app, base_url=f"http://{host}") as client:
            assert client.get("/").status_code == status
