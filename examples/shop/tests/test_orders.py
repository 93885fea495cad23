from uuid import uuid4

import anyio
import orders
import pytest
from people import ADA

from kick import App
from kick.testing import AsyncTestClient, TestClient


def test_an_order_takes_the_stock_empties_the_cart_and_sends_a_mail(ada: TestClient, tea: int) -> None:
    ada.post(f"/cart/{tea}", json={"count": 2})
    ordered = ada.post("/orders", json={"key": str(uuid4())})
    assert (ordered.status_code, ordered.json()["total"]) == (201, 900)
    assert ada.get("/orders").json() == [ordered.json()]
    assert ada.get("/cart").json()["lines"] == []
    assert ada.get(f"/products/{tea}").json()["stock"] == 1
    assert [call.args for call in ada.background.of(orders.confirm)] == [("ada", ordered.json()["id"])]


def test_the_same_key_is_the_same_order(ada: TestClient, tea: int) -> None:
    ada.post(f"/cart/{tea}", json={})
    key = {"key": str(uuid4())}
    first = ada.post("/orders", json=key).json()
    ada.post(f"/cart/{tea}", json={"count": 2})
    assert ada.post("/orders", json=key).json() == first
    assert len(ada.get("/orders").json()) == 1
    assert ada.get("/cart").json()["lines"][0]["count"] == 2  # which was put there since
    assert len(ada.background.of(orders.confirm)) == 1


def test_what_is_out_of_stock_changes_nothing(ada: TestClient, tea: int) -> None:
    ada.post(f"/cart/{tea}", json={"count": 4})
    refused = ada.post("/orders", json={"key": str(uuid4())})
    assert (refused.status_code, refused.json()["product_id"]) == (409, tea)
    assert ada.get("/orders").json() == []
    assert ada.get("/cart").json()["lines"][0]["count"] == 4
    assert ada.get(f"/products/{tea}").json()["stock"] == 3


def test_an_order_needs_a_login_and_a_full_cart(client: TestClient, tea: int) -> None:
    key = {"key": str(uuid4())}
    assert client.post("/orders", json=key).status_code == 401
    client.post("/account/register", json=ADA)
    assert client.post("/orders", json=key).status_code == 409


def test_administrators_see_orders_as_they_come(ada: TestClient, admin: TestClient, tea: int) -> None:
    assert ada.get("/orders/events").status_code == 403
    placed = []
    with admin.sse("/orders/events") as events:
        for _ in range(2):
            ada.post(f"/cart/{tea}", json={})
            placed.append(ada.post("/orders", json={"key": str(uuid4())}).json())
            assert next(events).json() == placed[-1]
    with admin.sse("/orders/events", headers={"last-event-id": str(placed[0]["id"])}) as events:
        assert next(events).json() == placed[1]  # what was missed


@pytest.mark.parametrize("known", ["9" * 400, "-1", "x"])
def test_an_event_id_that_is_none_begins_with_the_next_order(
    ada: TestClient, admin: TestClient, tea: int, known: str
) -> None:
    with admin.sse("/orders/events", headers={"last-event-id": known}) as events:
        ada.post(f"/cart/{tea}", json={})
        placed = ada.post("/orders", json={"key": str(uuid4())}).json()
        assert next(events).json() == placed


def test_orders_are_listed_in_pages(ada: TestClient, admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PAGE_SIZE", 2)
    milk = admin.post("/admin/products", json={"name": "Milk", "price": 100, "stock": 3}).json()["id"]
    placed = []
    for _ in range(3):
        ada.post(f"/cart/{milk}", json={})
        placed.append(ada.post("/orders", json={"key": str(uuid4())}).json())
    newest = ada.get("/orders").json()
    assert newest == placed[:0:-1]
    assert ada.get("/orders", params={"before": newest[-1]["id"]}).json() == placed[:1]


@pytest.mark.anyio
async def test_two_clicks_at_once_are_one_order_and_keep_what_a_third_tab_adds(app: App) -> None:
    async with AsyncTestClient(app) as client:
        await client.login(99, roles=["admin"])
        tea, milk = [
            (await client.post("/admin/products", json={"name": name, "price": 100, "stock": 3})).json()["id"]
            for name in ("Tea", "Milk")
        ]
        await client.post("/account/register", json=ADA)
        await client.post(f"/cart/{tea}", json={})
        key = {"key": str(uuid4())}
        async with anyio.create_task_group() as tabs:
            for _ in range(2):
                tabs.start_soon(lambda: client.post("/orders", json=key))
            tabs.start_soon(lambda: client.post(f"/cart/{milk}", json={}))
        assert len((await client.get("/orders")).json()) == 1
        assert (await client.get(f"/products/{tea}")).json()["stock"] == 2
        left = (await client.get("/cart")).json()["lines"]
        ordered = [line["product_id"] for line in (await client.get("/orders")).json()[0]["lines"]]
    # The third tab was before the order or after it. In neither case is its product lost.
    assert sorted([*ordered, *(line["product"]["id"] for line in left)]) == [tea, milk]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
