from kick.testing import TestClient


def test_visits_are_counted_for_each_browser(client: TestClient) -> None:
    assert client.get("/").json() == {"visits": 1}
    assert client.get("/").json() == {"visits": 2}
    client.cookies.clear()  # another browser
    assert client.get("/").json() == {"visits": 1}
