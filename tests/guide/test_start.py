"""The first page of the guide: its applications do what is said of them."""

from __future__ import annotations

from kick.testing import TestClient
from tests.guide.pages import application


def test_the_first_application_greets() -> None:
    with TestClient(application("README.md", "An application in one file")) as client:
        assert client.get("/hello/Ada").json() == {"message": "Hello, Ada!"}


def test_bodies_queries_and_paths_are_typed() -> None:
    with TestClient(application("README.md", "Bodies, queries, paths")) as client:
        assert client.post("/notes", json={"title": "Buy milk", "tags": ["home"]}).status_code == 201
        errors = client.post("/notes", json={"tags": 5}).json()["errors"]
        assert {each["location"] for each in errors} == {"/body/title", "/body/tags"}
        assert client.get("/notes?tag=home&limit=5").json() == [{"title": "Buy milk", "tags": ["home"]}]
        assert client.get("/notes?tag=work").json() == []
        assert client.get("/notes/0").json()["title"] == "Buy milk"
        assert [client.get(path).status_code for path in ("/notes/x", "/notes/7", "/notes/")] == [404, 404, 404]


def test_a_provider_is_a_guard() -> None:
    with TestClient(application("README.md", "Dependency injection")) as client:
        assert client.get("/me").status_code == 401


def test_middleware_adds_its_header_to_a_404_too() -> None:
    with TestClient(application("README.md", "Middleware")) as client:
        assert len(client.get("/slow").headers.get_list("server-timing")) == 1
        assert "server-timing" in client.get("/nowhere").headers
