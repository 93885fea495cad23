"""The examples without a server: the test client, and the clock of kick, as a test of an application uses them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from kick.testing import TestClient, travel
from tests.support.postgres import PostgresServer
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


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_the_shop_refuses_what_postgresql_cannot_store(
    load: Load, driver: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each was a 500 and a traceback in the log."""
    name = f"shop_{driver}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    url = postgres_server.url.replace("postgresql://", f"postgresql+{driver}://").replace("/postgres", f"/{name}")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("PICTURES", str(tmp_path))
    with TestClient(load("shop/main.py"), validate=True) as client:
        ada = {"name": "Ada", "password": "analytical engine"}
        for path in ("/account/register", "/account/login"):
            assert client.post(path, json={**ada, "name": "A\0da"}).status_code == 422
        assert client.post("/account/register", json=ada).status_code == 201
        assert client.get("/products", params={"text": "\0"}).status_code == 422
        assert client.get("/products", params={"text": "\1\ud7ff"}).json() == []
        for product_id in (2**31, 2**63 - 1):
            assert client.get(f"/products/{product_id}").status_code == 404
            assert client.post(f"/cart/{product_id}", json={}).status_code == 404
        client.login(1, roles=["admin"])
        product = {"name": "Coffee", "price": 900, "stock": 3}
        for wrong in ({"name": "Cof\0fee"}, {"price": 2**31}, {"stock": 2**63 - 1}):
            assert client.post("/admin/products", json=product | wrong).status_code == 422
        added = client.post("/admin/products", json=product)
        assert (added.status_code, client.get("/products").json()) == (201, [added.json()])
