"""The page on databases: its applications do what is said of them."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from starlette.types import Message

from kick import App
from kick.testing import TestClient
from tests.guide.pages import GUIDE, application, blocks, names_of
from tests.http.support import ask
from tests.support.postgres import PostgresServer
from tests.support.reader import Reader

PAGE = "database.md"
BOOKINGS = "Bookings that must not overlap"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pages write their SQLite files."""
    monkeypatch.chdir(tmp_path)


async def held(app: App) -> int:
    """The connections that are taken from the pool."""
    pool: Any = (await app.container.get(AsyncEngine)).pool
    return int(pool.checkedout())


def test_what_a_handler_wrote_is_committed_unless_it_raised() -> None:
    with TestClient(application(PAGE, "A session for each request"), raise_exceptions=False) as client:
        assert client.post("/books", json={"title": "Emma"}).json() == {"id": 1, "title": "Emma"}
        assert client.post("/books/1/rename", json={"title": "Persuasion"}).status_code == 204
        assert client.post("/books/1/rename", json={"title": " "}).status_code == 500
        assert client.post("/books/7/rename", json={"title": "Emma"}).status_code == 404
        assert client.get("/books").json() == [{"id": 1, "title": "Persuasion"}]
    with TestClient(application(PAGE, "A session for each request"), raise_exceptions=False) as client:
        assert client.get("/books").json() == [{"id": 1, "title": "Persuasion"}]


async def test_requests_that_read_and_then_write_at_the_same_time_wait_for_each_other() -> None:
    app = application(PAGE, "A session for each request")
    assert (await ask(app, "/books", method="POST", json={"title": "Emma"})).status == 201
    statuses: list[int] = []

    async def rename(title: str) -> None:
        statuses.append((await ask(app, "/books/1/rename", method="POST", json={"title": title})).status)

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(rename, f"Emma {number}")
    assert statuses == [204] * 30
    await app.aclose()


def test_a_commit_that_fails_decides_the_response() -> None:
    with TestClient(application(PAGE, "Transactions")) as client:
        assert client.post("/shop/users/ada@example.com").json() == 1
        again = client.post("/shop/users/ada@example.com")
        assert (again.status_code, again.json()["detail"]) == (409, "There is an account with this address already.")
        assert client.post("/shop/users/bob@example.com").json() == 2
        assert client.post("/shop/orders/1").status_code == 201
        refused = client.post("/shop/orders/7")
        assert (refused.status_code, refused.json()["detail"]) == (409, "The database does not allow this.")


def test_the_pages_of_a_list_are_followed_to_their_end() -> None:
    with TestClient(application(PAGE, "Pagination"), validate=True) as client:
        empty = client.get("/books")
        assert (empty.json(), "link" in empty.headers) == ({"items": [], "next": None}, False)
        for title in "abcde":
            client.post(f"/books/{title}")
        seen, address = [], "/books?limit=2"
        while address is not None:
            answer = client.get(address)
            page = answer.json()
            seen.append("".join(each["title"] for each in page["items"]))
            address = page["next"]
            assert answer.headers.get("link") == (None if address is None else f'<{address}>; rel="next"')
            if len(seen) == 1:
                client.post("/books/f")  # a row that is added meanwhile moves no page
        assert seen == ["ab", "cd", "ef"]
        assert client.get("/books?limit=5").json()["next"] == "/books?after=5&limit=5"
        assert client.get("/books?limit=6").json()["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=-1", "after=x", "limit=many"])
def test_a_page_has_bounds(query: str) -> None:
    with TestClient(application(PAGE, "Pagination")) as client:
        refused = client.get(f"/books?{query}")
        assert refused.status_code == 422
        assert [each["location"] for each in refused.json()["errors"]] == [f"/query/{query.partition('=')[0]}"]


