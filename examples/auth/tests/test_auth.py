import anyio
import pytest

from kick import App
from kick.testing import AsyncTestClient, TestClient

ADA = {"name": "Ada", "email": "ada@example.com", "password": "correct horse battery"}


@pytest.fixture
def ada(client: TestClient) -> TestClient:
    """The client, registered and logged in."""
    assert client.post("/auth/register", json=ADA).status_code == 201
    return client


def test_the_address_is_unique_whatever_its_case(ada: TestClient) -> None:
    again = ada.another().post("/auth/register", json={**ADA, "email": "Ada@Example.com"})
    assert (again.status_code, again.json()["errors"][0]["location"]) == (409, "/body/email")


def test_the_devices_of_a_user_are_listed_and_ended(ada: TestClient) -> None:
    phone = ada.another()
    assert phone.post("/auth/login", json=ADA).status_code == 200
    devices = ada.get("/auth/session").json()["session"]["devices"]
    assert [device["is_this"] for device in devices].count(True) == 1
    assert len(devices) == 2
    assert ada.post("/auth/logout-others").json() == {"ended": 1}
    assert [each.get("/auth/me").status_code for each in (ada, phone)] == [200, 401]


def test_guesses_are_limited_and_the_owner_still_logs_in(ada: TestClient) -> None:
    ada.post("/auth/logout")
    attacker = ada.another()
    wrong = {**ADA, "password": "wrong horse battery"}
    assert [attacker.post("/auth/login", json=wrong).status_code for _ in range(11)] == [401] * 10 + [429]
    assert ada.post("/auth/login", json=ADA).status_code == 200  # a device that is known


def test_a_known_device_is_known_however_the_address_is_written(ada: TestClient) -> None:
    ada.post("/auth/logout")
    wrong = {**ADA, "password": "wrong horse battery"}
    assert [ada.another().post("/auth/login", json=wrong).status_code for _ in range(11)] == [401] * 10 + [429]
    assert ada.post("/auth/login", json={**ADA, "email": " Ada@Example.COM"}).status_code == 200


@pytest.mark.parametrize(("action", "status"), [("login", 401), ("register", 201)])
def test_an_address_has_twenty_attempts_a_minute(client: TestClient, action: str, status: int) -> None:
    people = [{**ADA, "email": f"user-{number}@example.com"} for number in range(21)]
    assert [client.post(f"/auth/{action}", json=each).status_code for each in people] == [status] * 20 + [429]


def test_a_page_of_another_site_changes_nothing(ada: TestClient) -> None:
    assert ada.page_of("https://evil.example").post("/auth/logout").status_code == 403
    assert ada.get("/auth/me").status_code == 200


def test_personal_data_is_not_stored_by_caches(ada: TestClient) -> None:
    assert ada.get("/auth/me").headers["cache-control"] == "no-store"


@pytest.mark.anyio
async def test_two_tabs_lose_no_visit(app: App) -> None:
    async with AsyncTestClient(app) as client:
        await client.post("/auth/register", json=ADA)
        async with anyio.create_task_group() as tabs:
            for _ in range(10):
                tabs.start_soon(client.post, "/auth/visits")
        assert (await client.post("/auth/visits")).json() == {"visits": 11}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
