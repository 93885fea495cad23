"""A PostgreSQL that is gone, slow, cut off, or takes no changes: a 503, and recovery without a restart."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kick.session.stores.base import Change, Committed
from kick.session.stores.postgres import PostgresStore, PostgresTimeout, psycopg_connection
from kick.session.stores.postgres.errors import explain
from kick.session.stores.postgres.psycopg_connection import RENEW_EVERY
from kick.testing.store_contract import fields_of, new_key
from kick.testing.store_contract.base import started
from tests.session.harness import Act, Answer, Browser, Site, setting
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

LONG = 3600


@pytest.fixture
def server(postgres_data: Path) -> Iterator[PostgresServer]:
    with PostgresServer(postgres_data) as server:
        yield server


@pytest.fixture
async def store(server: PostgresServer) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(server.store_url(), timeout=5)
    yield store
    await store.aclose()


async def eventually(browser: Browser, act: Act | None = None) -> Answer:
    """The answer of the first visit that succeeds: a write, unless told otherwise."""
    deadline = time.monotonic() + 60
    while True:
        answer = await browser.visit(act or setting(a=2))
        if answer.status == 200 or time.monotonic() > deadline:
            return answer


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_server_that_is_gone_is_a_503_and_is_used_again_when_it_is_back(
    server: PostgresServer, store: PostgresStore, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    getattr(server, end)()
    for act in (setting(a=2), lambda session: session.get("a")):
        answer = await browser.visit(act or setting(a=2))
        assert (answer.status, answer.all("retry-after"), answer.cookies) == (503, ["1"], [])
    assert "Connection refused" in caplog.text
    assert (await browser.visit(lambda ctx: ctx.path, wants_context=True)).status == 200
    server.start()
    assert (await browser.visit(setting(b=2))).status == 200
    assert await browser.data() == {"a": 1, "b": 2}


async def test_a_restart_between_two_requests_is_not_noticed(server: PostgresServer, store: PostgresStore) -> None:
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    server.stop()
    server.start()
    assert (await browser.visit(setting(b=2))).status == 200
    assert await browser.data() == {"a": 1, "b": 2}


async def test_a_frozen_server_is_given_up_within_the_time_limit(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = PostgresStore(server.store_url(), timeout=0.5)
    browser = Browser(Site(store))
    assert (await eventually(browser)).status == 200
    server.pause()
    begun = time.monotonic()
    answers = await asyncio.gather(*(browser.twin().visit(setting(a=n)) for n in range(20)))
    assert {answer.status for answer in answers} == {503}
    assert time.monotonic() - begun < 30
    assert "PostgresTimeout: PostgreSQL gave no " in caplog.text
    server.resume()
    assert (await eventually(browser)).status == 200
    await store.aclose()


async def test_connections_that_are_cut_are_replaced(server: PostgresServer, store: PostgresStore) -> None:
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    for _ in range(3):
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kick sessions'")
        assert await browser.data() == {"a": 1}
        assert (await browser.visit(setting(a=1))).status == 200


async def test_a_connection_that_is_cut_in_the_middle_fails_a_write_and_repeats_a_read(server: PostgresServer) -> None:
    store = PostgresStore(server.store_url(), timeout=30)
    key = await started(store, {"a": b"1"})
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kick sessions'"
    with server.locking(store.table, key):
        writing = asyncio.ensure_future(store.commit(key, Change(set={"a": b"2"}), max_age=LONG))
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'kick sessions'"
        while not await asyncio.to_thread(server.run, waits):
            assert not writing.done()
        server.run(cut)
        (error,) = await asyncio.gather(writing, return_exceptions=True)
        assert isinstance(error, psycopg.OperationalError)
        assert explain(error) is None
    assert await fields_of(store, key) == {"a": b"1"}
    # An exclusive lock of the table holds up reading too.
    with server.locking(store.table, key) as connection:
        connection.execute(f"LOCK TABLE {store.table} IN ACCESS EXCLUSIVE MODE".encode())
        reading = asyncio.ensure_future(fields_of(store, key))
        while not await asyncio.to_thread(server.run, waits):
            assert not reading.done()
        server.run(cut)
        while not await asyncio.to_thread(server.run, waits):
            assert not reading.done()
        connection.rollback()
        assert await reading == {"a": b"1"}
    await store.aclose()


async def test_a_read_outlives_all_connections_that_were_cut(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of an idle connection may not have arrived when it is used."""
    store = PostgresStore(server.store_url(max_connections="6"), timeout=30)
    keys = [await started(store, {"a": b"1"}) for _ in range(6)]
    mine = "FROM pg_stat_activity WHERE application_name = 'kick sessions'"
    while server.run(f"SELECT count(*) {mine}") < [(4,)]:
        changes = (store.commit(key, Change(set={"a": b"1"}), max_age=LONG) for key in keys)
        await asyncio.gather(*(store.touch(key, max_age=LONG) for key in keys), *changes, store.load(keys[0]))
    monkeypatch.setattr(psycopg_connection, "_has_something_to_read", lambda _: False)
    server.run(f"SELECT pg_terminate_backend(pid) {mine}")
    wait_until(lambda: server.run(f"SELECT count(*) {mine}") == [(0,)], "the end of the connections")
    assert await fields_of(store, keys[0]) == {"a": b"1"}
    await store.aclose()


