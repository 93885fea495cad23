"""The page about the API page: its applications do what is said of them."""

from __future__ import annotations

from kick.testing import TestClient
from tests.guide.pages import application, names_of

PAGE = "api-page.md"


def test_the_shop_has_a_page_with_all_that_stands_in_the_text() -> None:
    with TestClient(application(PAGE, "The page"), validate=True) as client:
        html = client.get("/docs").text
        for part in ("<title>Shop</title>", "/shop/chat", "Questions to the shop", "/shop/prices", "session cookie"):
            assert part in html
        assert client.post("/shop/orders", json={"item": "tea"}).status_code == 401
        assert client.post("/shop/login", json={"name": "ada"}).json() == {"name": "ada"}
        assert client.post("/shop/orders", json={"item": "tea"}).json() == {"item": "tea", "count": 1}
        assert client.post("/shop/orders", json={"item": "tea", "count": 11}).status_code == 409
        assert [event.data for event in client.sse("/shop/prices")] == ['{"item":"tea","price":3}']


def test_an_undeclared_status_fails_a_test() -> None:
    names_of(PAGE, "Checked responses")["test_the_404_is_not_declared"]()