BOOKING = {"room": 7, "begins": "2027-05-01", "ends": "2027-05-04"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 409),
        ({"begins": "2027-05-03", "ends": "2027-05-09"}, 409),
        ({"begins": "2027-04-01", "ends": "2027-05-02"}, 409),
        ({"begins": "2027-05-02", "ends": "2027-05-03"}, 409),
        ({"begins": "2027-04-01", "ends": "2027-06-01"}, 409),
        ({"begins": "2027-05-04", "ends": "2027-05-05"}, 201),
        ({"begins": "2027-04-30", "ends": "2027-05-01"}, 201),
        ({"room": 8}, 201),
        ({"ends": "2027-05-01"}, 422),
    ],
)
def test_bookings_that_overlap_are_refused(change: dict[str, Any], status: int) -> None:
    with TestClient(application(PAGE, BOOKINGS)) as client:
        assert client.post("/bookings", json=BOOKING).status_code == 201
        assert client.post("/bookings", json=BOOKING | change).status_code == status


@pytest.mark.parametrize(("before", "accepted"), [("", 1), ("without BEGIN IMMEDIATE", 10)])
async def test_of_bookings_at_the_same_time_one_is_accepted(before: str, accepted: int) -> None:
    """All find the room free before the first one writes, unless the transaction has begun before they ask."""
    (code,) = (code for heading, code in blocks(PAGE) if heading == BOOKINGS)
    begin = 'await self.db.execute(text("BEGIN IMMEDIATE"))'
    assert begin in code
    asked = "if await self.db.scalar(overlaps.limit(1)) is not None:"
    together = asked.replace("if await", "found = await").replace(" is not None:", "")
    code = code.replace(asked, f"{together}\n        await all_have_asked()\n        if found is not None:")
    if before:
        code = code.replace(begin, "pass")
    barrier = asyncio.Barrier(10)

    async def all_have_asked() -> None:
        if before:
            await barrier.wait()

    names: dict[str, Any] = {"__name__": "bookings", "all_have_asked": all_have_asked}
    exec(compile(code, PAGE, "exec", dont_inherit=True), names)
    statuses: list[int] = []

    async def book() -> None:
        statuses.append((await ask(names["app"], "/bookings", method="POST", json=BOOKING)).status)

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(book)
    assert sorted(statuses) == [201] * accepted + [409] * (10 - accepted)
    await names["app"].aclose()


@pytest.mark.postgres
async def test_postgresql_refuses_bookings_that_overlap(postgres_server: PostgresServer) -> None:
    names = names_of(PAGE, "Bookings on PostgreSQL")
    row = names["BookingRow"]
    engine = create_async_engine(postgres_server.url.replace("postgresql:", "postgresql+psycopg:", 1))
    async with engine.begin() as connection:
        await connection.run_sync(names["Table"].metadata.create_all)
    outcomes: list[str] = []

    async def book(room: int, begins: date, ends: date) -> None:
        async with AsyncSession(engine) as db:
            db.add(row(room=room, begins=begins, ends=ends))
            try:
                await db.flush()
                await db.commit()
                outcomes.append("booked")
            except IntegrityError as error:
                outcomes.append("taken" if "no_overlaps" in str(error) else str(error))

    first, fourth, ninth = date(2027, 5, 1), date(2027, 5, 4), date(2027, 5, 9)
    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(book, 7, first, fourth)
        assert sorted(outcomes) == ["booked", *["taken"] * 4]
        for room, begins, ends in ((7, fourth, ninth), (8, first, ninth), (7, first, ninth)):
            await book(room, begins, ends)
        assert outcomes[5:] == ["booked", "booked", "taken"]
    finally:
        async with engine.begin() as connection:
            await connection.run_sync(names["Table"].metadata.drop_all)
            await connection.execute(text("DROP EXTENSION btree_gist"))
        await engine.dispose()


async def test_a_shielded_query_ends_and_leaves_nothing_behind() -> None:
    engine = create_async_engine("sqlite+aiosqlite:///numbers.db")
    before = asyncio.all_tasks()
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*) FROM n"
    with anyio.move_on_after(0.01) as limit:
        with anyio.CancelScope(shield=True):
            async with AsyncSession(engine) as db:
                assert await db.scalar(text(numbers)) == 300_000
        await anyio.lowlevel.checkpoint()
    assert limit.cancelled_caught
    assert asyncio.all_tasks() == before
    await engine.dispose()


