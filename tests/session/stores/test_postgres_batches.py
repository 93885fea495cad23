"""What is sent to PostgreSQL, how many requests share it, and who waits for whom."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kick.session.stores.base import GONE, NOT_A_COUNTER, Change, Committed, Record, Superseded
from kick.session.stores.postgres import PostgresStore, PostgresTimeout
from kick.session.stores.postgres.psycopg_connection import Address, PsycopgConnection
from kick.session.stores.postgres.statements import Query
from kick.testing.store_contract import fields_of, new_key
from kick.testing.store_contract.base import record_of, started
from tests.session.harness import Browser, Site, setting
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually, wait_until

LONG = 3600


@pytest.fixture
async def store(postgres_server: PostgresServer) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(postgres_server.store_url(), timeout=30)
    await store.migrate()
    await store.purge()
    yield store
    await store.aclose()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first words of the statements that are sent from now on."""
    words: list[str] = []
    fetch = PsycopgConnection.fetch

    async def observed(self: PsycopgConnection, query: Any, parameters: Any) -> Any:
        words.append(query.text.split()[0])
        return await fetch(self, query, parameters)

    monkeypatch.setattr(PsycopgConnection, "fetch", observed)
    return words


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], int]]:
    """How often the server has come to the end of what it was sent, as libpq notes it, since the last call."""
    trace = tmp_path / "trace"
    connect = psycopg.AsyncConnection.connect
    seen = 0

    async def traced(*args: Any, **options: Any) -> Any:
        connection = await connect(*args, **options)
        connection.pgconn.trace(file.fileno())
        return connection

    def since() -> int:
        nonlocal seen
        before, seen = seen, trace.read_text(errors="replace").count("\tReadyForQuery\t")
        return seen - before

    with trace.open("ab") as file:
        monkeypatch.setattr(psycopg.AsyncConnection, "connect", traced)
        yield since


async def no_statement_runs(server: PostgresServer, table: str) -> None:
    """Wait until no statement about the table is under way."""
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE %s"
    )
    await asyncio.to_thread(
        wait_until, lambda: server.run(running, f"%{table}%") == [(0,)], "the end of the statements", timeout=20
    )


