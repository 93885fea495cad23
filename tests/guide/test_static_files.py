"""The page on static files and mounts: its applications do what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kick.testing import TestClient
from tests.guide.pages import application

PAGE = "static-files.md"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_files_are_cached_as_they_may_be() -> None:
    app = application(PAGE, "Files")
    with TestClient(app) as client:
        logo = client.get(app.url_for("web.static", path="logo.svg"))
        assert (logo.text, logo.headers["cache-control"]) == ("<svg/>", "public, max-age=3600")
        assert client.get("/static/logo.svg", headers={"if-none-match": logo.headers["etag"]}).status_code == 304
        assert client.get("/static/logo.svg", headers={"range": "bytes=1-3"}).text == "svg"
        assert "immutable" in client.get("/static/assets/app-B3x9.js").headers["cache-control"]


def test_the_page_answers_where_browsers_ask_for_pages() -> None:
    with TestClient(application(PAGE, "A single-page application"), headers={"accept": "text/html"}) as client:
        assert client.get("/").text == client.get("/some/page").text == "<div id=app></div>"
        assert client.get("/api/users/7").json() == {"id": 7}
        assert client.get("/api/nothing").headers["content-type"] == "application/problem+json"
        assert client.get("/assets/gone.js", headers={"accept": "*/*"}).status_code == 404


def test_another_application_answers_what_no_route_does() -> None:
    with TestClient(application(PAGE, "Other applications")) as client:
        assert client.get("/shop/orders/latest").json() == {"kick": "latest"}
        assert client.get("/shop/orders/7").json() == {"legacy": 7}
        assert client.get("/admin/docs").status_code == 403
        assert client.get("/admin/docs", headers={"x-staff": "yes"}).status_code == 200
