"""The page on routing: its applications do what is said of them."""

from __future__ import annotations

import pytest

from kick.testing import TestClient
from tests.guide.pages import application


def test_each_item_is_found_by_its_kind() -> None:
    with TestClient(application("routing.md", "Path parameters")) as client:
        for path, answer in {
            "7": {"number": 7},
            "6f1b2f3e-0c1d-4b5a-8e9f-001122334455": {"uuid": "6f1b2f3e-0c1d-4b5a-8e9f-001122334455"},
            "small": {"size": "SMALL"},
            "tea%20pot": {"name": "tea pot"},
            "a%2Fb": {"name": "a/b"},
            "a%252Fb": {"name": "a%2Fb"},
            "latest": {"latest": True},
            "tea/files/a/b.txt": {"name": "tea", "rest": "a/b.txt"},
            "tea/up": {"name": "tea", "order": "up"},
        }.items():
            assert client.get(f"/items/{path}").json() == answer
        assert client.get("/items/tea/sideways").status_code == 404


def test_a_slash_at_the_end_is_redirected() -> None:
    with TestClient(application("routing.md", "Trailing slashes"), follow_redirects=False) as client:
        answer = client.get("/notes/7/?a=b")
        assert (answer.status_code, answer.headers["location"]) == (301, "/notes/7?a=b")


def test_versions_stand_in_the_path() -> None:
    with TestClient(application("routing.md", "Prefixes and versions")) as client:
        assert client.get("/api/v1/shop/users").json() == ["Ada"]
        assert client.get("/api/v2/shop/users").json() == [{"name": "Ada"}]


@pytest.mark.parametrize("root_path", ["", "/below"])
def test_addresses_are_made_from_names(root_path: str) -> None:
    with TestClient(application("routing.md", "Reverse URLs"), root_path=root_path) as client:
        first, following = client.get("/users").json().values()
        assert (first, following) == (f"{root_path}/users/1", f"{root_path}/users/all?page=2")
