"""The examples without a server: the test client, and the clock of kick, as a test of an application uses them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kick.testing import TestClient, travel
from tests.support.serving import ROOT

EXAMPLES = ROOT / "examples"
Load = Callable[[str], Any]
LITESTAR = pytest.param("with_litestar", marks=pytest.mark.filterwarnings("ignore::DeprecationWarning"))
"""It warns of a form of handlers that a later version will not take."""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Load]:
    """Import the application of an example, and forget its modules afterwards."""
    monkeypatch.setenv("SESSION_SECRET", "a secret of at least thirty-two bytes")
    monkeypatch.setenv("SESSION_STORE", "memory://")
    monkeypatch.setenv("AUTH_FOLDER", str(tmp_path))
    before = set(sys.modules)

    def load(path: str) -> Any:
        file = EXAMPLES / path
        monkeypatch.syspath_prepend(str(file.parent))
        spec = importlib.util.spec_from_file_location(f"example_{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module.app

    yield load
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(EXAMPLES)):
            del sys.modules[name]


def test_hello_greets_counts_and_forgets_after_a_day(load: Load) -> None:
    with TestClient(load("hello.py"), validate=True) as client:
        assert client.get("/auth/me").status_code == 401
        assert client.post("/auth/login", json={"name": "Ada"}).json() == {"message": "Hello, Ada!"}
        assert client.get("/auth/me").json() == {"name": "Ada", "visits": 1}
        with client.session() as session:
            assert dict(session) == {"name": "Ada", "visits": 1}
            session["visits"] = 41
        assert client.get("/auth/me").json() == {"name": "Ada", "visits": 42}
        assert client.another().get("/auth/me").status_code == 401
        with travel(client, hours=25):
            assert client.get("/auth/me").status_code == 401


@pytest.mark.parametrize("name", ["with_starlette", LITESTAR])
def test_sessions_elsewhere_end_after_a_day_too(load: Load, name: str) -> None:
    with TestClient(load(f"elsewhere/{name}.py"), base_url="http://testserver") as client:
        assert client.post("/login", json={"name": "Ada"}).json() == {"hello": "Ada"}
        assert client.get("/me").json() == {"name": "Ada"}
        with travel(client, hours=25):
            assert client.get("/me").json() == {"name": None}
