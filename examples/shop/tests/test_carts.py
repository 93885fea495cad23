import anyio
import pytest
from people import ADA

from kick import App
from kick.testing import AsyncTestClient, TestClient


def test_the_total_is_the_sum(client: TestClient, tea: int) -> None:
    client.post(f"/cart/{tea}", json={})
    cart = client.post(f"/cart/{tea}", json={"count": 2}).json()
    assert (cart["total"], cart["lines"][0]["count"]) == (3 * 450, 3)
    assert client.delete(f"/cart/{tea}").json() == {"lines": [], "total": 0}


def test_a_visitor_who_only_looks_gets_no_cookie(client: TestClient) -> None:
    assert "set-cookie" not in client.get("/cart").headers
    assert client.post("/cart/7", json={}).status_code == 404
    assert not client.cookies


def test_the_cart_is_kept_through_the_login(client: TestClient, tea: int) -> None:
    client.post(f"/cart/{tea}", json={})
    client.post("/account/register", json=ADA)
    assert client.get("/cart").json()["total"] == 450
    client.post("/account/logout")
    assert client.get("/cart").json()["total"] == 0


def test_an_address_begins_a_hundred_carts_a_minute(client: TestClient, tea: int) -> None:
    statuses = [client.another().post(f"/cart/{tea}", json={}).status_code for _ in range(101)]
    assert statuses == [200] * 100 + [429]


def test_a_cart_has_limits(client: TestClient, tea: int) -> None:
    assert client.post(f"/cart/{tea}", json={"count": 51}).status_code == 422
    client.post(f"/cart/{tea}", json={"count": 50})
    assert client.post(f"/cart/{tea}", json={}).status_code == 409
    assert client.get("/cart").json()["lines"][0]["count"] == 50


@pytest.mark.anyio
async def test_two_tabs_lose_no_click(app: App) -> None:
    async with AsyncTestClient(app) as client:
        await client.login(99, roles=["admin"])
        products = [
            (await client.post("/admin/products", json={"name": name, "price": 100, "stock": 0})).json()["id"]
            for name in ("Tea", "Milk")
        ]
        async with anyio.create_task_group() as tabs:
            for product in products:
                for _ in range(10):
                    tabs.start_soon(lambda product: client.post(f"/cart/{product}", json={}), product)
        cart = (await client.get("/cart")).json()
    assert [line["count"] for line in cart["lines"]] == [10, 10]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
