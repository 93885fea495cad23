"""Sessions that earlier versions have stored go on: the records are written here byte for byte as those wrote them."""

from __future__ import annotations

import asyncio
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis.asyncio

from kick.auth import login
from kick.session import Sessions
from kick.session.stores.custom import BasicStore
from kick.session.stores.url import open_store
from tests.session.conftest import DictStore
from tests.session.harness import Browser, Site
from tests.support.postgres import PostgresServer
from tests.support.setup_errors import raises_code

COOKIE = "s:G54Hq3eXQD-K09OswKle9ralven3LvT0O9KT.TYY-boK0lCZNUM2SCUTa9nC0aximapW-kyEmOO3R0IE"
KEY = "IEfgkpxBmIFIad62lkN-7Sy29ImN2qX1mSFDk-ls0B0"
DATA = {"cart": [1, {"a": 2}], "theme": "dark", "n": 3}

ROTATED = "s:G5aqpPpPxaIAGXalFCLySZmt7XTFnnaCZ8mv.tFPIqjDmTYmvOZeUpTppfj0LY_n5pgHygJ1aa7_NZi8"
OLD_KEY = "7qPC0QOi84nwc5nsCid3b-CAyoIawlEnhwmB-HnF0bQ"
NEW_KEY = "lEv5ScbdhYsPfomKpWW9KOX3-677nmGxNvLrTBOO8tE"
SUCCESSOR = bytes.fromhex(
    "7B473561717D3A6C4576355363626468597350666F6D4B705757394B4F58332D3637376E6D47784E764C7254424F4F38744588792B098D67"
    "CCB05FBA507AEE89AF4A8B9022C6B148A6A2641882EFDD696AFE"
)
"""Where the rotated id leads: sealed with the id itself."""

TABLES = """
CREATE TABLE sessions (
        key TEXT PRIMARY KEY,
        fields BLOB,          -- MessagePack, a map of name to bytes; NULL: the session has moved away
        created REAL NOT NULL,
        issued REAL NOT NULL,
        seen REAL NOT NULL,
        expires REAL NOT NULL,
        deadline REAL,
        principal TEXT,
        successor BLOB,
        due REAL NOT NULL     -- when to see whether the row has expired: never later than `expires`
    ) WITHOUT ROWID;
CREATE INDEX sessions_due ON sessions (due);
CREATE INDEX sessions_principal ON sessions (principal) WHERE principal IS NOT NULL;
PRAGMA application_id = 1802068843;
PRAGMA user_version = 1;
"""
FIELDS = bytes.fromhex(
    "85A463617274C40B5B312C7B2261223A327D5DA57468656D65C406226461726B22A16EC40133AD24666C6173683A737461747573C4072253"
    "6176656422A724636C69656E74C4227B226970223A223139322E302E322E31222C22757365725F6167656E74223A22227D"
)


def write_sqlite(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "sessions.db")) as file:
        file.executescript(TABLES)
        began, ends = 1.7e9, 4e9
        rows = [
            (f"{{G54H}}:{KEY}", FIELDS, began, began, began, ends, None, "7", None, ends),
            (f"{{G5aq}}:{OLD_KEY}", None, 0.0, 0.0, 0.0, ends, None, None, SUCCESSOR, ends),
            (f"{{G5aq}}:{NEW_KEY}", bytes.fromhex("81A178C40131"), began, began, began, ends, None, None, None, ends),
        ]
        file.executemany("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        file.commit()
    return f"sqlite:///{folder}/sessions.db"


def stored_by_a_custom_store() -> dict[str, dict[str, Any]]:
    life = {"created": 1.7e9, "issued": 1.7e9, "seen": 1.7e9, "expires": 4e9}
    reserved = {"$flash:status": "Saved", "$client": {"ip": "192.0.2.1", "user_agent": ""}}
    successor = b64encode(SUCCESSOR).decode()
    return {
        KEY: {**DATA, **reserved, "$kick": {**life, "principal": "7"}},
        OLD_KEY: {"$kick": {**life, "superseded": True, "successor": successor}},
        NEW_KEY: {"x": 1, "$kick": life},
    }


async def write_redis(url: str) -> None:
    """Write times as they were: milliseconds since 1970, not since the session began."""
    facts, began, ends = b"\xff", b"1700000000000", b"4000000000000"
    times = b" ".join([began, began, began, ends])
    fields = {
        "cart": '[1,{"a":2}]',
        "theme": '"dark"',
        "n": "3",
        "$flash:status": '"Saved"',
        "$client": '{"ip":"192.0.2.1","user_agent":""}',
    }
    named = f"{{G54H}}:{KEY}"
    index = "kick:principal:{7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451}"
    client: Any = redis.asyncio.Redis.from_url(url)
    await client.hset(f"kick:{named}", mapping={facts: times + b" - 4900000000000 02wLidUmrfFJ 7", **fields})
    await client.zadd(index, {f"02wLidUmrfFJ {named}": 4900000060000})
    await client.hset(f"kick:{{G5aq}}:{OLD_KEY}", facts, b">" + SUCCESSOR)
    await client.hset(f"kick:{{G5aq}}:{NEW_KEY}", mapping={facts: times + b" - - - ", "x": "1"})
    for key in await client.keys("kick:*"):
        await client.pexpireat(key, 4000000000000)
    await client.aclose()


POSTGRES_TABLE = """
CREATE TABLE {table} (
    key text COLLATE "C" PRIMARY KEY,
    fields jsonb,
    names text[] NOT NULL,
    created float8 NOT NULL, issued float8 NOT NULL, seen float8 NOT NULL, expires float8 NOT NULL,
    deadline float8, principal text COLLATE "C", successor bytea,
    due float8 NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX {table}_due ON {table} (due);
CREATE INDEX {table}_principal ON {table} (principal) WHERE principal IS NOT NULL;
COMMENT ON TABLE {table} IS 'kick sessions, schema 1';
INSERT INTO {table} VALUES
    ('{{G54H}}:{key}',
     '{{"n": "3", "cart": "[1,{{\\"a\\":2}}]", "theme": "\\"dark\\"", "$client": "{{\\"ip\\":\\"192.0.2.1\\",'
     '\\"user_agent\\":\\"\\"}}", "$flash:status": "\\"Saved\\""}}',
     '{{cart,theme,n,$flash:status,$client}}', 1.7e9, 1.7e9, 1.7e9, 4e9, NULL, '7', NULL, 4e9),
    ('{{G5aq}}:{old_key}', NULL, '{{}}', 0, 0, 0, 4e9, NULL, NULL, '\\x{successor}', 4e9),
    ('{{G5aq}}:{new_key}', '{{"x": "1"}}', '{{x}}', 1.7e9, 1.7e9, 1.7e9, 4e9, NULL, NULL, NULL, 4e9);
"""


def write_postgres(server: PostgresServer) -> str:
    table = server.new_table()
    names = {"key": KEY, "old_key": OLD_KEY, "new_key": NEW_KEY, "successor": SUCCESSOR.hex()}
    server.run(POSTGRES_TABLE.format(table=table, **names))
    return f"{server.url}?table={table}"


class Earlier(NamedTuple):
    """A store in which an earlier version has left sessions."""

    site: Site
    has_index: bool

    def browser(self, cookie: str = COOKIE) -> Browser:
        return Browser(self.site, cookie)


@pytest.fixture(params=["custom", "sqlite", "postgres", "redis"])
async def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Earlier]:
    store: Any
    if request.param == "custom":
        small = DictStore()
        small.rows = stored_by_a_custom_store()
        store = BasicStore(small)
    elif request.param == "sqlite":
        store = open_store(write_sqlite(tmp_path))
    elif request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        store = open_store(await asyncio.to_thread(write_postgres, server), timeout=30)
    else:
        url = str(request.getfixturevalue("redis_url"))
        await write_redis(url)
        store = open_store(url, timeout=30)
    yield Earlier(Site(store), request.param != "custom")
    await store.aclose()


