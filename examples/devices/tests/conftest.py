import importlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from kick import App
from kick.auth import Passwords

os.environ["SESSION_SECRET"] = secrets.token_urlsafe(48)
os.environ["SESSION_STORE"] = "memory://"


@pytest.fixture
def app() -> Iterator[App]:
    """A new application for the `client`: it has no users yet."""
    import app as module

    fresh: App = importlib.reload(module).app
    with fresh.override(Passwords, Passwords(memory=8 << 10, passes=1, lanes=1)):
        yield fresh


@pytest.fixture
def client_options() -> dict[str, Any]:
    browser = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
    return {"validate": True, "headers": {"accept": "text/html", "user-agent": browser}}
