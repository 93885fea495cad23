"""The session in a transaction of the application: `commit_with()`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import asyncpg
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from kick.session import MemoryStore, SessionChanged
from kick.session.stores.postgres import PostgresStore
from tests.session.harness import Browser, Site, setting
from tests.support.postgres import PostgresServer
from tests.support.setup_errors import raises_code
from tests.support.waiting import wait_until

Order = Callable[[Any], Awaitable[None]]


class Shop:
    """An application with orders in a table beside the sessions, and one of the ways to a transaction."""

    def __init__(self, server: PostgresServer, kind: str, **options: Any) -> None:
        self.server = server
        self.kind = kind
        self.site = Site(server.store_url(), **options)
        self.orders = server.new_table()
        server.run(f"CREATE TABLE {self.orders} (item text)")
        url = server.url.replace("postgresql://", f"postgresql+{kind.partition(' ')[0]}://")
        self.engine = create_async_engine(url) if " " in kind else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection; its transaction is committed at the end, and rolled back by an exception."""
        if self.kind == "asyncpg":
            connection = await asyncpg.connect(self.server.url)
            try:
                async with connection.transaction():
                    yield connection
            finally:
                await connection.close()
        elif self.engine is None:
            async with await psycopg.AsyncConnection.connect(self.server.url) as connection:
                yield connection
        elif self.kind.endswith("AsyncSession"):
            async with AsyncSession(self.engine) as session, session.begin():
                yield session
        else:
            async with self.engine.begin() as connection:
                yield connection

    async def order(self, connection: Any, item: str = "tea") -> None:
        statement = f"INSERT INTO {self.orders} VALUES ('{item}')"  # noqa: S608
        await connection.execute(text(statement) if self.engine is not None else statement)

    @property
    def ordered(self) -> list[str]:
        return [item for (item,) in self.server.run(f"SELECT item FROM {self.orders}")]  # noqa: S608

    async def buy(self, session: Any, *, fails: bool = False) -> bool:
        """Order what is in the cart and empty it: together, or not at all."""
        try:
            async with self.transaction() as connection:
                await self.order(connection)
                session["cart"] = []
                session["bought"] = 1
                assert await session.commit_with(connection) is True
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return False
        return True


KINDS = ("psycopg", "asyncpg", "psycopg AsyncConnection", "psycopg AsyncSession", "asyncpg AsyncSession")


@pytest.fixture(params=KINDS)
async def shop(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> AsyncIterator[Shop]:
    shop = Shop(postgres_server, request.param, store_timeout=30)
    yield shop
    await shop.site.store.aclose()
    if shop.engine is not None:
        await shop.engine.dispose()


@pytest.fixture
async def plain_shop(postgres_server: PostgresServer) -> AsyncIterator[Shop]:
    """One over psycopg: the same holds for every kind."""
    shop = Shop(postgres_server, "psycopg", store_timeout=30)
    yield shop
    await shop.site.store.aclose()


async def test_the_order_and_the_emptied_cart_are_stored_together(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"], kept=1))
    answer = await browser.visit(shop.buy)
    assert (answer.status, answer.value, answer.error) == (200, True, None)
    assert shop.ordered == ["tea"]
    assert await browser.data() == {"cart": [], "kept": 1, "bought": 1}


async def test_after_a_rollback_neither_is_stored(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))

    async def act(session: Any) -> Any:
        assert await shop.buy(session, fails=True) is False
        seen = dict(session.data)
        session["error"] = "try again"  # stored with the response, and nothing of the rollback with it
        return seen

    answer = await browser.visit(act)
    assert answer.value == {"cart": [], "bought": 1}  # the object keeps what the handler wrote
    assert shop.ordered == []
    assert await browser.data() == {"cart": ["tea"], "error": "try again"}


async def test_after_a_rollback_reload_shows_what_is_stored(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))

    async def act(session: Any) -> Any:
        await shop.buy(session, fails=True)
        assert await session.reload() is True
        return dict(session.data)

    assert (await browser.visit(act)).value == {"cart": ["tea"]}


async def test_an_exception_in_the_transaction_is_a_500_that_stores_nothing(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))

    async def act(session: Any) -> Any:
        async with shop.transaction() as connection:
            await shop.order(connection)
            session["cart"] = []
            await session.commit_with(connection)
            raise ZeroDivisionError

    assert (await browser.visit(act)).status == 500
    assert shop.ordered == []
    assert await browser.data() == {"cart": ["tea"]}


