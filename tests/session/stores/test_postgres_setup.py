"""The table: who creates it, and what prevents the start of an application."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import psycopg
import psycopg_pool
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kick.session.stores.base import Change, Committed
from kick.session.stores.postgres import PostgresStore, PostgresTimeout, TableUnusable
from kick.session.stores.postgres.schema import CHECK, quoted
from kick.testing.store_contract import fields_of, new_key
from tests.session.harness import Browser, Site, setting
from tests.support.postgres import PostgresServer
from tests.support.setup_errors import raises_code

OURS = frozenset({"aaaa"})


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICK_ENV", "production")


@pytest.fixture
async def store(postgres_server: PostgresServer) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(postgres_server.store_url(), timeout=30)
    yield store
    await store.aclose()


def comment_of(server: PostgresServer, table: str) -> Any:
    return server.run("SELECT obj_description(to_regclass(%s), 'pg_class')", table)[0][0]


class TestTheTable:
    async def test_in_development_and_tests_it_is_created_at_first_use(
        self, store: PostgresStore, postgres_server: PostgresServer
    ) -> None:
        assert comment_of(postgres_server, store.table) is None
        assert await store.load(new_key()) is None
        assert comment_of(postgres_server, store.table) == "kick sessions, schema 1"

    async def test_in_production_it_is_not(
        self, store: PostgresStore, postgres_server: PostgresServer, production: None
    ) -> None:
        for operation in (store.load(new_key()), store.purge(), store.commit(new_key(), Change(), max_age=1)):
            with pytest.raises(TableUnusable, match="there is no such table"):
                await operation
        with raises_code("postgres-table-missing", match="kick sessions migrate"):
            await store.recognize(OURS)
        with raises_code("postgres-table-missing"):
            await store.review()
        assert postgres_server.run("SELECT to_regclass(%s)", store.table) == [(None,)]

    async def test_a_request_gets_a_503_until_it_is_there(
        self, store: PostgresStore, production: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        browser = Browser(Site(store))
        answer = await browser.visit(setting(a=1))
        assert (answer.status, answer.all("retry-after")) == (503, ["1"])
        assert f"the table {store.table} cannot be used: there is no such table" in caplog.text
        assert await store.migrate() is True
        assert (await browser.visit(setting(a=1))).status == 200
        assert await browser.data() == {"a": 1}

    async def test_by_option_it_is_created_in_production_too(
        self, postgres_server: PostgresServer, production: None
    ) -> None:
        store = PostgresStore(postgres_server.store_url(migrate="yes"), timeout=30)
        assert await store.recognize(OURS) == [OURS]
        assert await store.review() == []
        await store.aclose()

    async def test_migrate_has_nothing_to_do_the_second_time(self, store: PostgresStore) -> None:
        assert [await store.migrate(), await store.migrate()] == [True, False]

    async def test_several_that_create_it_at_once_find_one_table(self, postgres_server: PostgresServer) -> None:
        url = postgres_server.store_url()
        async with AsyncExitStack() as stack:
            stores = [PostgresStore(url, timeout=30) for _ in range(8)]
            for store in stores:
                stack.push_async_callback(store.aclose)
            assert await asyncio.gather(*(store.load(new_key()) for store in stores)) == [None] * 8

    @pytest.mark.parametrize("creator", ["a store", "somebody else"])
    async def test_one_that_is_committed_while_the_check_runs_is_not_there_yet(
        self, store: PostgresStore, postgres_server: PostgresServer, creator: str
    ) -> None:
        # catalogue functions know what was committed a moment ago; the snapshot, here an old one, has no comment of it
        with psycopg.connect(postgres_server.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SELECT 1")
            if creator == "a store":
                await store.migrate()
            else:
                postgres_server.run(f"CREATE TABLE {store.table} (key text PRIMARY KEY)")
            found = [connection.execute(CHECK.percent, {"table": quoted(store.table)}).fetchone()]
            connection.rollback()
            found.append(connection.execute(CHECK.percent, {"table": quoted(store.table)}).fetchone())
        there = "kick sessions, schema 1" if creator == "a store" else None
        assert [row[:2] for row in found if row is not None] == [(None, False), (there, True)]

    async def test_it_may_be_in_another_schema(self, postgres_server: PostgresServer) -> None:
        postgres_server.run("CREATE SCHEMA IF NOT EXISTS shop")
        store = PostgresStore(postgres_server.url, table=f"shop.{postgres_server.new_table()}", timeout=30)
        key = new_key()
        await store.create(key, Change(set={"a": b"1"}), max_age=60)
        assert await fields_of(store, key) == {"a": b"1"}
        assert postgres_server.run(f"SELECT key, fields FROM {store.table}") == [(key, {"a": "1"})]  # noqa: S608
        await store.aclose()

    @pytest.mark.parametrize(("unlogged", "persistence"), [("yes", "u"), ("no", "p")])
    async def test_it_is_unlogged_if_wanted(
        self, postgres_server: PostgresServer, unlogged: str, persistence: str
    ) -> None:
        store = PostgresStore(postgres_server.store_url(unlogged=unlogged), timeout=30)
        await store.migrate()
        kinds = postgres_server.run("SELECT relpersistence::text FROM pg_class WHERE relname = %s", store.table)
        assert kinds == [(persistence,)]
        await store.aclose()

    async def test_one_that_is_dropped_while_it_is_used_is_created_again(
        self, store: PostgresStore, postgres_server: PostgresServer
    ) -> None:
        browser = Browser(Site(store))
        await browser.visit(setting(a=1))
        postgres_server.run(f"DROP TABLE {store.table}")
        assert (await browser.visit(lambda session: session.get("a"))).status == 503
        assert (await browser.visit(lambda session: session.get("a"))).value is None
        assert (await browser.visit(setting(a=1))).status == 200


class TestWhatStopsTheStart:
    async def test_a_table_of_something_else(self, store: PostgresStore, postgres_server: PostgresServer) -> None:
        postgres_server.run(f"CREATE TABLE {store.table} (key text PRIMARY KEY)")
        with raises_code("postgres-table-foreign", match="not a table of sessions"):
            await store.recognize(OURS)
        with pytest.raises(TableUnusable, match="not a table of sessions"):
            await store.migrate()

    @pytest.mark.parametrize("version", ["0", "2"])
    async def test_a_schema_of_another_version(
        self, store: PostgresStore, postgres_server: PostgresServer, version: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        await store.migrate()
        postgres_server.run(f"COMMENT ON TABLE {store.table} IS 'kick sessions, schema {version}'")
        another = PostgresStore(postgres_server.url, table=store.table, timeout=30)
        with raises_code("postgres-schema", match=f"version {version}, and this kick has 1"):
            await another.review()
        browser = Browser(Site(another))
        answer = await browser.visit(setting(a=1))
        assert (answer.status, answer.all("retry-after"), answer.cookies) == (503, ["1"], [])
        assert b"is not set up" in answer.body
        assert f"its schema is version {version}, and this kick has 1" in caplog.text
        postgres_server.run(f"COMMENT ON TABLE {store.table} IS 'kick sessions, schema 1'")
        assert (await browser.visit(setting(a=1))).status == 200
        await another.aclose()

    @pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE", "DELETE"])
    async def test_a_role_without_a_right(
        self, store: PostgresStore, postgres_server: PostgresServer, right: str
    ) -> None:
        await store.migrate()
        role = f"limited_{store.table}"
        rights = ", ".join({"SELECT", "INSERT", "UPDATE", "DELETE"} - {right})
        postgres_server.run(f"CREATE ROLE {role} LOGIN")
        postgres_server.run(f"GRANT {rights} ON {store.table} TO {role}")
        url = postgres_server.url.replace("kick@", f"{role}@")
        limited = PostgresStore(url, table=store.table, timeout=30)
        with raises_code("postgres-permission", match=f"no right to {right} in"):
            await limited.recognize(OURS)
            await limited.review()
        await limited.aclose()

    async def test_no_right_to_create_the_table(
        self, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        role, table = f"limited_{postgres_server.new_table()}", postgres_server.new_table()
        postgres_server.run(f"CREATE ROLE {role} LOGIN")
        postgres_server.run(f"CREATE SCHEMA {role}")
        url = postgres_server.url.replace("kick@", f"{role}@")
        store = PostgresStore(url, table=f"{role}.{table}", timeout=30)
        browser = Browser(Site(store))
        answer = await browser.visit(setting(a=1))
        assert (answer.status, answer.all("retry-after"), answer.cookies) == (503, ["1"], [])
        assert b"refuses this application" in answer.body
        assert f"permission denied for schema {role}" in caplog.text
        postgres_server.run(f"GRANT USAGE, CREATE ON SCHEMA {role} TO {role}")
        assert (await browser.visit(setting(a=1))).status == 200
        await store.aclose()

    async def test_a_database_with_another_encoding(self, postgres_server: PostgresServer) -> None:
        name = postgres_server.new_table()
        postgres_server.run(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
        store = PostgresStore(postgres_server.url.replace("/postgres", f"/{name}"), migrate=True, timeout=30)
        with raises_code("postgres-encoding", match="SQL_ASCII"):
            await store.review()
        await store.aclose()

    async def test_the_application_does_not_start(self, postgres_server: PostgresServer, production: None) -> None:
        site = Site(postgres_server.store_url(), store_timeout=30)
        with raises_code("postgres-table-missing"):
            await site.layer.manager.start()
        await site.store.aclose()

    async def test_a_server_that_is_not_there_stops_no_start(self, caplog: pytest.LogCaptureFixture) -> None:
        site = Site("postgresql://kick@127.0.0.1:1/postgres")
        await site.layer.manager.start()
        assert "store_error" in site.events
        await site.store.aclose()


class TestOptions:
    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("postgresql://host:port/db", "port"),
            ("postgresql://host/db?colour=red", "colour"),
            ("postgresql://[::1/db", "IPv6"),
            ("host=localhost colour=red", "colour"),
        ],
    )
    def test_a_url_that_libpq_cannot_read_is_refused(self, url: str, problem: str) -> None:
        with raises_code("postgres-url", match=problem):
            PostgresStore(url)

    def test_a_refused_url_does_not_show_its_password(self) -> None:
        for rest in ("host:port/db", "host/db?colour=red", "[::1/db"):
            with raises_code("postgres-url") as refused:
                PostgresStore(f"postgresql://ann:open-sesame@{rest}&colour=red")
            assert "open-sesame" not in str(refused.value)

    @pytest.mark.parametrize(
        ("option", "allowed"),
        [
            ("max_connections=0", "a whole number of at least 1"),
            ("max_connections=many", "a whole number of at least 1"),
            ("migrate=maybe", "yes or no"),
            ("unlogged=1", "yes or no"),
            ("table=Sessions", "small letters"),
            ("table=a.b.c", "small letters"),
            ("table=x;drop", "small letters"),
            ("table=", "small letters"),
        ],
    )
    def test_an_option_that_makes_no_sense_is_refused(self, option: str, allowed: str) -> None:
        with raises_code("postgres-option", match=allowed):
            PostgresStore(f"postgresql://localhost/db?{option}")

    @pytest.mark.parametrize("client", [None, 5432, b"postgresql://localhost", object(), PostgresServer])
    def test_an_object_that_gives_no_connections_is_refused(self, client: object) -> None:
        with raises_code("postgres-client"):
            PostgresStore(client)

    @pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": -1}, {"max_connections": 0}])
    def test_limits_are_positive(self, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="must be"):
            PostgresStore("postgresql://localhost/db", **options)

    async def test_a_unix_socket_leads_there_too(self, postgres_server: PostgresServer) -> None:
        store = PostgresStore(f"{postgres_server.socket_url}&table={postgres_server.new_table()}", timeout=30)
        assert await store.load(new_key()) is None
        await store.aclose()

    async def test_a_service_file_leads_there_too(
        self, postgres_server: PostgresServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "services").write_text(
            f"[shop]\nhost=127.0.0.1\nport={postgres_server.port}\nuser=kick\ndbname=postgres\n"
        )
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
        store = PostgresStore(f"postgresql://?service=shop&table={postgres_server.new_table()}", timeout=30)
        assert await store.load(new_key()) is None
        await store.aclose()

    async def test_a_host_that_refuses_is_followed_by_the_next(self, postgres_server: PostgresServer) -> None:
        port, table = postgres_server.port, postgres_server.new_table()
        url = f"postgresql://kick@127.0.0.1:1,127.0.0.1:{port}/postgres?target_session_attrs=read-write&table={table}"
        store = PostgresStore(url, timeout=30)
        assert await store.load(new_key()) is None
        await store.aclose()


async def with_json_codecs(connection: Any) -> None:
    """What the documentation of asyncpg shows for JSON."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