@pytest.mark.process
@pytest.mark.long
@pytest.mark.parametrize("has_tables", [False, True])
def test_a_project_of_your_own_gets_migrations(tmp_path: Path, *, has_tables: bool) -> None:
    code = next(code for heading, code in blocks(PAGE) if heading == "A session for each request")
    (tmp_path / "app.py").write_text(code)
    section = (GUIDE / PAGE).read_text().partition("## Migrations in a project of your own\n")[2].partition("\n## ")[0]
    if has_tables:
        with TestClient(application(PAGE, "A session for each request")):
            section = section.replace("$ alembic upgrade head", "$ alembic stamp head")
    (tmp_path / "page.md").write_text(section)
    reader = Reader(tmp_path)
    reader.read(tmp_path / "page.md")
    reader.type("alembic check", "", PAGE)
    engine = create_engine(f"sqlite:///{tmp_path}/books.db")
    assert set(inspect(engine).get_table_names()) == {"alembic_version", "books"}
    engine.dispose()
    (tmp_path / "app.py").write_text(code.replace("    title: Mapped[str]\n", "", 1))
    with pytest.raises(AssertionError, match="New upgrade operations detected"):
        reader.type("alembic check", "", PAGE)


def test_the_two_commits_are_tested_as_the_page_says() -> None:
    """The table of the page is that of `tests/test_sqlalchemy.py`."""
    page = (Path(__file__).parents[2] / "docs" / "guide" / PAGE).read_text()
    rows = [line for line in page.partition("## Two commits")[2].partition("## ")[0].splitlines() if line[:1] == "|"]
    assert len(rows) == 6
    assert "503 with `Retry-After`, no cookie | **the new row** | nothing" in rows[-1]


async def test_the_pool_has_15_connections_as_the_page_says(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/pool.db", pool_timeout=0.01)
    async with AsyncExitStack() as stack:
        for _ in range(15):
            await stack.enter_async_context(engine.connect())
        with pytest.raises(PoolExhausted, match="QueuePool limit of size 5 overflow 10"):
            await engine.connect()
    await engine.dispose()


async def test_an_open_stream_holds_no_connection_of_a_pool_of_one() -> None:
    app = application(PAGE, "Streams and sockets")
    first = anyio.Event()
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        if message.get("body"):
            sent.append(message["body"])
            first.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(partial(ask, app, "/visits/live", sends=send))
        await first.wait()
        while len(sent) < 3:
            await anyio.wait_all_tasks_blocked()
        assert await held(app) == 0
        assert (await ask(app, "/visits/home", method="POST")).json() == "counted"
        tasks.cancel_scope.cancel()
    assert {json.loads(each.removeprefix(b"data: "))["visits"] for each in sent} == {0}
    await app.aclose()


def test_each_message_and_each_task_has_a_transaction_of_its_own() -> None:
    app = application(PAGE, "Streams and sockets")
    with TestClient(app) as client:
        client.post("/visits/home")
        with client.websocket_connect("/visits/socket") as socket:
            for count in (2, 3):
                socket.send_json("about")
                assert socket.receive_json() == count
            assert client.portal is not None
            assert client.portal.call(held, app) == 0


def test_a_test_is_rolled_back() -> None:
    names = names_of(PAGE, "Tests")  # it asserts for itself
    for _ in range(2):
        app = names["create_app"]()
        with app.override(names["sessions"].key, names["sessions"]), TestClient(app, raise_exceptions=False) as client:
            assert client.get("/notes").json() == 0
            assert client.post("/notes/first").status_code == 204
            assert client.post("/notes/first").status_code == 500  # the commit fails as it does in production
            assert client.post("/notes/second").status_code == 204
            assert client.get("/notes").json() == 2


def test_a_moment_keeps_its_time_zone_in_sqlite() -> None:
    names = names_of(PAGE, "Moments and time zones")
    engine = create_engine("sqlite://")
    names["Table"].metadata.create_all(engine)
    noon = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with Session(engine) as db:
        db.add(names["EventRow"](begins=noon))
        db.commit()
        found = db.scalars(select(names["EventRow"].begins)).one()
    engine.dispose()
    assert (found, found.utcoffset()) == (noon, timedelta(0))
