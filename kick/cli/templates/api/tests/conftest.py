import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from kick.testing import TestClient

from {{ package }}.app import create_app
from {{ package }}.settings import Settings

ADA = {"email": "ada@example.com", "password": "correct horse battery"}


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords fast; what the cost is makes no difference here."""
    monkeypatch.setattr("{{ package }}.auth.passwords.COST", 2**4)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A client of an application of its own, which has no accounts yet."""
    settings = Settings(
        session_secret=[secrets.token_urlsafe(48)],
        session_store="memory://",
        database=str(tmp_path / "notes.db"),
    )
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def ada(client: TestClient) -> TestClient:
    """The client, logged in as Ada."""
    assert client.post("/auth/register", json=ADA).status_code == 201
    assert client.post("/auth/login", json=ADA).status_code == 200
    return client
