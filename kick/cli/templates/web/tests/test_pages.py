import re

import pytest
from kick.testing import TestClient

from {{ package }}.pages import device_name


def test_a_page_that_is_not_there_is_an_error_page(client: TestClient) -> None:
    page = client.get("/nowhere")
    assert page.status_code == 404
    assert "<h1>Not Found</h1>" in page.text


def test_other_clients_get_problem_details(client: TestClient) -> None:
    answer = client.get("/nowhere", headers={"accept": "application/json"})
    assert answer.json()["title"] == "Not Found"


def test_only_scripts_with_the_nonce_of_the_page_run(ada: TestClient) -> None:
    ada.post("/notes", data={"title": "Buy milk"})
    page = ada.get("/notes/1")
    nonces = re.findall(r'<script nonce="([^"]+)">', page.text)
    assert len(nonces) == page.text.count("<script") == 1
    assert f"script-src 'self' 'nonce-{nonces[0]}'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["style.css", "icon.svg"])
def test_what_the_pages_refer_to_is_there(client: TestClient, name: str) -> None:
    assert f'href="/static/{name}"' in client.get("/").text
    assert client.get(f"/static/{name}").status_code == 200


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("curl/8.0", "A browser"),
    ],
)
def test_a_device_has_a_name(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name