async def test_a_new_session_gets_its_cookie_if_the_transaction_was_committed(shop: Shop) -> None:
    browser = Browser(shop.site)
    answer = await browser.visit(shop.buy)
    assert answer.session_cookie
    assert await browser.data() == {"cart": [], "bought": 1}


async def test_a_new_session_gets_no_cookie_after_a_rollback(shop: Shop) -> None:
    browser = Browser(shop.site)
    answer = await browser.visit(lambda session: shop.buy(session, fails=True))
    assert (answer.status, answer.cookies, shop.ordered) == (200, [], [])
    assert await browser.data() == {}


async def test_a_session_that_another_request_ends_is_not_written(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))

    async def act(session: Any) -> Any:
        session["cart"] = []
        await browser.twin().visit(lambda other: other.destroy())
        async with shop.transaction() as connection:
            return await session.commit_with(connection)

    answer = await browser.visit(act)
    assert (answer.value, answer.cookies) == (False, [])
    assert await browser.data() == {}


async def test_a_session_that_has_moved_is_followed(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))

    async def act(session: Any) -> Any:
        await browser.twin().visit(lambda other: other.rotate())
        return await shop.buy(session)

    assert (await browser.visit(act)).value is True
    assert await browser.data() == {"cart": [], "bought": 1}


async def test_what_parallel_requests_write_is_kept(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))
    others = [browser.twin().visit(setting(**{f"k{n}": n})) for n in range(10)]
    counted = [browser.twin().visit(lambda session: session.increment("n")) for _ in range(5)]
    answers = await asyncio.gather(browser.visit(shop.buy), *others, *counted)
    assert {answer.status for answer in answers} == {200}
    data = await browser.data()
    assert data == {"cart": [], "bought": 1, "n": 5, **{f"k{n}": n for n in range(10)}}


async def ordering(shop: Shop, session: Any, *, meanwhile: Callable[[], Awaitable[Any]] | None = None) -> Any:
    """Order all that is in the cart, if it is still what this request has read."""
    cart = session.get("cart", [])
    if meanwhile is not None:
        await meanwhile()
    async with shop.transaction() as connection:
        for item in cart:
            await shop.order(connection, item)
        session["cart"] = []
        return await session.commit_with(connection, expect="cart")


async def rotated_and_added(session: Any) -> None:
    await session.rotate()
    session["cart"] = ["tea", "milk"]


ADDED: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "modified": (lambda session: session.modify("cart", lambda cart: [*cart, "milk"]), {"cart": ["tea", "milk"]}),
    "assigned": (setting(cart=["milk"]), {"cart": ["milk"]}),
    "deleted": (lambda session: session.data.pop("cart"), {}),
    "rotated": (rotated_and_added, {"cart": ["tea", "milk"]}),
}


@pytest.mark.parametrize("act", ADDED)
async def test_an_order_of_a_cart_that_has_changed_is_not_made(plain_shop: Shop, act: str) -> None:
    shop, browser = plain_shop, Browser(plain_shop.site)
    await browser.visit(setting(cart=["tea"]))
    change, kept = ADDED[act]
    tab = browser.twin()
    answer = await browser.twin().visit(partial(ordering, shop, meanwhile=lambda: tab.visit(change)))
    assert (answer.status, type(answer.error)) == (409, SessionChanged)
    assert shop.ordered == []
    assert await tab.data() == kept


