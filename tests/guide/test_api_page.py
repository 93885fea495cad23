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
    """Those of the page on errors, which are declared, and others."""

    @pytest.fixture(params=["declared"])
    def app(self, request: pytest.FixtureRequest) -> App:
        names = names_of("errors.md", "Error pages")
        pages = names["ErrorPages"]()
        layer = pages if request.param == "declared" else pages.__call__
        return bootstrap([Module("notes", controllers=[Notes])], [layer], templates=names["folder"])

    @pytest.fixture
    def client_options(self) -> dict[str, Any]:
        return {"headers": {"accept": "text/html"}}

    @pytest.mark.kick(validate=True)
    def test_a_declared_page_fits(self, client: TestClient) -> None:
        assert "<h1>Not Found</h1>" in client.get("/notes/7").text

    @pytest.mark.kick(validate=True)
    @pytest.mark.parametrize("app", ["undeclared"], indirect=True)
    def test_another_page_does_not(self, client: TestClient) -> None:
        with pytest.raises(ResponseMismatch, match="the response 404 is 'text/html'"):
            client.get("/notes/7")

    @pytest.mark.kick(validate=True, headers={"accept": "application/json"})
    @pytest.mark.parametrize("app", ["declared", "undeclared"], indirect=True)
    def test_a_marker_checks_a_test_of_the_api(self, client: TestClient) -> None:
        assert client.get("/notes/7").json()["detail"] == "There is no note 7."