class TestStatements:
    @pytest.mark.parametrize("known", [False, True])
    async def test_a_load_and_a_commit_are_one_round_trip_each(
        self, postgres_server: PostgresServer, round_trips: Callable[[], int], *, known: bool
    ) -> None:
        """As messages on the wire, before psycopg prepares a statement and afterwards."""
        store = PostgresStore(postgres_server.store_url(), max_connections=1, timeout=30)
        keys = [await started(store) for _ in range(50)]
        change = Change(set={"a": b"1"})
        for _ in range(8 if known else 1):  # the first one looks at the table, and the sixth prepares the statement
            await store.load(keys[0])
            await store.commit(keys[0], change, max_age=LONG)
        await asyncio.sleep(0)
        await store.purge()  # the sweep of the first write has come to its end
        round_trips()
        for _ in range(2):
            assert isinstance(await store.load(keys[0]), Record)
            assert round_trips() == 1
            assert isinstance(await store.commit(keys[0], change, max_age=LONG), Committed)
            assert round_trips() == 1
            await asyncio.gather(*(store.load(key) for key in keys))
            loads = round_trips()
            await asyncio.gather(*(store.commit(key, change, max_age=LONG) for key in keys))
            assert (loads, round_trips()) == (1, 1)
        await store.aclose()

    async def test_each_operation_is_one_statement(self, store: PostgresStore, sent: list[str]) -> None:
        key, new = new_key(), new_key()
        change = Change(set={"a": b"1"}, principal="ann")

        async def cost(operation: Awaitable[object]) -> int:
            sent.clear()
            await operation
            return len(sent)

        await started(store)  # sweeps with its first write
        await asyncio.sleep(0)
        assert await cost(store.create(key, change, max_age=LONG)) == 1
        assert await cost(store.load(key)) == 1
        assert await cost(store.commit(key, Change(set={"b": b"2"}), max_age=LONG)) == 1
        assert await cost(store.commit(key, Change(increment={"n": 1}), max_age=LONG)) == 1
        assert await cost(store.commit(key, Change(set={"b": b"3"}, expect={"b": b"2"}), max_age=LONG)) == 1
        assert await cost(store.touch(key, max_age=LONG)) == 1
        assert await cost(store.move(key, new, max_age=LONG, grace=30)) == 1
        assert await cost(store.find("ann")) == 1
        assert await cost(store.revoke("ann")) == 1

    async def test_requests_of_one_moment_share_a_statement(self, store: PostgresStore, sent: list[str]) -> None:
        keys = [await started(store, {"n": b"%d" % n}) for n in range(200)]
        sent.clear()
        records = await asyncio.gather(*(store.load(key) for key in keys))
        assert [isinstance(record, Record) and record.fields["n"] for record in records] == [
            b"%d" % n for n in range(200)
        ]
        assert len(sent) <= 4
        sent.clear()
        changes = [store.commit(key, Change(set={"m": b"%d" % n}), max_age=LONG) for n, key in enumerate(keys)]
        assert all(isinstance(result, Committed) for result in await asyncio.gather(*changes))
        assert len(sent) <= 4
        assert [(await record_of(store, key)).fields["m"] for key in keys[::50]] == [b"0", b"50", b"100", b"150"]

    async def test_a_batch_tells_each_its_own_answer(self, store: PostgresStore) -> None:
        live, unknown, moved = await started(store), new_key(), await started(store)
        await store.move(moved, new_key(), max_age=LONG, grace=LONG, successor=b"next")
        change = Change(set={"a": b"1"})
        assert await asyncio.gather(store.load(unknown), store.load(moved)) == [None, Superseded(b"next")]
        first, *others = await asyncio.gather(
            *(store.commit(key, change, max_age=LONG) for key in (live, unknown, moved))
        )
        assert isinstance(first, Committed)
        assert others == [GONE, Superseded(b"next")]

    async def test_an_old_version_of_a_row_is_pruned_without_touching_an_index(
        self, store: PostgresStore, postgres_server: PostgresServer
    ) -> None:
        key = await started(store, {"a": b"1"}, principal="ann")
        for n in range(200):
            await store.commit(key, Change(set={"a": b"%d" % n}), max_age=LONG)
        await store.aclose()  # a connection reports its numbers when it ends
        counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s"
        wait_until(lambda: postgres_server.run(counts, store.table)[0][0] >= 200, "the numbers")
        ((updated, hot),) = postgres_server.run(counts, store.table)
        assert hot >= 0.95 * updated

    async def test_the_order_of_the_names_is_that_of_a_dict(self, store: PostgresStore) -> None:
        key = await started(store, {"zebra": b"1", "a": b"2", "mm": b"3"})
        assert list((await record_of(store, key)).fields) == ["zebra", "a", "mm"]
        await store.commit(key, Change(set={"b": b"4", "zebra": b"5"}), max_age=LONG)
        assert list((await record_of(store, key)).fields) == ["zebra", "a", "mm", "b"]
        await store.commit(key, Change(delete=["a", "b"], set={"b": b"6"}, increment={"n": 1}), max_age=LONG)
        assert list((await record_of(store, key)).fields) == ["zebra", "mm", "b", "n"]
        await store.move(key, new := new_key(), max_age=LONG, grace=0, keep=["n", "zebra"])
        assert list((await record_of(store, new)).fields) == ["zebra", "n"]

    async def test_the_times_are_those_of_the_server(
        self, store: PostgresStore, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
    ) -> None:
        ((server,),) = postgres_server.run("SELECT extract(epoch FROM clock_timestamp())::float8")
        monkeypatch.setattr(time, "time", lambda: 1.0)
        record = await record_of(store, await started(store))
        assert record.created_at == pytest.approx(server, abs=60)
        assert store.now() == pytest.approx(server, abs=60)

    async def test_whoever_writes_frees_what_has_expired(
        self, store: PostgresStore, postgres_server: PostgresServer
    ) -> None:
        for _ in range(3):
            await started(store, max_age=0.01)
        kept = await started(store)
        await store.aclose()
        postgres_server.run(f"UPDATE {store.table} SET due = 1 WHERE key = %s", kept)  # noqa: S608
        another = PostgresStore(postgres_server.url, table=store.table, timeout=30)
        key = await started(another)
        left = f"SELECT key FROM {store.table} ORDER BY created"  # noqa: S608
        await asyncio.to_thread(wait_until, lambda: postgres_server.run(left) == [(kept,), (key,)], "the sweep")
        await another.aclose()

    async def test_a_purge_takes_many_bounded_statements(
        self, store: PostgresStore, sent: list[str], postgres_server: PostgresServer
    ) -> None:
        live = await started(store)  # and a sweep, the next of which is a minute away
        await store.aclose()
        postgres_server.run(
            f"INSERT INTO {store.table} (key, fields, names, created, issued, seen, expires, due) "  # noqa: S608
            "SELECT 'k' || n, '{}', '{}', 1, 1, 1, 1, 1 FROM generate_series(1, 600) AS g(n)"
        )
        sent.clear()
        assert await store.purge() == 600
        assert len(sent) >= 3
        assert await fields_of(store, live) == {}
        assert await store.purge() == 0

    @pytest.mark.parametrize("held", [b"1.0", b"1e2", b" 7", b"7 ", b"+7", b"07", b"-"])
    async def test_what_only_looks_like_a_whole_number_is_not_counted_on(
        self, store: PostgresStore, held: bytes
    ) -> None:
        key = await started(store, {"n": held})
        assert await store.commit(key, Change(increment={"n": 1}), max_age=LONG) is NOT_A_COUNTER

    async def test_keys_of_applications_and_sessions_do_not_mix(self, store: PostgresStore) -> None:
        await store.recognize(frozenset({"aaaa"}))
        assert await store.purge() == 0
        assert await store.find("aaaa") == []
        assert await store.revoke("aaaa") == 0