async def test_a_server_that_takes_no_changes_says_so(
    server: PostgresServer, store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    take_changes(server, to=False)
    answer = await browser.visit(setting(a=2))
    assert answer.status == 503
    assert b"takes no changes" in answer.body
    assert "read-only transaction" in caplog.text
    assert await browser.data() == {"a": 1}
    take_changes(server, to=True)
    assert (await browser.visit(setting(a=2))).status == 200


async def test_where_another_host_takes_changes_connections_to_one_that_takes_none_are_left(
    server: PostgresServer, postgres_data: Path
) -> None:
    """As in a fail-over of a managed service: the former primary stays, and so do the connections to it."""
    with PostgresServer(postgres_data) as other:
        hosts = f"127.0.0.1:{server.port},127.0.0.1:{other.port}"
        store = PostgresStore(f"postgresql://kick@{hosts}/postgres?target_session_attrs=read-write", timeout=5)
        there = PostgresStore(other.url, timeout=30)
        await there.migrate()
        browsers = [Browser(Site(store)) for _ in range(20)]
        await asyncio.gather(*(browser.visit(setting(a=1)) for browser in browsers))
        take_changes(server, to=False)
        assert (await browsers[0].visit(setting(a=2))).status == 503
        for browser in browsers:  # they had several connections to the former one
            assert (await browser.visit(setting(b=2))).status == 200
        assert other.run("SELECT count(*) > 0 FROM kick_sessions") == [(True,)]
        for each in (store, there):
            await each.aclose()


async def test_a_server_that_is_alone_and_takes_no_changes_is_not_connected_to_for_each_of_them(
    server: PostgresServer, store: PostgresStore
) -> None:
    browsers = [Browser(Site(store)) for _ in range(5)]
    for browser in browsers:
        assert (await browser.visit(setting(a=1))).status == 200
    take_changes(server, to=False)
    switch(server, "log_connections", "on")
    begun = time.monotonic()
    for browser in browsers * 10:
        assert (await browser.visit(setting(a=2))).status == 503
    assert server.log.count("application_name=kick sessions") <= 2 + 2 * (time.monotonic() - begun) / RENEW_EVERY


def take_changes(server: PostgresServer, *, to: bool) -> None:
    """Let a server take changes, or refuse them, also over the connections that are there."""
    switch(server, "default_transaction_read_only", "off" if to else "on")


def switch(server: PostgresServer, name: str, value: str) -> None:
    server.run(f"ALTER SYSTEM SET {name} = {value}")
    server.run("SELECT pg_reload_conf()")
    wait_until(lambda: server.run(f"SHOW {name}") == [(value,)], "the setting")


async def test_a_server_without_a_connection_left_says_so(server: PostgresServer) -> None:
    server.run("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    store = PostgresStore(server.store_url().replace("kick@", "crowded@"), timeout=5)
    answer = await Browser(Site(store)).visit(setting(a=1))
    assert answer.status == 503
    assert b"refuses the connection" in answer.body
    await store.aclose()


async def test_a_locked_session_is_a_503_for_its_own_requests_only(server: PostgresServer) -> None:
    site = Site(server.store_url(), store_timeout=0.5)
    browser, other = Browser(site), Browser(site)
    assert (await eventually(browser)).status == 200
    assert (await eventually(other)).status == 200
    ((key,),) = await asyncio.to_thread(
        server.run,
        f"SELECT key FROM {site.store.table} WHERE fields IS NOT NULL ORDER BY created LIMIT 1",  # noqa: S608
    )
    with server.locking(site.store.table, key):
        assert (await eventually(browser, lambda session: session.get("a"))).value == 2
        assert (await browser.visit(setting(a=3))).status == 503
        assert (await eventually(other)).status == 200
    assert (await eventually(browser)).status == 200
    await site.store.aclose()


async def test_what_cannot_be_read_counts_as_missing_with_one_log_line(
    server: PostgresServer, store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    browser = Browser(Site(store))
    for damage in ("fields = '{\"a\": 5}'", "fields = '[]'", "names = ARRAY['b']", 'fields = \'{"a": "\\u0001!"}\''):
        browser.cookie = None
        await browser.visit(setting(a=1))
        server.run(f"UPDATE {store.table} SET {damage} WHERE fields IS NOT NULL")  # noqa: S608
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert (await browser.visit(lambda session: session.get("a"))).value is None
        assert len([each for each in caplog.records if "cannot be read and counts as missing" in each.message]) == 1
        server.run(f"DELETE FROM {store.table}")  # noqa: S608


async def read_when_it_is_back(store: PostgresStore, key: str) -> Mapping[str, bytes] | None:
    """A server that recovers may accept a connection, and end it again."""
    while True:
        try:
            return await fields_of(store, key)
        except psycopg.OperationalError:
            await asyncio.sleep(0.05)


async def test_commits_that_were_answered_are_there_after_the_server_was_killed(postgres_data: Path) -> None:
    with PostgresServer(postgres_data, config=()) as server:  # with fsync
        store = PostgresStore(server.store_url(), timeout=5)
        keys = [await started(store) for _ in range(5)]
        told: dict[str, int] = dict.fromkeys(keys, -1)
        for _ in range(3):
            writers = [asyncio.ensure_future(write(store, key, told)) for key in keys]
            until = {key: turn + 20 for key, turn in told.items()}
            while any(told[key] < until[key] for key in keys):
                await store.load(keys[0])
            await asyncio.to_thread(server.kill)
            await asyncio.gather(*writers)
            server.start()
            for key in keys:
                fields = await read_when_it_is_back(store, key)
                assert fields is not None
                assert int(fields["turn"]) in (told[key], told[key] + 1)  # one may be there whose answer was lost
        await store.aclose()


async def test_after_a_crash_an_unlogged_table_is_empty_and_is_used_as_before(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = PostgresStore(server.store_url(unlogged="yes"), timeout=5)
    site = Site(store)
    browser = Browser(site)
    await browser.visit(setting(a=1))
    server.stop()
    server.start()
    assert await browser.data() == {"a": 1}
    server.kill()
    server.start()
    assert await browser.data() == {}
    assert (await browser.visit(setting(b=2))).status == 200
    assert await browser.data() == {"b": 2}
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    await store.aclose()


async def write(store: PostgresStore, key: str, told: dict[str, int]) -> None:
    """Commit turn after turn, until one fails."""
    while True:
        turn = told[key] + 1
        try:
            result = await store.commit(key, Change(set={"turn": b"%d" % turn}), max_age=LONG)
        except (PostgresTimeout, psycopg.OperationalError):
            return
        assert isinstance(result, Committed)
        told[key] = turn


async def test_an_operation_over_no_server_raises_soon() -> None:
    store = PostgresStore("postgresql://kick@127.0.0.1:1/postgres", timeout=5)
    results = await asyncio.gather(*(store.load(new_key()) for _ in range(50)), return_exceptions=True)
    assert all("refused" in str(error) for error in results)
    await store.aclose()


async def test_a_connection_that_ends_while_it_is_new_is_closed(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[psycopg.AsyncConnection[Any]] = []

    async def gone(self: psycopg.AsyncConnection[Any], *_: object, **__: object) -> None:
        opened.append(self)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    store = PostgresStore(server.store_url(), timeout=5)
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncConnection, "execute", gone)
        with pytest.raises(psycopg.OperationalError):
            await store.load(new_key())
    assert opened
    assert all(each.closed for each in opened)
    assert await store.load(new_key()) is None
    await store.aclose()
