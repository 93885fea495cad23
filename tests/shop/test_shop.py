"""A small shop, from the request to the rows in its database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.testclient import WebSocketDenialResponse

from kick import App
from kick.di import Lifetime
from kick.testing import TestClient
from tests.http.support import Answer, ask
from tests.shop.app import OrderController, Orders, Page, ProductController, Products, Settings, User, create_app


@pytest.fixture
def shop(tmp_path: Path) -> App:
    return create_app(Settings(tmp_path / "shop.db"))


@pytest.fixture
def client(shop: App) -> Iterator[TestClient]:
    with TestClient(shop, validate=True) as client:
        client.post("/products", json={"name": "tea", "stock": 2})
        client.post("/products", json={"name": "cup", "stock": 0})
        yield client


def test_nothing_but_the_database_says_how_long_it_lives(shop: App) -> None:
    keys = (AsyncEngine, AsyncSession, Products, Orders, User, OrderController, ProductController, Page)
    lifetimes = [shop.container.lifetime(each).value for each in keys if shop.container.provides(each)]
    assert lifetimes == ["singleton", *["handler"] * 6]
    assert not shop.container.provides(Page)
    assert shop.container.lifetime(App) is Lifetime.SINGLETON


class TestProducts:
    def test_what_was_answered_is_stored(self, client: TestClient, shop: App) -> None:
        assert client.get("/counts").json() == {"users": 0, "products": 2, "orders": 0, "mails": 0}
        assert client.get("/products/1").json() == {"id": 1, "name": "tea", "stock": 2}
        assert client.get("/health/ready").status_code == 200

    def test_pages_follow_the_query(self, client: TestClient) -> None:
        client.post("/products", json={"name": "pot", "stock": 1})
        assert [each["name"] for each in client.get("/products").json()] == ["tea", "cup"]
        assert [each["name"] for each in client.get("/products?page=2").json()] == ["pot"]
        assert [each["name"] for each in client.get("/products?page=2&size=1").json()] == ["cup"]
        assert client.get("/products?page=0").json()["errors"][0]["location"] == "/query/page"

    @pytest.mark.parametrize("path", ["/products/99", "/products/x"])
    def test_what_is_not_there_is_a_404(self, client: TestClient, path: str) -> None:
        assert client.get(path).status_code == 404

    def test_a_duplicate_is_a_409(self, client: TestClient) -> None:
        answer = client.post("/products", json={"name": "tea", "stock": 1})
        assert (answer.status_code, answer.json()["detail"]) == (409, "There is a product 'tea' already.")

    def test_an_import_is_stored_as_a_whole_or_not_at_all(self, client: TestClient) -> None:
        good, bad = (
            b'[{"name":"a","stock":1},{"name":"b","stock":1}]',
            b'[{"name":"c","stock":1},{"name":"a","stock":1}]',
        )
        kind = {"content-type": "application/json"}

        def bring(body: bytes, signature: str) -> int:
            return client.post("/products/import", content=body, headers={**kind, "signature": signature}).status_code

        assert bring(good, "forged") == 401
        assert bring(good, f"signed-{len(good)}") == 200
        assert bring(bad, f"signed-{len(bad)}") == 409
        assert client.get("/counts").json()["products"] == 4

    def test_a_picture_is_stored_with_its_product(self, client: TestClient) -> None:
        upload = {"picture": ("tea.png", b"\x89PNG" * 1000, "image/png")}
        assert client.post("/products/1/picture", files=upload).json() == 4000
        assert client.get("/products/1/picture").content == b"\x89PNG" * 1000
        assert client.post("/products/99/picture", files=upload).status_code == 404
        assert client.post("/products/1/picture", files={"picture": ("a.txt", b"x", "text/plain")}).status_code == 415


class TestOrders:
    def test_an_order_is_confirmed_by_mail(self, client: TestClient) -> None:
        assert client.post("/orders/1").status_code == 401
        client.post("/accounts/ada")
        assert client.get("/accounts/me").json() == "ada"
        assert client.post("/orders/1").json() == 1
        assert client.get("/counts").json() == {"users": 1, "products": 2, "orders": 1, "mails": 1}
        assert client.get("/orders/last").json() == 1
        assert client.get("/products/1").json()["stock"] == 1

    @pytest.mark.parametrize("path", ["/orders/2", "/orders/unknown/99"], ids=["at the statement", "at the commit"])
    def test_an_order_that_fails_leaves_nothing_behind(self, client: TestClient, path: str) -> None:
        client.post("/accounts/ada")
        answer = client.post(path)
        assert (answer.status_code, "constraint failed" in answer.json()["detail"]) == (409, True)
        assert client.get("/counts").json() == {"users": 1, "products": 2, "orders": 0, "mails": 0}
        assert client.get("/orders/last").status_code == 204

    def test_an_account_that_exists_logs_nobody_in(self, client: TestClient) -> None:
        client.post("/accounts/ada")
        client.cookies.clear()
        assert client.post("/accounts/ada").status_code == 409
        assert client.get("/accounts/me").status_code == 401

    def test_they_are_exported_and_streamed(self, client: TestClient) -> None:
        client.post("/accounts/ada")
        for _ in range(2):
            client.post("/orders/1")
        assert client.get("/orders/export.csv").text == "order,product\n1,1\n2,1\n"
        assert client.get("/orders/events").text == "data: 1\n\ndata: 2\n\n"

    def test_a_socket_commits_each_message(self, client: TestClient) -> None:
        with pytest.raises(WebSocketDenialResponse):
            client.websocket_connect("/orders/socket").__enter__()
        client.post("/accounts/ada")

        def order() -> None:
            with client.websocket_connect("/orders/socket") as socket:
                socket.send_json(1)
                assert socket.receive_json() == 1
                assert client.get("/counts").json()["orders"] == 1
                socket.send_json(2)  # sold out: the constraint fails, and closes the socket
                assert socket.receive()["code"] == 1011

        with pytest.raises(IntegrityError):
            order()
        assert client.get("/counts").json()["orders"] == 1


async def test_the_last_one_is_sold_once(tmp_path: Path) -> None:
    app = create_app(Settings(tmp_path / "shop.db"))
    await ask(app, "/products", method="POST", json={"name": "tea", "stock": 1})
    registered = await ask(app, "/accounts/ada", method="POST")
    headers = {"cookie": registered.all("set-cookie")[0].partition(";")[0]}
    answers: list[Answer] = []

    async def order() -> None:
        answers.append(await ask(app, "/orders/1", method="POST", headers=headers))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(order)
    assert sorted(each.status for each in answers) == [201, *[409] * 19]
    counts = (await ask(app, "/counts")).json()
    assert (counts["orders"], counts["mails"]) == (1, 1)
    await app.aclose()


def test_tests_may_put_a_session_of_their_own_in_place(shop: App, client: TestClient) -> None:
    class Broken:
        async def get(self, *_: Any) -> None:
            raise ConnectionError("the database is down")

    with shop.override(AsyncSession, Broken()), pytest.raises(ConnectionError):
        client.get("/products/1")
    assert client.get("/products/1").status_code == 200


def test_a_job_commits_too(client: TestClient, shop: App) -> None:
    async def job() -> int:
        async with shop.scope() as scope:
            products = await scope.get(Products)
            return (await products.add("pot", 1)).id

    assert client.run(job) == 3
    assert client.get("/products/3").json()["name"] == "pot"
