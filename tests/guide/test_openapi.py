"""The page about the OpenAPI document."""

from __future__ import annotations

from kick.testing import TestClient
from tests.guide.pages import application
from tests.openapi.support import checked, operation, parameters


def test_an_application_is_described() -> None:
    with TestClient(application("openapi.md", "A described application")) as client:
        document = checked(client.get("/openapi.json").json())
        assert client.post("/notes", json={"title": "Buy tea"}).status_code == 201
        assert client.get("/notes/7").status_code == 404
    assert document["info"] == {"title": "Notes", "version": "1.0", "description": "A small API."}
    index = operation(document, "get", "/notes")
    assert (index["summary"], index["description"]) == ("List the notes", "A page has twenty of them.")
    assert parameters(index)["tag"]["description"] == "Only notes with this tag."
    assert parameters(index)["tag"]["schema"] == {"type": "string"}
    title = document["components"]["schemas"]["NewNote"]["properties"]["title"]
    assert title == {"type": "string", "examples": ["Buy tea"], "minLength": 1, "maxLength": 80}
    assert "404" in operation(document, "get", "/notes/{note_id}")["responses"]
    assert document["tags"] == [{"name": "notes", "description": "Notes, the newest first."}]


def test_a_scheme_of_its_own() -> None:
    with TestClient(application("openapi.md", "Security")) as client:
        assert client.get("/me").status_code == 401
        assert client.get("/me", headers={"authorization": "Bearer secret"}).json() == "ada"
        found = operation(checked(client.get("/openapi.json").json()), "get", "/me")
    assert found["security"] == [{"bearer": []}]
    assert list(found["responses"]) == ["200", "401"]


def test_middleware_describes_itself() -> None:
    with TestClient(application("openapi.md", "Middleware")) as client:
        assert client.get("/reports").status_code == 402
        found = operation(checked(client.get("/openapi.json", headers={"x-account": "1"}).json()), "get", "/reports")
    assert found["responses"]["402"]["description"] == "The balance is too low."
    assert list(parameters(found)) == ["X-Account"]
