"""Transactions, commits and pools of SQLAlchemy, the way its users write them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import ForeignKey, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import QueuePool
from starlette.types import Message

from kick import (
    App,
    Conflict,
    Controller,
    Get,
    Module,
    Post,
    Provider,
    RequestContext,
    Response,
    Scopes,
    Service,
    Socket,
    WebSocket,
    bootstrap,
)
from kick.auth import authentication, login
from kick.session import MemoryStore, session
from kick.session.stores.postgres import PostgresStore
from kick.testing import TestClient
from tests.http.support import Answer, ask
from tests.support.postgres import PostgresServer

STREAMS = 200
POOL = 5


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Order(Base):
    """Its foreign key is checked at the commit, and not before."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", deferrable=True, initially="DEFERRED"))


@Service(scope="singleton")
async def open_engine(path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=POOL, max_overflow=0)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


async def get_db(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as db, db.begin():
        await db.execute(text("PRAGMA foreign_keys = ON"))
        yield db


class Users:
    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def add(self, name: str) -> User:
        user = User(name=name)
        self.db.add(user)
        return user

    async def count(self) -> int:
        return (await self.db.scalars(select(func.count()).select_from(User))).one()


async def load_user(user_id: int, db: AsyncSession) -> User | None:
    return await db.get(User, user_id)


@Controller("/users")
class UserController:
    def __init__(self, users: Users) -> None:
        self.users = users

    @Post("/{name}")
    async def add(self, ctx: RequestContext, name: str) -> str:
        await self.users.add(name)
        ctx.session["added"] = name
        return name

    @Post("/{name}/broken")
    async def broken(self, name: str) -> None:
        await self.users.add(name)
        raise LookupError("after the insert")

    @Post("/{user_id}/orders")
    async def order(self, ctx: RequestContext, user_id: int, db: AsyncSession) -> str:
        db.add(Order(user_id=user_id))
        ctx.session["ordered"] = True
        return "ordered"

    @Get("/count")
    async def count(self) -> int:
        return await self.users.count()

    @Get("/added")
    async def added(self, ctx: RequestContext) -> list[Any]:
        return [ctx.session.get("added"), ctx.session.get("ordered")]

    @Post("/{name}/login")
    async def login(self, ctx: RequestContext, name: str, db: AsyncSession) -> None:
        user = (await db.scalars(select(User).where(User.name == name))).one()
        await login(ctx, user.id)

    @Get("/me")
    async def me(self, user: User) -> str:
        return user.name

    @Get("/events")
    async def events(self, ctx: RequestContext, user: User, scopes: Scopes) -> Response:
        async def events() -> AsyncIterator[str]:
            async with scopes.open() as scope:
                count = await (await scope.get(Users)).count()
            yield f"{user.name} of {count}"
            await anyio.sleep_forever()

        return ctx.sse(events(), heartbeat=None)

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, int], user: User, scopes: Scopes, app: App) -> None:
        async for _ in socket:
            async with scopes.open() as scope:
                count = await (await scope.get(Users)).count()
            await socket.send(count if app.container else -1)


def application(path: Path, *providers: Any, **options: Any) -> App:
    return bootstrap(
        [Module("users", controllers=[UserController])],
        [session("a secret of at least thirty-two bytes", save_uninitialized=False), authentication(load_user)],
        providers=[Provider(Path, value=path / "users.db"), open_engine, Users, *(providers or [get_db])],
        **options,
    )


def brief() -> Provider:
    return Provider(AsyncSession, get_db, scope="handler")


def test_each_request_has_a_transaction_of_its_own(tmp_path: Path) -> None:
    with TestClient(application(tmp_path), raise_exceptions=False) as client:
        assert client.post("/users/ada").json() == "ada"
        assert client.get("/users/count").json() == 1
        assert client.post("/users/bob/broken").status_code == 500
        assert client.get("/users/count").json() == 1
    with TestClient(application(tmp_path)) as client:  # what was answered is in the file
        assert client.get("/users/count").json() == 1


