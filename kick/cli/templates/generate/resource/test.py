from collections.abc import Iterator

import pytest
from kick import bootstrap
from kick.testing import TestClient

from {{ prefix }}{{ plural }}.module import {{ Plural }}Module

FIRST = {
{{ first }}
}
SECOND = {
{{ second }}
}


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A client of an application with this module alone, and no {{ many }} yet."""
    with TestClient(bootstrap([{{ Plural }}Module])) as client:
        yield client


def test_{{ name }}_is_kept_as_it_was_sent(client: TestClient) -> None:
    answer = client.post("/{{ path }}", json=FIRST)
    assert answer.status_code == 201
    assert answer.json() == {**FIRST, "id": 1}
    assert client.get("/{{ path }}/1").json() == {**FIRST, "id": 1}


def test_{{ plural }}_are_listed_in_their_order(client: TestClient) -> None:
    assert client.get("/{{ path }}").json() == []
    client.post("/{{ path }}", json=FIRST)
    client.post("/{{ path }}", json=SECOND)
    assert client.get("/{{ path }}").json() == [{**FIRST, "id": 1}, {**SECOND, "id": 2}]


def test_{{ name }}_is_replaced(client: TestClient) -> None:
    client.post("/{{ path }}", json=FIRST)
    assert client.put("/{{ path }}/1", json=SECOND).json() == {**SECOND, "id": 1}
    assert client.get("/{{ path }}").json() == [{**SECOND, "id": 1}]


def test_{{ name }}_is_removed(client: TestClient) -> None:
    client.post("/{{ path }}", json=FIRST)
    assert client.delete("/{{ path }}/1").status_code == 204
    assert client.get("/{{ path }}").json() == []


def test_{{ name }}_that_is_not_there_is_a_404(client: TestClient) -> None:
    assert client.get("/{{ path }}/7").status_code == 404
    assert client.put("/{{ path }}/7", json=FIRST).status_code == 404
    assert client.delete("/{{ path }}/7").status_code == 404


def test_{{ name }}_of_another_form_is_refused(client: TestClient) -> None:
    answer = client.post("/{{ path }}", json={{ wrong }})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == "{{ wrong_location }}"
    assert client.get("/{{ path }}").json() == []
