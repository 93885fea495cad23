import importlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import provider as provider_module
import pytest
import uvicorn

from kick import App


@pytest.fixture
def provider() -> Iterator[str]:
    """The address of a provider that another thread serves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(provider_module.create_app(), log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def app(provider: str, monkeypatch: pytest.MonkeyPatch) -> App:
    """A new application for the `client`, registered at the provider."""
    monkeypatch.setenv("OIDC_ISSUER", provider)
    monkeypatch.setenv("SESSION_SECRET", secrets.token_urlsafe(48))
    monkeypatch.setenv("SESSION_STORE", "memory://")
    import app as module

    fresh: App = importlib.reload(module).app
    return fresh


@pytest.fixture
def client_options() -> dict[str, Any]:
    return {"validate": True, "headers": {"accept": "text/html"}, "follow_redirects": False}
