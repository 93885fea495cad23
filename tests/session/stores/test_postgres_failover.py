"""A fail-over to a standby that follows the primary by streaming replication."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import psycopg_pool
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from kick.session.stores.postgres import PostgresStore
from tests.session.harness import Browser, Site, setting
from tests.support.postgres import PostgresServer, Standby
from tests.support.waiting import wait_until


@pytest.fixture
def primary(postgres_data: Path) -> Iterator[PostgresServer]:
    with PostgresServer(postgres_data) as server:
        yield server


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[Standby]:
    with Standby(primary) as server:
        yield server


async def test_after_a_fail_over_requests_go_on_at_the_promoted_standby(
    primary: PostgresServer, standby: Standby
) -> None:
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    url = f"postgresql://kick@{hosts}/postgres?target_session_attrs=read-write&table={primary.new_table()}"
    store = PostgresStore(url, timeout=5)
    browsers = [Browser(Site(store)) for _ in range(10)]
    for number, browser in enumerate(browsers):
        assert (await browser.visit(setting(n=number))).status == 200
    wait_until(lambda: standby_has(standby, store.table, 10), "replication")
    primary.kill()
    assert (await browsers[0].visit(setting(lost=1))).status == 503  # the standby takes no changes yet
    standby.promote()
    deadline = time.monotonic() + 60
    while (await browsers[0].visit(setting(after=1))).status != 200:
        assert time.monotonic() < deadline
    assert await browsers[0].data() == {"n": 0, "after": 1}
    for number, browser in enumerate(browsers[1:], 1):
        assert (await browser.visit(setting(after=1))).status == 200
        assert await browser.data() == {"n": number, "after": 1}
    await store.aclose()


@pytest.fixture
def pair(postgres_data: Path) -> Iterator[tuple[PostgresServer, Standby]]:
    """A primary that answers when its standby has what was committed."""
    with (
        PostgresServer(postgres_data, config=("-c", "synchronous_standby_names=*")) as primary,
        Standby(primary) as standby,
    ):
        wait_until(lambda: primary.run(f"SELECT sync_state {_SENDERS}") == [("sync",)], "the standby")
        yield primary, standby


_SENDERS = "FROM pg_stat_replication"


@contextmanager
def cut_off(primary: PostgresServer) -> Iterator[None]:
    """Hold the process of the primary that sends to the standby."""
    ((pid,),) = primary.run(f"SELECT pid {_SENDERS}")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # the primary was killed
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["url", "psycopg", "asyncpg", "sqlalchemy"])
async def test_what_a_synchronous_standby_does_not_have_was_not_answered(
    pair: tuple[PostgresServer, Standby], kind: str
) -> None:
    """A statement that is broken off while it waits for the standby is a success for PostgreSQL."""
    primary, standby = pair
    table = primary.new_table()
    async with AsyncExitStack() as stack:
        client: Any = primary.url
        if kind == "psycopg":
            client = await stack.enter_async_context(psycopg_pool.AsyncConnectionPool(primary.url, open=False))
        elif kind == "asyncpg":
            client = await stack.enter_async_context(asyncpg.create_pool(primary.url, min_size=1))
        elif kind == "sqlalchemy":
            client = create_async_engine(primary.url.replace("postgresql://", "postgresql+psycopg://"))
        store = PostgresStore(client, table=table, timeout=1)
        browsers = [Browser(Site(store)) for _ in range(5)]
        for browser in browsers:
            assert (await browser.visit(setting(a=1))).status == 200
        acts = [
            setting(a=2),
            lambda session: session.increment("n"),
            lambda session: session.destroy(),
            lambda session: session.regenerate(),
            lambda session: session.modify("a", lambda value: value + 1),
        ]
        with cut_off(primary):
            statuses = [(await each.visit(act)).status for each, act in zip(browsers, acts, strict=True)]
            assert statuses == [503] * 5
            primary.kill()
        standby.promote()
        await store.aclose()
    copy = PostgresStore(standby.url, table=table, timeout=30)
    assert [await browser.twin(Site(copy)).data() for browser in browsers] == [{"a": 1}] * 5
    await copy.aclose()


async def test_a_standby_alone_reads_and_its_writes_are_a_503_until_it_is_promoted(
    primary: PostgresServer, standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    table = primary.new_table()
    store = PostgresStore(primary.url, table=table, timeout=5)
    browser = Browser(Site(store))
    await browser.visit(setting(a=1))
    wait_until(lambda: standby_has(standby, table, 1), "replication")
    copy = PostgresStore(standby.url, table=table, timeout=5)
    reader = browser.twin(Site(copy))
    assert await reader.data() == {"a": 1}
    answer = await reader.visit(setting(a=2))
    assert (answer.status, answer.all("retry-after"), answer.cookies) == (503, ["1"], [])
    assert b"takes no changes" in answer.body
    assert "in a read-only transaction" in caplog.text
    (warning,) = await copy.review()
    assert warning.code == "postgres-read-only"
    standby.promote()
    assert (await reader.visit(setting(a=3))).status == 200
    assert await reader.data() == {"a": 3}
    for each in (store, copy):
        await each.aclose()


def standby_has(standby: Standby, table: str, rows: int) -> bool:
    found = standby.run("SELECT to_regclass(%s) IS NOT NULL", table)
    return found == [(True,)] and standby.run(f"SELECT count(*) FROM {table}") == [(rows,)]  # noqa: S608
