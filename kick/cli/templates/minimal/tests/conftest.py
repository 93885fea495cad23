import secrets
from collections.abc import Iterator

import pytest
from kick.testing import TestClient


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A client of the application, with sessions of its own."""
    monkeypatch.setenv("SESSION_SECRET", secrets.token_urlsafe(48))
    monkeypatch.setenv("SESSION_STORE", "memory://")
    from app import app

    with TestClient(app) as client:
        yield client