async def test_of_orders_of_one_cart_one_is_made(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))
    all_read, reading = asyncio.Event(), 0

    async def others_have_read() -> None:
        nonlocal reading
        reading += 1
        if reading == 4:
            all_read.set()
        await all_read.wait()

    act = partial(ordering, shop, meanwhile=others_have_read)
    answers = await asyncio.gather(*(browser.twin().visit(act) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    assert shop.ordered == ["tea"]
    assert await browser.data() == {"cart": []}


async def test_it_can_be_tried_again_with_what_the_other_request_wrote(plain_shop: Shop) -> None:
    browser = Browser(plain_shop.site)
    await browser.visit(setting(cart=["tea"]))

    async def act(session: Any) -> Any:
        with pytest.raises(SessionChanged):
            await ordering(plain_shop, session, meanwhile=lambda: browser.twin().visit(setting(cart=["milk"])))
        return await ordering(plain_shop, session)

    assert (await browser.visit(act)).value is True
    assert plain_shop.ordered == ["milk"]
    assert await browser.data() == {"cart": []}


async def test_other_keys_and_own_changes_are_no_reason_to_refuse(plain_shop: Shop) -> None:
    browser = Browser(plain_shop.site)
    await browser.visit(setting(cart=["tea"]))

    async def act(session: Any) -> list[bool]:
        session["cart"] = ["tea", "milk"]
        await session.save()
        await session.modify("cart", lambda cart: [*cart, "honey"])
        await browser.twin().visit(setting(other=1))
        answers = [await ordering(plain_shop, session)]
        async with plain_shop.transaction() as connection:  # nothing is pending
            answers.append(await session.commit_with(connection, expect=["cart", "never"]))
        return answers

    assert (await browser.visit(act)).value == [True, True]
    assert plain_shop.ordered == ["tea", "milk", "honey"]
    assert await browser.data() == {"cart": [], "other": 1}


async def test_nothing_pending_is_refused_too_if_what_is_relied_on_has_changed(plain_shop: Shop) -> None:
    browser = Browser(plain_shop.site)
    await browser.visit(setting(cart=["tea"], other=1))

    async def act(session: Any) -> None:
        assert session["cart"] == ["tea"]
        await browser.twin().visit(setting(voucher="tenth"))
        async with plain_shop.transaction() as connection:
            await session.commit_with(connection, expect=["other", "voucher"])  # which was not there

    assert (await browser.visit(act)).status == 409
    assert await browser.data() == {"cart": ["tea"], "other": 1, "voucher": "tenth"}


async def test_of_a_session_that_has_ended_it_returns_false(plain_shop: Shop) -> None:
    browser = Browser(plain_shop.site)
    await browser.visit(setting(cart=["tea"]))
    tab = browser.twin()
    act = partial(ordering, plain_shop, meanwhile=lambda: tab.visit(lambda session: session.destroy()))
    assert (await browser.visit(act)).value is False


async def test_a_new_session_relies_on_nothing(plain_shop: Shop) -> None:
    browser = Browser(plain_shop.site)
    assert (await browser.visit(partial(ordering, plain_shop))).value is True
    assert await browser.data() == {"cart": []}


MEANWHILE: dict[str, Callable[[Any], Any]] = {
    "written": lambda session: session.data.update(other=1),
    "counted": lambda session: session.increment("other"),
    "destroyed": lambda session: session.destroy(),
    "regenerated": lambda session: session.regenerate(),
    "rotated": lambda session: session.rotate(),
}


@pytest.mark.parametrize("fails", [False, True], ids=["committed", "rolled back"])
@pytest.mark.parametrize("act", [*MEANWHILE, "revoked"])
async def test_what_becomes_of_the_session_meanwhile_comes_after_the_transaction(
    plain_shop: Shop, act: str, fails: bool
) -> None:
    shop, browser = plain_shop, Browser(plain_shop.site)
    await browser.visit(setting(cart=["tea"]))
    await browser.visit(lambda session: setattr(session, "principal", "ann"))
    written, over = asyncio.Event(), asyncio.Event()

    async def order(session: Any) -> None:
        with suppress(ZeroDivisionError):
            async with shop.transaction() as connection:
                await shop.order(connection)
                session["cart"] = []
                assert await session.commit_with(connection) is True
                written.set()
                await over.wait()
                if fails:
                    raise ZeroDivisionError

    async def meanwhile() -> Browser:
        tab = browser.twin()
        if act == "revoked":
            assert await shop.site.store.revoke("ann") == 1
        else:
            assert (await tab.visit(MEANWHILE[act])).status == 200
        return tab

    ordering = asyncio.ensure_future(browser.twin().visit(order))
    await written.wait()
    other = asyncio.ensure_future(meanwhile())
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'kick sessions'"
    await asyncio.to_thread(wait_until, lambda: shop.server.run(waits), "the lock")
    assert not other.done()
    over.set()
    answer, tab = await ordering, await other
    assert (answer.status, answer.error, answer.cookies) == (200, None, [])
    assert shop.ordered == ([] if fails else ["tea"])
    cart = {"cart": ["tea"] if fails else []}
    expected = {"written": {**cart, "other": 1}, "counted": {**cart, "other": 1}, "destroyed": {}, "revoked": {}}
    assert await tab.data() == expected.get(act, cart)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_at_a_stricter_isolation_level_a_change_meanwhile_is_a_503(
    plain_shop: Shop, driver: str, level: str
) -> None:
    browser = Browser(plain_shop.site)
    await browser.visit(setting(cart=["tea"]))
    url = plain_shop.server.url.replace("postgresql://", f"postgresql+{driver}://")
    engine = create_async_engine(url, isolation_level=level)

    async def act(session: Any, *, disturbed: bool) -> bool:
        async with engine.begin() as connection:
            await connection.execute(text(f"INSERT INTO {plain_shop.orders} VALUES ('tea')"))  # noqa: S608
            if disturbed:
                assert (await browser.twin().visit(setting(other=1))).status == 200
            session["cart"] = []
            return bool(await session.commit_with(connection))

    answer = await browser.visit(partial(act, disturbed=True))
    assert (answer.status, answer.all("retry-after")) == (503, ["1"])
    assert plain_shop.ordered == []
    assert await browser.data() == {"cart": ["tea"], "other": 1}
    assert (await browser.visit(partial(act, disturbed=False))).value is True
    assert plain_shop.ordered == ["tea"]
    assert await browser.data() == {"cart": [], "other": 1}
    await engine.dispose()


async def test_two_transactions_of_one_session_follow_each_other(shop: Shop) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))
    answers = await asyncio.gather(*(browser.twin().visit(shop.buy) for _ in range(4)))
    assert [answer.value for answer in answers] == [True] * 4
    assert shop.ordered == ["tea"] * 4