async def test_it_is_found_as_it_was(earlier: Earlier) -> None:
    def act(session: Any) -> Any:
        return dict(session.data), session.principal, session.is_new, session.created_at.timestamp()

    answer = await earlier.browser().visit(act)
    assert answer.value == (DATA, "7", False, 1.7e9)
    assert answer.cookies == []
    assert (await earlier.browser().visit(lambda session: session.flash.pop("status"))).value == "Saved"


async def change(session: Any) -> None:
    session["theme"] = "light"
    session["cart"].append(4)


async def modify(session: Any) -> None:
    await session.modify("cart", lambda cart: [*cart, 4], [])
    await session.modify("theme", lambda theme: "light")


async def reload(session: Any) -> None:
    session["n"] = 9
    assert await session.reload()
    await change(session)


async def rotate(session: Any) -> None:
    await session.rotate()
    await change(session)


async def regenerate(session: Any) -> None:
    await change(session)
    await session.regenerate()


async def live_shorter(session: Any) -> None:
    session.max_age = 3600
    session.persistent = False
    await change(session)


async def log_in(session: Any) -> None:
    await session.regenerate(new_deadline=True)
    await change(session)


@pytest.mark.parametrize("act", [change, modify, reload, rotate, regenerate, live_shorter, log_in])
async def test_everything_that_a_session_does_works_on_it(earlier: Earlier, act: Any) -> None:
    browser = earlier.browser()
    assert (await browser.visit(act)).status == 200
    assert await browser.data() == {"cart": [1, {"a": 2}, 4], "theme": "light", "n": 3}
    assert (await browser.visit(lambda session: session.increment("n"))).value == 4
    assert (await browser.visit(lambda session: (session.principal, session.flash.pop("status")))).value == (
        "7",
        "Saved",
    )


async def test_a_login_gives_it_the_deadline_that_it_had_not(earlier: Earlier) -> None:
    browser = earlier.browser()
    assert (await browser.visit(lambda session: session.state.record.deadline)).value is None
    await browser.visit(lambda ctx: login(ctx, 7), wants_context=True)
    assert (await browser.visit(lambda session: session.state.record.deadline)).value is not None
    assert await browser.data() == DATA


async def test_an_id_that_was_rotated_leads_on(earlier: Earlier) -> None:
    assert await earlier.browser(ROTATED).data() == {"x": 1}


async def test_a_logout_ends_it(earlier: Earlier) -> None:
    browser = earlier.browser()
    await browser.visit(lambda session: session.destroy())
    assert await earlier.browser().data() == {}


async def test_it_is_listed_and_revoked(earlier: Earlier) -> None:
    sessions = Sessions(earlier.site.layer.manager)
    if not earlier.has_index:
        with raises_code("session-store-no-index"):
            await sessions.revoke(7)
        return
    (info,) = await sessions.of(7)
    assert info.client == {"ip": "192.0.2.1", "user_agent": ""}
    assert await sessions.revoke(7) == 1
    assert await earlier.browser().data() == {}


async def test_an_application_starts_with_it(earlier: Earlier) -> None:
    assert await earlier.site.layer.manager.review() == []
    assert await earlier.browser().data() == DATA
