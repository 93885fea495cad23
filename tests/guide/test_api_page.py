"""The page about the API page: its applications do what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from kick import App, Controller, Get, Module, NotFound, Raises, bootstrap
from kick.testing import ResponseMismatch, TestClient
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


@Controller("/notes")
class Notes:
    @Raises(NotFound)
    @Get("/{number}")
    async def show(self, number: int) -> str:
        raise NotFound(f"There is no note {number}.")


class TestErrorPages:
    """The markers of the page, where checked clients ask for problem details."""

    @pytest.fixture
    def app(self) -> App:
        names = names_of("errors.md", "Error pages")
        return bootstrap([Module("notes", controllers=[Notes])], [names["error_pages"]], templates=names["folder"])

    @pytest.fixture
    def client_options(self) -> dict[str, Any]:
        return {"validate": True}

    def test_problem_details_fit(self, client: TestClient) -> None:
        assert client.get("/notes/7").headers["content-type"] == "application/problem+json"

    def test_a_page_does_not(self, client: TestClient) -> None:
        with pytest.raises(ResponseMismatch, match="the response 404 is 'text/html'"):
            client.get("/notes/7", headers={"accept": "text/html"})

    @pytest.mark.kick(validate=False, headers={"accept": "text/html"})
    def test_the_test_of_a_page_is_not_checked(self, client: TestClient) -> None:
        assert "<h1>Not Found</h1>" in client.get("/notes/7").text

    @pytest.mark.kick(validate=True, headers={"accept": "application/json"})
    class TestInABrowser:
        @pytest.fixture
        def client_options(self) -> dict[str, Any]:
            return {"headers": {"accept": "text/html"}}

        def test_a_test_of_the_api_is_checked(self, client: TestClient) -> None:
            assert client.get("/notes/7").json()["detail"] == "There is no note 7."