class TestFailingCommits:
    """The name is a duplicate, or the foreign key of an order leads nowhere: the commit after the `yield` fails."""

    PATHS = pytest.mark.parametrize("path", ["/users/ada", "/users/7/orders"])
    LIFETIMES = pytest.mark.parametrize("provider", [get_db, brief()], ids=["request", "handler"])

    @PATHS
    @LIFETIMES
    def test_middleware_sees_the_error_itself(self, tmp_path: Path, path: str, provider: Any) -> None:
        seen: list[type[Exception]] = []

        async def forgiving(ctx: RequestContext, call_next: Callable[..., Awaitable[Response]]) -> Response:
            try:
                return await call_next(ctx)
            except IntegrityError as error:
                seen.append(type(error))
                return ctx.text("taken", 409)

        app = bootstrap(
            [Module("users", controllers=[UserController], middleware=[forgiving])],
            [session("a secret of at least thirty-two bytes", save_uninitialized=False), authentication(load_user)],
            providers=[Provider(Path, value=tmp_path / "users.db"), open_engine, Users, provider],
        )
        with TestClient(app) as client:
            client.post("/users/ada")
            client.cookies.clear()
            assert client.post(path).status_code == 409
            assert client.get("/users/added").json() == [None, None]
        assert seen == [IntegrityError]

    @PATHS
    @LIFETIMES
    def test_an_exception_handler_answers(self, tmp_path: Path, path: str, provider: Any) -> None:
        async def taken(ctx: RequestContext, error: IntegrityError) -> Response:
            return ctx.problem(409, "Taken.")

        with TestClient(application(tmp_path, provider, exception_handlers={IntegrityError: taken})) as client:
            client.post("/users/ada")
            client.cookies.clear()
            answer = client.post(path)
            assert (answer.status_code, answer.json()["detail"]) == (409, "Taken.")
            assert "set-cookie" not in answer.headers

    @PATHS
    def test_a_provider_may_make_an_answer_of_it(self, tmp_path: Path, path: str) -> None:
        async def polite_db(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
            try:
                async with AsyncSession(engine) as db, db.begin():
                    await db.execute(text("PRAGMA foreign_keys = ON"))
                    yield db
            except IntegrityError as error:
                raise Conflict("There is one already.") from error

        with TestClient(application(tmp_path, polite_db)) as client:
            client.post("/users/ada")
            assert client.get("/users/added").json() == ["ada", None]
            client.cookies.clear()
            answer = client.post(path)
            assert (answer.status_code, answer.json()["detail"]) == (409, "There is one already.")
            assert client.get("/users/added").json() == [None, None]
            assert client.get("/users/count").json() == 1


class UnsureStore(MemoryStore):
    """Takes no commit while it is `down`."""

    down = False

    async def create(self, *args: Any, **options: Any) -> Any:
        await self._fail()
        return await super().create(*args, **options)

    async def commit(self, *args: Any, **options: Any) -> Any:
        await self._fail()
        return await super().commit(*args, **options)

    async def _fail(self) -> None:
        if self.down:
            raise ConnectionError("the store is down")


class FullServer:
    """A table of sessions in PostgreSQL, which takes no commit while it is `down`, as with a full disk."""

    def __init__(self, server: PostgresServer) -> None:
        self.url = server.store_url()
        self._server = server
        self._table = self.url.partition("table=")[2]

        async def migrate() -> None:
            store = PostgresStore(self.url, timeout=30)
            await store.migrate()
            await store.aclose()

        asyncio.run(migrate())
        server.run(
            f"CREATE FUNCTION refuse_{self._table}() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no space left'; END $$"
        )
        server.run(
            f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {self._table} EXECUTE FUNCTION refuse_{self._table}()"
        )
        self.down = False

    @property
    def down(self) -> bool:
        return self._is_down

    @down.setter
    def down(self, is_down: bool) -> None:
        self._server.run(f"ALTER TABLE {self._table} {'ENABLE' if is_down else 'DISABLE'} TRIGGER refuse")
        self._is_down = is_down


class TestTwoCommits:
    """A request that writes to the database and to its session: the database first, then the session.

    It is the table in `docs/guide/database.md`. The session is new, or has a value already.
    """

    KNOWN = pytest.mark.parametrize("known", [False, True], ids=["new session", "known session"])
    LIFETIMES = pytest.mark.parametrize("provider", [get_db, brief()], ids=["request", "handler"])

    @pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
    def store(self, request: pytest.FixtureRequest) -> UnsureStore | FullServer:
        return UnsureStore() if request.param == "memory" else FullServer(request.getfixturevalue("postgres_server"))

    def application(self, path: Path, provider: Any, store: UnsureStore | FullServer) -> App:
        return bootstrap(
            [Module("users", controllers=[UserController])],
            [
                session(
                    "a secret of at least thirty-two bytes",
                    store=getattr(store, "url", store),
                    store_timeout=30,
                    save_uninitialized=False,
                ),
                authentication(load_user),
            ],
            providers=[Provider(Path, value=path / "users.db"), open_engine, Users, provider],
        )

    def begun(self, client: TestClient, known: bool) -> str | None:
        """Add a user, in the session that is then known; what the session holds of it."""
        client.post("/users/bob")
        if not known:
            client.cookies.clear()
        return "bob" if known else None

    @KNOWN
    @LIFETIMES
    def test_both_succeed(self, tmp_path: Path, provider: Any, known: bool, store: UnsureStore | FullServer) -> None:
        with TestClient(self.application(tmp_path, provider, store), raise_exceptions=False) as client:
            self.begun(client, known)
            answer = client.post("/users/ada")
            assert answer.status_code == 200
            assert known or "set-cookie" in answer.headers  # that of a known session is sent again once a minute
            assert client.get("/users/count").json() == 2
            assert client.get("/users/added").json() == ["ada", None]

    @KNOWN
    @LIFETIMES
    def test_the_database_fails_and_nothing_is_in_either(
        self, tmp_path: Path, provider: Any, known: bool, store: UnsureStore | FullServer
    ) -> None:
        with TestClient(self.application(tmp_path, provider, store), raise_exceptions=False) as client:
            before = self.begun(client, known)
            answer = client.post("/users/7/orders")  # its foreign key is checked at the commit
            assert answer.status_code == 500
            assert "set-cookie" not in answer.headers
            assert client.get("/users/count").json() == 1
            assert client.get("/users/added").json() == [before, None]

    @KNOWN
    @LIFETIMES
    def test_the_session_fails_and_the_row_is_there(
        self, tmp_path: Path, provider: Any, known: bool, store: UnsureStore | FullServer
    ) -> None:
        with TestClient(self.application(tmp_path, provider, store), raise_exceptions=False) as client:
            before = self.begun(client, known)
            store.down = True
            answer = client.post("/users/ada")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "set-cookie" not in answer.headers
            store.down = False
            assert client.get("/users/count").json() == 2
            assert client.get("/users/added").json() == [before, None]
            assert client.post("/users/ada").status_code == 500  # the second attempt finds the row

    @KNOWN
    @LIFETIMES
    def test_both_fail_and_the_client_hears_of_the_database(
        self, tmp_path: Path, provider: Any, known: bool, store: UnsureStore | FullServer
    ) -> None:
        with TestClient(self.application(tmp_path, provider, store), raise_exceptions=False) as client:
            before = self.begun(client, known)
            store.down = True
            assert client.post("/users/7/orders").status_code == 500
            store.down = False
            assert client.get("/users/count").json() == 1
            assert client.get("/users/added").json() == [before, None]


async def _cookie_of(app: App) -> dict[str, str]:
    await ask(app, "/users/ada", method="POST")
    answer = await ask(app, "/users/ada/login", method="POST")
    (cookie,) = answer.all("set-cookie")
    return {"cookie": cookie.partition(";")[0]}


async def _open_stream(app: App, headers: dict[str, str], first: Callable[[bytes], None]) -> None:
    answer = Answer()

    async def send(message: Message) -> None:
        answer.messages.append(message)
        if message.get("body"):
            first(message["body"])

    await ask(app, "/users/events", headers=headers, sends=send)


async def _pool_of(app: App) -> QueuePool:
    pool = (await app.container.get(AsyncEngine)).pool
    assert isinstance(pool, QueuePool)
    return pool


async def test_many_open_event_streams_hold_no_connection(tmp_path: Path) -> None:
    app = application(tmp_path, brief())
    headers, pool = await _cookie_of(app), await _pool_of(app)
    begun: list[bytes] = []
    all_begun = anyio.Event()

    def first(body: bytes) -> None:
        begun.append(body)
        if len(begun) == STREAMS:
            all_begun.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(STREAMS):
            tasks.start_soon(_open_stream, app, headers, first)
        await all_begun.wait()
        await anyio.wait_all_tasks_blocked()
        assert pool.checkedout() == 0
        assert (await ask(app, "/users/me", headers=headers)).json() == "ada"
        tasks.cancel_scope.cancel()
    assert set(begun) == {b"data: ada of 1\n\n"}
    await app.aclose()


async def test_a_stream_holds_what_lives_as_long_as_the_request(tmp_path: Path) -> None:
    app = application(tmp_path)
    headers, pool = await _cookie_of(app), await _pool_of(app)
    begun = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_open_stream, app, headers, lambda _: begun.set())
        await begun.wait()
        await anyio.wait_all_tasks_blocked()
        assert pool.checkedout() == 1
        tasks.cancel_scope.cancel()
    assert pool.checkedout() == 0
    await app.aclose()


@pytest.mark.parametrize(("provider", "held"), [(brief(), 0), (get_db, 1)], ids=["handler", "request"])
def test_a_socket_holds_what_lives_as_long_as_the_request(tmp_path: Path, provider: Any, held: int) -> None:
    app = application(tmp_path, provider)
    with TestClient(app) as client:
        client.post("/users/ada")
        client.post("/users/ada/login")
        assert client.portal is not None
        pool = client.portal.call(partial(_pool_of, app))
        with client.websocket_connect("/users/socket") as socket:
            socket.send_text("how many?")
            assert socket.receive_json() == 1
            assert pool.checkedout() == held
