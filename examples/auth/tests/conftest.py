import importlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kick import App
from kick.auth import Passwords


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """A new application for the `client`: it has no accounts."""
    monkeypatch.setenv("AUTH_FOLDER", str(tmp_path))
    monkeypatch.setenv("SESSION_SECRET", secrets.token_urlsafe(48))
    monkeypatch.setenv("SESSION_STORE", "memory://")
    import app as module

    fresh: App = importlib.reload(module).app
    with fresh.override(Passwords, Passwords(memory=8 << 10, passes=1, lanes=1)):
        yield fresh


@pytest.fixture
def client_options() -> dict[str, Any]:
    """A response that the OpenAPI document does not describe fails the test of the `client`."""
    return {"validate": True}
