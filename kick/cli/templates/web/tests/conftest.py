import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from kick.auth import Passwords
from kick.testing import TestClient

from {{ package }}.app import create_app
from {{ package }}.settings import Settings

ADA = {"email": "ada@example.com", "password": "correct horse battery"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A browser at an application of its own, which has no accounts yet."""
    settings = Settings(
        session_secrets=[secrets.token_urlsafe(48)],
        session_store="memory://",
        database=str(tmp_path / "notes.db"),
    )
    app = create_app(settings)
    cheap = Passwords(memory=8 << 10, passes=1, lanes=1)
    with app.override(Passwords, cheap), TestClient(app) as client:
        client.headers |= {"accept": "text/html", "sec-fetch-site": "same-origin"}
        yield client


@pytest.fixture
def ada(client: TestClient) -> TestClient:
    """The client, registered and logged in as Ada."""
    assert client.post("/register", data=ADA).url.path == "/notes"
    return client
