"""A client is a browser: what its pages send, what those of other sites send, and two browsers of one application."""

import pytest

from kick.testing import TestClient
from tests.testing.app import STATE, make_app


@pytest.fixture
def client() -> TestClient:
    return TestClient(make_app(protected=True))


class TestOwnPage:
    def test_it_says_what_a_browser_says(self, client: TestClient) -> None:
        read, posted = client.get("/headers").json(), client.post("/headers").json()
        assert read["sec-fetch-site"] == posted["sec-fetch-site"] == "same-origin"
        assert posted["origin"] == "https://testserver"
        assert "origin" not in read

    def test_csrf_lets_it_pass_with_its_token(self, client: TestClient) -> None:
        assert "x-csrf-token" not in client.post("/headers").json()
        client.login(7)
        assert len(client.post("/headers").json()["x-csrf-token"]) == 86
        assert client.post("/cart/tea").status_code == 200

    def test_its_token_is_valid_in_an_old_browser_too(self, client: TestClient) -> None:
        client.login(7)
        token = client.post("/headers").json()["x-csrf-token"]
        old = client.page_of(None)
        assert old.post("/cart/tea").json()["code"] == "csrf-token-missing"
        assert old.post("/cart/tea", headers={"x-csrf-token": token}).status_code == 200

    def test_headers_of_a_request_count_more(self, client: TestClient) -> None:
        sent = client.get("/headers", headers={"sec-fetch-site": "none"}).json()
        assert sent["sec-fetch-site"] == "none"
        answer = client.post("/cart/tea", headers={"origin": "https://evil.example"})
        assert answer.json()["code"] == "csrf-origin"

    def test_it_opens_sockets(self, client: TestClient) -> None:
        client.login(7)
        with client.websocket_connect("/echo") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "7: hello"


class TestForeignPage:
    def test_csrf_refuses_it(self, client: TestClient) -> None:
        client.login(7)
        evil = client.page_of("https://evil.example")
        assert evil.post("/cart/tea").json()["code"] == "csrf-cross-site"
        assert client.get("/session").json() == {}

    def test_the_browser_withholds_the_cookie_but_for_links(self, client: TestClient) -> None:
        client.login(7)
        evil = client.page_of("https://evil.example")
        assert "cookie" not in evil.post("/headers", headers={"x-csrf-token": "x"}).text
        assert evil.get("/account").json() == "user 7"

    def test_a_page_of_a_neighbour_has_the_cookie_and_is_refused_all_the_same(self, client: TestClient) -> None:
        neighbour = TestClient(client.app, base_url="https://shop.example.com", origin="https://blog.example.com")
        neighbour.login(7)
        assert neighbour.get("/account").json() == "user 7"
        assert neighbour.post("/cart/tea").json()["code"] == "csrf-cross-site"

    def test_what_is_no_origin_is_refused(self, client: TestClient) -> None:
        with pytest.raises(ValueError, match="evil"):
            client.page_of("evil")


def test_a_client_that_is_no_browser_says_nothing(client: TestClient) -> None:
    sent = TestClient(client.app, origin=None).post("/headers").json()
    assert {"origin", "sec-fetch-site"} & set(sent) == set()


def test_two_browsers_have_one_application() -> None:
    STATE.clear()
    with TestClient(make_app()) as ada:
        with ada.another() as bob:
            ada.login(1)
            bob.login(2)
            assert [each.get("/account").json() for each in (ada, bob)] == ["user 1", "user 2"]
            assert STATE["lives"] == 1
        assert ada.get("/account").json() == "user 1"
    assert STATE["lives"] == 0


def test_headers_and_base_url_are_those_of_the_first_browser() -> None:
    client = TestClient(make_app(), base_url="http://shop.example", headers={"accept-language": "de"})
    sent = client.another().get("/headers").json()
    assert (sent["host"], sent["accept-language"]) == ("shop.example", "de")