async def test_parallel_requests_wait_for_the_transaction_no_longer_than_the_time_limit(shop: Shop) -> None:
    hasty = Site(PostgresStore(shop.server.url, table=shop.site.store.table, timeout=0.5), store_timeout=0.5)
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))
    tab = browser.twin(hasty)
    while (await tab.visit(setting(cart=["tea"]))).status != 200:  # it connects
        pass
    written, over = asyncio.Event(), asyncio.Event()

    async def slow(session: Any) -> Any:
        async with shop.transaction() as connection:
            session["cart"] = []
            await session.commit_with(connection)
            written.set()
            await over.wait()

    slowly = asyncio.ensure_future(browser.twin().visit(slow))
    await written.wait()
    reading = await browser.visit(lambda session: session["cart"])
    assert (reading.status, reading.value) == (200, ["tea"])  # readers wait for nobody
    assert (await tab.visit(setting(other=1))).status == 503
    answer = await tab.visit(partial(buying, shop))
    assert (answer.status, answer.value, shop.ordered) == (503, None, [])
    assert not slowly.done()
    over.set()
    assert (await slowly).status == 200
    assert (await browser.visit(setting(other=2))).status == 200
    assert await browser.data() == {"cart": [], "other": 2}
    await hasty.store.aclose()


async def buying(shop: Shop, session: Any) -> None:
    async with shop.transaction() as connection:
        await shop.order(connection, "coffee")
        session["cart"] = ["never"]
        await session.commit_with(connection)


