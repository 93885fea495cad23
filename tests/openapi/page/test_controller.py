import re
from html import unescape
from typing import Any

import pytest

from kick import App
from kick.middleware import compression, security_headers
from kick.testing import TestClient
from tests.openapi.page.site import HOSTILE, document, site


def addresses(html: str) -> list[str]:
    """All that the page asks for: links, scripts, styles, and what its script is told."""
    return [unescape(each) for each in re.findall(r'(?:href|src|data-\w+)="([^"]+)"', html) if each != "data:,"]


class TestPage:
    def test_it_names_the_document_and_the_files(self) -> None:
        client = TestClient(site())
        page = client.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        found = addresses(page.text)
        assert "/openapi/1" in found
        assert len(found) > 6
        for address in found:
            assert address.startswith("/")
            assert address == "/" or client.get(address).status_code == 200

    @pytest.mark.parametrize(("prefix", "root"), [("/api", ""), ("", "/shop"), ("/api", "/a shop")])
    def test_its_addresses_have_the_prefix_and_the_root_path(self, prefix: str, root: str) -> None:
        client = TestClient(site(prefix=prefix), root_path=root)
        html = client.get(f"{prefix}/docs").text
        expected = root.replace(" ", "%20")
        assert f'data-root="{expected or "/"}"' in html  # where the paths of the document begin
        for address in addresses(html):
            assert address.startswith(expected + prefix) or address == (expected or "/")

    @pytest.mark.parametrize("layers", [[], [security_headers(csp=None)], [security_headers(enabled=False)]])
    def test_its_policy_allows_no_inline_code_whatever_the_application_allows(self, layers: list[Any]) -> None:
        policy = TestClient(site(layers=layers)).get("/docs").headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy

    def test_it_has_no_inline_script_or_style(self) -> None:
        html = TestClient(site()).get("/docs").text
        assert re.findall(r"<script(?![^>]* src=)", html) == []
        assert "<style" not in html
        assert " style=" not in html

    def test_texts_of_the_application_are_escaped(self) -> None:
        html = TestClient(site(document(HOSTILE))).get("/docs").text
        for part in ("<script>", "<img", "<b ", "<iframe", "<svg", "<style"):
            assert part not in html
        assert "&lt;script&gt;window.broken = 1" in html

    def test_it_creates_no_session(self) -> None:
        for path in ("/docs", "/docs?document=v1"):
            assert "set-cookie" not in TestClient(site()).get(path).headers

    def test_compression_leaves_it_readable(self) -> None:
        client = TestClient(site(layers=[compression()]))
        for address in addresses(client.get("/docs").text):
            if "assets" in address:
                assert client.get(address).status_code == 200


class TestDocuments:
    def test_several_are_listed_and_the_first_is_shown(self) -> None:
        client = TestClient(site(document("First"), document("Second")))
        for query, number in (("", 1), ("?document=v1", 1), ("?document=v2", 2)):
            html = client.get(f"/docs{query}").text
            assert f'data-document="/openapi/{number}"' in html
            assert f'<a href="/docs?document=v{number}" aria-current="page">v{number}</a>' in html

    def test_one_is_not_listed(self) -> None:
        assert "kick-documents" not in TestClient(site()).get("/docs").text

    def test_an_unknown_one_is_a_404(self) -> None:
        assert TestClient(site()).get("/docs?document=<b>").status_code == 404


class TestText:
    def test_websockets_and_event_streams_are_listed(self) -> None:
        html = TestClient(site()).get("/docs").text
        assert "/shop/chat/{room}" in html
        assert "Messages of a &lt;b onclick=" in html
        assert "ShopController.ticks" in html

    def test_without_any_there_is_no_list(self) -> None:
        from kick import Controller, Module, bootstrap
        from kick.openapi.page.controller import PageDocument, page_controller

        @Controller()
        class NoController: ...

        empty = {"openapi": "3.1.0", "info": {"title": "Nothing", "version": "1"}, "paths": {}}
        shown = PageDocument(name="v1", path="/openapi.json", load=lambda: empty)
        html = (
            TestClient(bootstrap([Module("docs", controllers=[page_controller("/docs", lambda: [shown])])]))
            .get("/docs")
            .text
        )
        assert "WebSockets" not in html
        assert "session cookie" not in html

    def test_the_login_is_explained_where_a_cookie_is_the_key(self) -> None:
        assert "carry your session cookie" in TestClient(site()).get("/docs").text


class TestToken:
    def test_it_is_one_that_csrf_accepts(self) -> None:
        client = TestClient(site())
        response = client.get("/docs/csrf-token")
        assert response.headers["cache-control"] == "no-store"
        headers = {"origin": "null", "x-csrf-token": response.json()["token"]}
        assert client.post("/shop/login", json={"name": "ada"}, headers=headers).status_code == 200
        assert (
            client.post("/shop/login", json={"name": "ada"}, headers=headers).status_code == 403
        )  # of another session
        headers["x-csrf-token"] = client.get("/docs/csrf-token").json()["token"]
        assert client.post("/shop/orders", json={"item": "tea"}, headers=headers).status_code == 201

    def test_without_sessions_there_is_none(self) -> None:
        from kick import Module, bootstrap
        from kick.openapi.page.controller import PageDocument, page_controller

        shown = PageDocument(name="v1", path="/openapi.json", load=document)
        app: App = bootstrap([Module("docs", controllers=[page_controller("/docs", lambda: [shown])])])
        assert TestClient(app).get("/docs/csrf-token").status_code == 404

    def test_other_sites_cannot_read_it(self) -> None:
        response = TestClient(site()).get("/docs/csrf-token", headers={"origin": "https://evil.example.com"})
        assert "access-control-allow-origin" not in response.headers
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
