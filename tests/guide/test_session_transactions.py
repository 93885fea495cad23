"""The page about sessions in transactions: its application does what is said of it."""

from __future__ import annotations

import psycopg
import pytest

from kick.testing import TestClient
from tests.guide.pages import names_of
from tests.support.postgres import PostgresServer

PAGE = "session-transactions.md"


def test_an_order_empties_the_cart_and_a_rollback_fills_it_again(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres_server.new_table()
    postgres_server.run(f"CREATE DATABASE {name}")
    url = postgres_server.url.replace("/postgres", f"/{name}")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE orders (item text)")
    monkeypatch.setenv("DATABASE_URL", url.replace("postgresql:", "postgresql+psycopg:"))
    monkeypatch.setenv("SESSION_SECRET", "a secret of the tests, more than 32 bytes long")
    names = names_of(PAGE, "An order and a cart")

    async def dispose() -> None:
        await names["engine"].dispose()

    with TestClient(names["app"]) as client:
        assert client.post("/cart", json={"name": "tea"}).json() == ["tea"]
        assert client.post("/cart", json={"name": "milk"}).json() == ["tea", "milk"]
        assert client.post("/orders").status_code == 204
        assert client.get("/cart").json() == []
        client.post("/cart", json={"name": "out of stock"})
        assert client.post("/orders").status_code == 409
        assert client.get("/cart").json() == ["out of stock"]
        client.run(dispose)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT item FROM orders").fetchall() == [("tea",), ("milk",)]
