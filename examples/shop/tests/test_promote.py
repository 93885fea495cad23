from accounts import Users
from people import ADA

from kick.testing import TestClient


def test_a_promoted_user_is_an_administrator_from_the_next_login_on(ada: TestClient) -> None:
    async def promote(name: str, users: Users) -> bool:
        return await users.promote(name)

    assert ada.run(promote, "eve") is False
    assert ada.run(promote, "ada") is True
    assert ada.post("/account/login", json=ADA).json()["is_admin"] is True
    added = ada.post("/admin/products", json={"name": "Tea", "price": 1, "stock": 0})
    assert added.status_code == 201
