"""Every block of Python in the guide runs, and the applications in it do what is said of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kick.testing import TestClient

GUIDE = (Path(__file__).parent.parent / "docs" / "guide.md").read_text()
BLOCKS = re.findall(r"^## (.*?)$.*?```python\n(.*?)```", GUIDE, re.DOTALL | re.MULTILINE)


def application(heading: str) -> Any:
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(dict(BLOCKS)[heading], f"guide.md: {heading}", "exec"), names)
    return names["app"]


@pytest.mark.parametrize("heading", [heading for heading, _ in BLOCKS])
def test_the_block_runs(heading: str) -> None:
    assert len(BLOCKS) == GUIDE.count("```python")
    assert application(heading)


def test_the_first_application_greets() -> None:
    with TestClient(application("An application in one file")) as client:
        assert client.get("/hello/Ada").json() == {"message": "Hello, Ada!"}


def test_bodies_queries_and_paths_are_typed() -> None:
    with TestClient(application("Bodies, queries, paths")) as client:
        assert client.post("/notes", json={"title": "Buy milk", "tags": ["home"]}).status_code == 201
        assert client.post("/notes", json={"tags": 5}).json()["errors"][0]["location"] == "/body/title"
        assert client.get("/notes?tag=home&limit=5").json() == [{"title": "Buy milk", "tags": ["home"]}]
        assert client.get("/notes?tag=work").json() == []
        assert client.get("/notes/0").json()["title"] == "Buy milk"
        assert [client.get(path).status_code for path in ("/notes/x", "/notes/7", "/notes/")] == [404, 404, 404]


def test_a_provider_is_a_guard() -> None:
    with TestClient(application("What is provided")) as client:
        assert client.get("/me").status_code == 401


def test_middleware_adds_its_header_to_a_404_too() -> None:
    with TestClient(application("Middleware")) as client:
        assert len(client.get("/slow").headers.get_list("server-timing")) == 1
        assert "server-timing" in client.get("/nowhere").headers
