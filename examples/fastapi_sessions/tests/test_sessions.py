import os
import secrets
from collections.abc import Iterator

import anyio
import pytest

os.environ["SESSION_SECRET"] = secrets.token_urlsafe(48)
os.environ["SESSION_STORE"] = "memory://"

from app import app  # it reads the environment

from kick.testing import AsyncTestClient, TestClient, travel

BASE_URL = "https://testserver"


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app, base_url=BASE_URL) as client:
        yield client


def test_a_login_has_a_new_id_and_a_logout_ends_it_for_good(client: TestClient) -> None:
    assert client.get("/me").status_code == 401
    assert not client.cookies
    client.post("/login", json={"name": "ada"})
    first = dict(client.cookies)
    client.post("/login", json={"name": "ada"})
    copy = client.another()
    copy.cookies.update(client.cookies)
    assert dict(copy.cookies) != first
    assert copy.get("/me").json() == {"name": "ada"}
    assert client.post("/logout").status_code == 204
    assert copy.get("/me").status_code == 401


def test_a_cart_stays_at_a_login_unless_it_is_of_somebody_else(client: TestClient) -> None:
    client.post("/cart/tea")
    client.post("/login", json={"name": "ada"})
    assert client.post("/cart/milk").json() == ["tea", "milk"]
    client.post("/login", json={"name": "bob"})
    assert client.post("/cart/milk").json() == ["milk"]


def test_a_session_ends_after_a_day(client: TestClient) -> None:
    client.post("/login", json={"name": "ada"})
    with travel(client, hours=23):
        assert client.get("/me").status_code == 200
    with travel(client, hours=25):
        assert client.get("/me").status_code == 401


def test_other_devices_are_listed_and_ended(client: TestClient) -> None:
    phone = client.another()
    for each in (client, phone):
        each.post("/login", json={"name": "grace"})
    assert len(client.get("/devices").json()) == 2
    assert client.post("/logout-others").json() == {"ended": 1}
    assert [each.get("/me").status_code for each in (client, phone)] == [200, 401]


def test_two_tabs_lose_no_click() -> None:
    async def click() -> list[str]:
        async with AsyncTestClient(app, base_url=BASE_URL) as client:
            await client.post("/cart/tea")
            async with anyio.create_task_group() as tabs:
                for item in ("milk", "sugar") * 5:
                    tabs.start_soon(client.post, f"/cart/{item}")
            cart: list[str] = (await client.post("/cart/cup")).json()
            return cart

    assert sorted(anyio.run(click)) == sorted(["tea", "cup", *("milk", "sugar") * 5])


def test_names_and_carts_have_limits(client: TestClient) -> None:
    assert client.post("/login", json={"name": "x" * 101}).status_code == 422
    assert client.post(f"/cart/{'x' * 101}").status_code == 422
    carts = [client.post(f"/cart/{number}").json() for number in range(52)]
    assert carts[-1] == [str(number) for number in range(2, 52)]
