import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app import create_app
from people import ADA
from settings import Settings

from kick import App
from kick.auth import Passwords
from kick.testing import TestClient


@pytest.fixture
def app(tmp_path: Path) -> App:
    """The application for the `client`, with an empty database."""
    return create_app(
        Settings(
            session_secrets=[secrets.token_urlsafe(48)],
            session_store="memory://",
            database=f"sqlite+aiosqlite:///{tmp_path}/shop.db",
            pictures=tmp_path / "pictures",
        )
    )


@pytest.fixture
def client_options() -> dict[str, Any]:
    """A response that the OpenAPI document does not describe fails the test of the `client`."""
    return {"validate": True}


@pytest.fixture(autouse=True)
def cheap_passwords(app: App) -> Iterator[None]:
    with app.override(Passwords, Passwords(memory=8 << 10, passes=1, lanes=1)):
        yield


@pytest.fixture
def ada(client: TestClient) -> TestClient:
    """The client, registered and logged in as Ada."""
    assert client.post("/account/register", json=ADA).status_code == 201
    return client


@pytest.fixture
def admin(client: TestClient) -> TestClient:
    """A second browser, with an administrator."""
    browser = client.another()
    browser.login(99, roles=["admin"])
    return browser


@pytest.fixture
def tea(admin: TestClient) -> int:
    """The id of a product of which there are three."""
    added = admin.post("/admin/products", json={"name": "Green tea", "price": 450, "stock": 3})
    assert added.status_code == 201
    product_id: int = added.json()["id"]
    return product_id
