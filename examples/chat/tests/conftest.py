import os
import secrets

import pytest

os.environ["SESSION_SECRET"] = secrets.token_urlsafe(48)
os.environ.pop("REDIS_URL", None)


@pytest.fixture
def client_options() -> dict[str, bool]:
    """Compare each response with the OpenAPI document."""
    return {"validate": True}
