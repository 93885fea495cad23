from kick.testing import TestClient


def test_{{ name }}(client: TestClient) -> None:
    assert client.get("/{{ path }}/nothing-is-here").status_code == 404