async def test_an_error_shows_nothing_of_the_data(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    browser = Browser(shop.site)
    await browser.visit(setting(cart=["tea"]))
    shop.server.run(f"DROP TABLE {shop.site.store.table}")

    async def act(session: Any) -> Any:
        async with shop.transaction() as connection:
            session["card"] = "open-sesame"
            await session.commit_with(connection)

    assert (await Browser(shop.site).visit(act)).status == 503
    assert "does not exist" in caplog.text
    assert "open-sesame" not in caplog.text


@asynccontextmanager
async def without_transaction(url: str, kind: str) -> AsyncIterator[Any]:
    """A connection in which each statement is committed by itself."""
    match kind.split():
        case ["psycopg"]:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                yield connection
        case ["asyncpg"]:
            connection = await asyncpg.connect(url)
            yield connection
            await connection.close()
        case [driver, *where]:
            engine = create_async_engine(
                url.replace("postgresql://", f"postgresql+{driver}://"),
                **{"isolation_level": "AUTOCOMMIT"} if where == ["engine"] else {},
            )
            changed = engine.execution_options(isolation_level="AUTOCOMMIT") if where == ["option"] else engine
            async with AsyncSession(changed) if where == ["session"] else changed.connect() as connection:
                if where == ["session"]:
                    await connection.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
                yield connection
            await engine.dispose()


DRIVERS = ("psycopg", "asyncpg")
WITHOUT = (*DRIVERS, *(f"{driver} {where}" for driver in DRIVERS for where in ("engine", "option", "session")))


@pytest.mark.parametrize("kind", WITHOUT)
async def test_a_connection_without_a_transaction_is_refused(plain_shop: Shop, kind: str) -> None:
    browser = Browser(plain_shop.site)
    await browser.visit(setting(cart=["tea"]))

    async def act(session: Any) -> None:
        session["cart"] = []
        async with without_transaction(plain_shop.server.url, kind) as connection:
            with raises_code("postgres-transaction"):
                await session.commit_with(connection)
        await session.reload()

    assert (await browser.visit(act)).status == 200
    assert await browser.data() == {"cart": ["tea"]}


async def test_a_connection_of_a_pool_is_one_too(plain_shop: Shop) -> None:
    """Also where the application has set a codec for JSON on it."""

    async def prepared(connection: Any) -> None:
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

    async with asyncpg.create_pool(plain_shop.server.url, min_size=1, init=prepared) as pool:

        async def act(session: Any) -> bool:
            session["a"] = {"b": [1]}
            async with pool.acquire() as connection, connection.transaction():
                return bool(await session.commit_with(connection))

        browser = Browser(plain_shop.site)
        for _ in range(2):
            assert (await browser.visit(act)).value is True
        assert await browser.data() == {"a": {"b": [1]}}


@pytest.mark.parametrize("connection", [None, object(), "postgresql://"])
async def test_what_is_no_connection_is_refused(plain_shop: Shop, connection: object) -> None:
    answer = await Browser(plain_shop.site).visit(lambda session: session.commit_with(connection))
    with raises_code("postgres-connection"):
        raise answer.error or AssertionError


async def test_other_stores_have_no_transactions() -> None:
    answer = await Browser(Site(MemoryStore())).visit(lambda session: session.commit_with(None))
    with raises_code("session-transaction", match="MemoryStore"):
        raise answer.error or AssertionError


@pytest.mark.parametrize("driver", DRIVERS)
async def test_handlers_that_hold_all_connections_of_an_engine_keep_no_session_waiting(
    postgres_server: PostgresServer, driver: str
) -> None:
    """The store borrowed from the pool of the handlers: as many as it had connections all waited for each other."""
    engine = create_async_engine(
        postgres_server.url.replace("postgresql://", f"postgresql+{driver}://"),
        pool_size=2,
        max_overflow=0,
        pool_timeout=30,
    )
    store = PostgresStore(engine, table=postgres_server.new_table(), timeout=30)
    site = Site(store, store_timeout=30)
    browsers = [Browser(site) for _ in range(2)]
    for browser in browsers:
        await browser.visit(setting(cart=["tea"]))
    holding, all_hold = 0, asyncio.Event()

    async def hold(session: Any) -> Any:
        nonlocal holding
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            holding += 1
            if holding == 2:
                all_hold.set()
            await all_hold.wait()
            await session.modify("cart", lambda cart: [*cart, "milk"])
            await session.increment("n")
            await Browser(site).visit(setting(other=1))
            session["cart"] = []
            await tab_of[session.id].visit(setting(cart=["honey"]))
            with pytest.raises(SessionChanged):
                await session.commit_with(connection, expect="cart")
            return session["cart"]

    tab_of = {(await browser.visit(lambda session: session.id)).value: browser.twin() for browser in browsers}
    answers = await asyncio.wait_for(asyncio.gather(*(browser.visit(hold) for browser in browsers)), 60)
    assert [(answer.status, answer.value) for answer in answers] == [(200, ["honey"])] * 2
    await store.aclose()
    async with engine.connect() as connection:  # which is the application's, and stays open
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_store_with_an_engine_is_used_in_one_event_loop_after_the_other(
    postgres_server: PostgresServer, driver: str
) -> None:
    name = f"kick_{driver}"
    engine = create_async_engine(
        postgres_server.url.replace("postgresql://", f"postgresql+{driver}://"),
        connect_args={"application_name": name}
        if driver == "psycopg"
        else {"server_settings": {"application_name": name}},
    )
    site = Site(PostgresStore(engine, table=postgres_server.new_table(), timeout=30))
    connected = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'"  # noqa: S608

    async def visit() -> None:
        browser = Browser(site)
        await browser.visit(setting(a=1))
        assert await browser.data() == {"a": 1}
        assert postgres_server.run(connected) != [(0,)]  # as the engine makes them
        await site.store.aclose()

    for _ in range(2):
        asyncio.run(visit())
        wait_until(lambda: postgres_server.run(connected) == [(0,)], "the end of its connections")
