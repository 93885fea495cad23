"""Rows with values that kick never writes: such a session is empty or goes on, and no request fails forever."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kick.auth import login
from kick.session import Sessions
from kick.session.stores.postgres.store import PostgresStore
from kick.session.stores.sqlite import SQLiteStore
from tests.session.harness import Browser, Site, setting
from tests.support.postgres import PostgresServer

ABSURD = ["-1e300", "1e300", "1e15", "-1e15"]
SQLITE = [
    *(f"created = {value}" for value in ABSURD),
    *(f"{column} = {value}" for column in ("issued", "seen", "deadline") for value in ("-1e300", "1e300")),
    *(f"{column} = 9e999" for column in ("created", "seen", "expires", "deadline", "due")),
    *(f"{column} = 'text'" for column in ("created", "issued", "seen", "expires", "deadline", "due", "fields")),
    "created = 'a', issued = 'b', seen = 'c', expires = 'd', deadline = 'e', due = 'f'",
    "created = x'00ff'",
    "expires = x'00ff'",
    "fields = x''",
    "fields = x'81a1'",
    "fields = x'c0'",
    "fields = 5",
    "fields = NULL",
    "fields = NULL, successor = 'text'",
    "fields = NULL, successor = x'00ff'",
    "fields = NULL, successor = 7",
    "principal = x'ff'",
    "principal = ''",
]
POSTGRES = [
    *(f"created = {value}" for value in ABSURD),
    *(f"{column} = 1e300" for column in ("seen", "expires", "deadline")),
    *(f"{column} = {value}" for column in ("created", "deadline") for value in ("'NaN'", "'Infinity'", "'-Infinity'")),
    *(f"{column} = 'NaN'" for column in ("issued", "seen", "expires", "due")),
    "names = ARRAY[['a', 'b'], ['c', 'd']]",
    "names = ARRAY[NULL]::text[]",
    "fields = 'null'",
    "fields = '[\"a\"]'",
    "fields = '\"a\"'",
    'fields = \'{"a": {"b": 1}}\'',
    "fields = NULL",
    "fields = NULL, successor = '\\xff00'",
    "principal = E'\\x01!'",
    "principal = ''",
]


async def look(session: Any) -> None:
    assert session.created_at is None or isinstance(session.created_at, datetime)
    assert session.expires_at is None or isinstance(session.expires_at, datetime)
    dict(session.data)


async def assert_goes_on(store: Any, damage: Callable[[], Any]) -> None:
    """Damage the session of a user, and assert that each act works after it, whichever is the first."""
    site = Site(store, rolling=True)
    sessions = Sessions(site.layer.manager)
    acts: list[tuple[Any, bool]] = [
        (look, False),
        (setting(b=1), False),
        (look, False),
        (lambda session: session.regenerate(), False),
        (lambda ctx: login(ctx, "ann", remember=True), True),
        (lambda session: session.destroy(), False),
    ]
    for first in (0, 1, 3):
        browser = Browser(site)
        await browser.visit(setting(a=1))
        await browser.visit(lambda ctx: login(ctx, "ann"), wants_context=True)
        await asyncio.to_thread(damage)
        for act, wants_context in acts[first:] + acts[:first]:
            assert (await browser.visit(act, wants_context=wants_context)).status == 200
            for info in await sessions.of("ann"):
                assert isinstance(info.created_at.astimezone(), datetime)
    await sessions.revoke("ann")
    assert await sessions.of("ann") == []


@pytest.mark.parametrize("damage", SQLITE)
async def test_a_damaged_row_of_sqlite_fails_no_request(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "sessions.db"
    store = SQLiteStore(path)

    def change() -> None:
        with closing(sqlite3.connect(path)) as file, file:
            file.execute(f"UPDATE sessions SET {damage} WHERE fields IS NOT NULL")  # noqa: S608

    try:
        await assert_goes_on(store, change)
    finally:
        await store.aclose()


@pytest.mark.parametrize("damage", POSTGRES)
async def test_a_damaged_row_of_postgresql_fails_no_request(postgres_server: PostgresServer, damage: str) -> None:
    store = PostgresStore(postgres_server.store_url(), timeout=30)
    statement = f"UPDATE {store.table} SET {damage} WHERE fields IS NOT NULL"  # noqa: S608
    try:
        await assert_goes_on(store, lambda: postgres_server.run(statement))
    finally:
        await store.aclose()