class TestWhoWaits:
    async def test_a_session_that_is_locked_holds_up_no_other(
        self, store: PostgresStore, postgres_server: PostgresServer
    ) -> None:
        locked, *others = [await started(store) for _ in range(30)]
        change = Change(set={"a": b"1"})
        with postgres_server.locking(store.table, locked) as connection:
            waiting = [asyncio.ensure_future(store.commit(locked, change, max_age=LONG)) for _ in range(20)]
            for _ in range(3):
                results = await asyncio.gather(*(store.commit(key, change, max_age=LONG) for key in others))
                assert all(isinstance(result, Committed) for result in results)
            counted = await store.commit(others[0], Change(increment={"n": 1}), max_age=LONG)
            assert isinstance(counted, Committed)
            assert isinstance(await store.load(locked), Record)  # reading waits for nobody
            assert not any(task.done() for task in waiting)
            connection.rollback()
            assert all(isinstance(result, Committed) for result in await asyncio.gather(*waiting))

    async def test_nobody_waits_longer_for_a_locked_session_than_the_time_limit(
        self, store: PostgresStore, postgres_server: PostgresServer
    ) -> None:
        key, other = await started(store), await started(store)
        hasty, change = PostgresStore(postgres_server.url, table=store.table, timeout=0.5), Change(set={"a": b"1"})
        assert isinstance(await eventually(lambda: hasty.load(key), PostgresTimeout), Record)
        with postgres_server.locking(store.table, key):
            begun = time.monotonic()
            operations = [
                *(hasty.commit(key, change, max_age=LONG) for _ in range(10)),
                hasty.commit(key, Change(increment={"n": 1}), max_age=LONG),
                hasty.touch(key, max_age=LONG),
                hasty.move(key, new_key(), max_age=LONG, grace=0),
                hasty.destroy(key),
            ]
            results = await asyncio.gather(*operations, return_exceptions=True)
            assert {type(result) for result in results} == {PostgresTimeout}
            assert time.monotonic() - begun < 20
            assert isinstance(
                await eventually(lambda: hasty.commit(other, change, max_age=LONG), PostgresTimeout), Committed
            )
            # The server is asked to break them off while the lock is held. A busy one does so a moment later.
            await no_statement_runs(postgres_server, store.table)
        # The statements that were given up do not come through later.
        assert await fields_of(store, key) == {}
        change = Change(set={"b": b"1"})
        assert isinstance(await eventually(lambda: hasty.commit(key, change, max_age=LONG), PostgresTimeout), Committed)
        assert await fields_of(store, key) == {"b": b"1"}
        await hasty.aclose()

    async def test_a_request_to_cancel_that_is_lost_leaves_nothing_behind(
        self, store: PostgresStore, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A server that is busy takes one before the statement that it is about, and does nothing."""

        async def lost(*_: object, **__: object) -> None:
            pass

        monkeypatch.setattr(psycopg.AsyncConnection, "cancel_safe", lost)
        key = await started(store, {"a": b"1"}, principal="ann")
        hasty, change = PostgresStore(postgres_server.url, table=store.table, timeout=0.5), Change(set={"a": b"2"})
        assert isinstance(await eventually(lambda: hasty.load(key), PostgresTimeout), Record)
        with postgres_server.locking(store.table, key):
            for operate in (
                lambda: hasty.commit(key, change, max_age=LONG),
                lambda: hasty.commit(key, Change(increment={"n": 1}), max_age=LONG),
                lambda: hasty.touch(key, max_age=LONG),
                lambda: hasty.move(key, new_key(), max_age=LONG, grace=0),
                lambda: hasty.destroy(key),
                lambda: hasty.revoke("ann"),
            ):
                with pytest.raises(PostgresTimeout):
                    await operate()
            await no_statement_runs(postgres_server, store.table)
        record = await record_of(store, key)
        assert (record.fields, record.principal) == ({"a": b"1"}, "ann")
        await hasty.aclose()

    async def test_a_shorter_limit_of_the_role_is_kept(self, postgres_server: PostgresServer) -> None:
        limit = Query("SELECT current_setting('statement_timeout')")
        found: list[str] = []
        for option in ("0", "700", "5000", "3h"):
            url = f"{postgres_server.url}?options=-c%20statement_timeout%3D{option}"
            connection = await Address(url, limit=2.5).connect()
            found += [row[0] for row in await connection.fetch(limit, {})]
            await connection.close()
        assert found == ["2500ms", "700ms", "2500ms", "2500ms"]

    async def test_one_that_fails_hurts_no_other_of_its_batch(
        self, store: PostgresStore, postgres_server: PostgresServer
    ) -> None:
        bad, *good = [await started(store) for _ in range(20)]
        postgres_server.run(
            f"CREATE FUNCTION refuse_{store.table}() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no space left'; END $$"
        )
        postgres_server.run(
            f"CREATE TRIGGER refuse BEFORE UPDATE ON {store.table} FOR EACH ROW "
            f"WHEN (old.key = '{bad}') EXECUTE FUNCTION refuse_{store.table}()"
        )
        commits = [store.commit(key, Change(set={"a": b"1"}), max_age=LONG) for key in (*good[:10], bad, *good[10:])]
        results = await asyncio.gather(*commits, return_exceptions=True)
        failed = [result for result in results if isinstance(result, Exception)]
        assert [str(error).partition("\n")[0] for error in failed] == ["no space left"]
        assert sum(isinstance(result, Committed) for result in results) == 19
        assert [await fields_of(store, key) for key in good] == [{"a": b"1"}] * 19
        browser = Browser(Site(store))
        postgres_server.run(f"ALTER TABLE {store.table} DISABLE TRIGGER refuse")
        await browser.visit(setting(a=1))
        postgres_server.run(f"DROP TRIGGER refuse ON {store.table}")
        postgres_server.run(
            f"CREATE TRIGGER refuse BEFORE UPDATE ON {store.table} FOR EACH ROW EXECUTE FUNCTION refuse_{store.table}()"
        )
        answer = await browser.visit(setting(a=2))
        assert answer.status == 503
        assert b"is full" in answer.body

    @pytest.mark.long
    async def test_connections_are_no_more_than_allowed(self, postgres_server: PostgresServer) -> None:
        url = f"{postgres_server.store_url(max_connections='2')}&application_name=counted"
        store = PostgresStore(url, timeout=30)
        keys = [await started(store, {"n": b"0"}) for _ in range(10)]
        counts: list[int] = []

        async def work() -> None:
            for key in keys:
                await asyncio.gather(
                    store.load(key), *(store.commit(key, Change(increment={"n": 1}), max_age=LONG) for _ in range(5))
                )

        async def count() -> None:
            while not all(worker.done() for worker in workers):
                query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counted'"
                counts.append((await asyncio.to_thread(postgres_server.run, query))[0][0])

        workers = [asyncio.ensure_future(work()) for _ in range(10)]
        await asyncio.gather(count(), *workers)
        assert 1 <= max(counts) <= 2
        assert [await fields_of(store, key) for key in keys] == [{"n": b"50"}] * 10
        await store.aclose()

    @pytest.mark.parametrize("most", [1, 3])
    async def test_few_connections_serve_everybody(self, postgres_server: PostgresServer, most: int) -> None:
        store = PostgresStore(postgres_server.store_url(), max_connections=most, timeout=30)
        keys = [await started(store, principal="ann") for _ in range(5)]
        await asyncio.gather(
            *(store.commit(key, Change(set={f"k{n}": b"1"}), max_age=LONG) for key in keys for n in range(20)),
            *(store.commit(key, Change(increment={"n": 1}), max_age=LONG) for key in keys for _ in range(20)),
            *(store.load(key) for key in keys),
            *(store.find("ann") for _ in range(10)),
        )
        for key in keys:
            assert await fields_of(store, key) == {**{f"k{n}": b"1" for n in range(20)}, "n": b"20"}
        await store.aclose()

    async def test_a_store_works_in_several_event_loops(self, store: PostgresStore) -> None:
        key = await started(store, {"a": b"1"})

        async def elsewhere() -> dict[str, bytes] | None:
            try:
                return await fields_of(store, key)
            finally:
                await store.aclose()

        assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == {"a": b"1"}
        assert await fields_of(store, key) == {"a": b"1"}

    async def test_connections_of_a_loop_that_ended_without_a_word_are_closed(
        self, postgres_server: PostgresServer
    ) -> None:
        store = PostgresStore(f"{postgres_server.store_url()}&application_name=left_behind", timeout=30)
        key = new_key()
        await asyncio.to_thread(lambda: asyncio.run(fields_of(store, key)))
        assert await fields_of(store, key) is None
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'left_behind'"
        wait_until(lambda: postgres_server.run(query) == [(1,)], "the end of the connection")
        await store.aclose()