class TestPoolsOfTheApplication:
    KINDS = ("psycopg", "psycopg autocommit", "asyncpg", "asyncpg codecs", "sqlalchemy psycopg", "sqlalchemy asyncpg")

    @pytest.fixture(params=KINDS)
    async def pool(self, request: pytest.FixtureRequest, postgres_server: PostgresServer) -> AsyncIterator[Any]:
        url = postgres_server.url
        match request.param.split():
            case ["psycopg", *autocommit]:
                options = {"autocommit": bool(autocommit)}
                async with psycopg_pool.AsyncConnectionPool(url, open=False, max_size=4, kwargs=options) as pool:
                    yield pool
            case ["asyncpg", *codecs]:
                init = with_json_codecs if codecs else None
                async with asyncpg.create_pool(url, min_size=1, max_size=4, init=init) as pool:
                    yield pool
            case [_, driver]:
                engine = create_async_engine(
                    url.replace("postgresql://", f"postgresql+{driver}://"), pool_size=4, max_overflow=0
                )
                yield engine
                await engine.dispose()

    async def test_every_operation_works(self, pool: Any, postgres_server: PostgresServer) -> None:
        store = PostgresStore(pool, table=postgres_server.new_table(), timeout=30)
        await store.review()
        key, new = new_key(), new_key()
        await store.create(key, Change(set={"a": b"1", "\0": b"\xff"}, principal="ann"), max_age=60)
        await store.commit(key, Change(set={"b": b"2"}, delete=["a"]), max_age=60)
        counted = await store.commit(key, Change(increment={"n": 2}, expect={"b": b"2", "z": None}), max_age=60)
        assert isinstance(counted, Committed)
        assert counted.counters == {"n": 2}
        assert await fields_of(store, key) == {"\0": b"\xff", "b": b"2", "n": b"2"}
        assert await store.touch(key, max_age=90) is True
        assert isinstance(await store.move(key, new, max_age=60, grace=5, successor=b"\0s", keep=["b"]), Committed)
        assert await fields_of(store, new) == {"b": b"2"}
        assert await store.recognize(OURS) == [OURS]
        await store.commit(new, Change(principal="ann"), max_age=60)
        assert [found for found, _ in await store.find("ann")] == [new]
        assert await store.revoke("ann") == 1
        assert await store.destroy(new) is False
        assert await store.purge() == 0
        await store.aclose()

    async def test_many_at_once_share_it_and_it_stays_open(self, pool: Any, postgres_server: PostgresServer) -> None:
        store = PostgresStore(pool, table=postgres_server.new_table(), timeout=30)
        keys = [new_key() for _ in range(40)]
        await asyncio.gather(*(store.create(key, Change(set={"n": b"0"}), max_age=60) for key in keys))
        change = Change(set={"a": b"1"}, increment={"n": 1})
        await asyncio.gather(*(store.commit(key, change, max_age=60) for key in keys * 2))
        found = await asyncio.gather(*(fields_of(store, key) for key in keys))
        assert found == [{"n": b"2", "a": b"1"}] * 40
        await store.aclose()
        assert await fields_of(store, keys[0]) == {"n": b"2", "a": b"1"}
        await store.aclose()

    async def test_a_statement_that_takes_too_long_is_given_up(
        self, pool: Any, postgres_server: PostgresServer
    ) -> None:
        patient = PostgresStore(pool, table=postgres_server.new_table(), timeout=30)
        key, change = new_key(), Change(set={"a": b"1"})
        await patient.create(key, Change(), max_age=60)
        hasty = PostgresStore(pool, table=patient.table, timeout=0.5)
        with postgres_server.locking(patient.table, key), pytest.raises(PostgresTimeout):
            await hasty.commit(key, change, max_age=60)
        assert isinstance(await patient.commit(key, change, max_age=60), Committed)
        for store in (patient, hasty):
            await store.aclose()

    async def test_nobody_waits_longer_for_a_connection_than_the_time_limit(
        self, pool: Any, postgres_server: PostgresServer
    ) -> None:
        patient = PostgresStore(pool, table=postgres_server.new_table(), timeout=30)
        key = new_key()
        await patient.create(key, Change(), max_age=60)
        hasty = PostgresStore(pool, table=patient.table, timeout=0.5)
        async with AsyncExitStack() as stack:
            for _ in range(4):  # all that the pool has
                acquired = next(
                    getattr(pool, name) for name in ("connection", "acquire", "connect") if hasattr(pool, name)
                )
                await stack.enter_async_context(acquired())
            operations = (hasty.load(key), hasty.touch(key, max_age=60), hasty.find("ann"))
            results = await asyncio.gather(*operations, return_exceptions=True)
            if isinstance(pool, AsyncEngine):  # the store has connections of its own
                assert not any(isinstance(result, Exception) for result in results)
            else:
                assert {type(result) for result in results} == {PostgresTimeout}
        for _ in range(8):  # none was lost
            assert await fields_of(patient, key) == {}
        for store in (patient, hasty):
            await store.aclose()


async def test_a_missing_right_is_logged_with_its_cause(
    store: PostgresStore, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    await store.migrate()
    role = f"reader_{store.table}"
    postgres_server.run(f"CREATE ROLE {role} LOGIN")
    postgres_server.run(f"GRANT SELECT ON {store.table} TO {role}")
    limited = PostgresStore(postgres_server.url.replace("kick@", f"{role}@"), table=store.table, timeout=30)
    browser = Browser(Site(limited))
    answer = await browser.visit(setting(a=1))
    assert (answer.status, answer.all("retry-after"), answer.cookies) == (503, ["1"], [])
    assert b"refuses this application" in answer.body
    assert f"permission denied for table {store.table}" in caplog.text
    postgres_server.run(f"GRANT INSERT, UPDATE, DELETE ON {store.table} TO {role}")
    assert (await browser.visit(setting(a=1))).status == 200
    await limited.aclose()
