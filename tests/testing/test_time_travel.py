"""`travel()` and `freeze()`: one clock for stores, cookies, guards, limits and the code of an application."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kick import App, Controller, Get, Module, Post, RequestContext, bootstrap, clock
from kick.auth import Authenticated, LoginLimit, login
from kick.clock import CLOCK
from kick.middleware import rate_limit
from kick.session import session
from kick.testing import TestClient, freeze, travel
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"


@Controller("")
class Account:
    def __init__(self, limit: LoginLimit) -> None:
        self.limit = limit

    @Post("/login")
    async def log_in(self, ctx: RequestContext) -> None:
        await login(ctx, 7)

    @Post("/fail/{name}")
    async def fail(self, ctx: RequestContext, name: str) -> None:
        async with self.limit.attempt(ctx, name):
            raise PermissionError

    @Get("/me")
    async def me(self, ctx: RequestContext) -> list[str | None]:
        return [ctx.session.principal]

    @Post("/theme")
    async def theme(self, ctx: RequestContext) -> None:
        ctx.session["theme"] = "dark"

    @Authenticated(max_age=timedelta(minutes=10))
    @Get("/close")
    async def close(self) -> str:
        return "closed"

    @Get("/cookie")
    async def cookie(self, ctx: RequestContext) -> list[str | None]:
        seen = [ctx.cookies.get("seen")]
        ctx.set_cookie("seen", "yes", max_age=60)
        return seen

    @Get("/time")
    async def time(self) -> float:
        return clock.time()


async def refused(ctx: RequestContext, error: PermissionError) -> Any:
    return ctx.problem(403, "no")


@Controller("/limited")
class Limited:
    @Get()
    async def limited(self) -> str:
        return "yes"


def make(store: object = None, **options: Any) -> App:
    limit = LoginLimit("2/hour", secret=SECRET)
    options = {"save_uninitialized": False, "max_age": timedelta(hours=24), "store_timeout": 30, **options}
    layer = session(SECRET, store=store, **options)
    account = Module("account", controllers=[Account], providers=[limit])
    limited = Module("limited", controllers=[Limited], middleware=[rate_limit("2/minute")])
    return bootstrap([account, limited], [layer], exception_handlers={PermissionError: refused})


class Dictionary:
    """A store as users write one."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    async def get(self, sid: str) -> dict[str, Any] | None:
        return self.rows.get(sid)

    async def set(self, sid: str, data: dict[str, Any], max_age: float) -> None:
        self.rows[sid] = data

    async def destroy(self, sid: str) -> None:
        self.rows.pop(sid, None)


class Lapsing(Dictionary):
    """One whose database lets rows expire."""

    async def touch(self, sid: str, max_age: float) -> None: ...


STORES: dict[str, Callable[[Path, Any], object]] = {
    "memory": lambda folder, request: None,
    "sqlite": lambda folder, request: f"sqlite:///{folder}/sessions.db",
    "custom": lambda folder, request: Dictionary(),
    "redis": lambda folder, request: request.getfixturevalue("redis_url"),
    "postgres": lambda folder, request: request.getfixturevalue("postgres_url"),
}
SERVERS = [pytest.param(kind, marks=getattr(pytest.mark, kind)) for kind in ("redis", "postgres")]


@pytest.fixture(params=["memory", "sqlite", "custom", *SERVERS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    return STORES[request.param](tmp_path, request)


@pytest.fixture
def client(store: object) -> Iterator[TestClient]:
    with TestClient(make(store)) as client:
        yield client


@pytest.fixture(autouse=True)
def the_clock_is_that_of_the_machine_afterwards() -> Iterator[None]:
    yield
    assert CLOCK.moved is None
    assert CLOCK.time is time.time


class TestSessions:
    def test_a_session_lives_as_long_as_it_should_and_no_longer(self, client: TestClient) -> None:
        client.post("/login")
        with travel(client, hours=23):
            assert client.get("/me").json() == ["7"]
        with travel(client, hours=25):
            assert client.get("/me").json() == [None]

    def test_its_cookie_goes_with_it(self, client: TestClient) -> None:
        client.post("/login")
        with travel(client, hours=23):
            client.get("/me")
            assert "kick.sid" in client.cookies
        with travel(client, hours=25):
            client.get("/me")
            assert "kick.sid" not in client.cookies

    def test_a_client_that_keeps_its_cookie_has_no_session_either(self, client: TestClient) -> None:
        client.post("/login")
        cookies = dict(client.cookies)
        with travel(client, hours=25):
            client.cookies.clear()
            client.cookies.update(cookies)
            assert client.get("/me").json() == [None]

    def test_a_session_that_began_in_another_time_lives_on_in_it(self, client: TestClient) -> None:
        with travel(client, days=400) as moment:
            client.post("/login")
            moment.move(hours=23)
            assert client.get("/me").json() == ["7"]
            moment.move(hours=2)
            assert client.get("/me").json() == [None]

    def test_writes_extend_it(self, client: TestClient) -> None:
        client.post("/login")
        with travel(client, hours=23) as moment:
            client.post("/theme")
            moment.move(hours=23)
            client.post("/theme")
            assert client.get("/me").json() == ["7"]

    def test_a_session_in_a_frozen_time(self, client: TestClient) -> None:
        with freeze(client, datetime(2031, 1, 1, tzinfo=UTC)) as moment:
            client.post("/login")
            moment.move(hours=23)
            assert client.get("/me").json() == ["7"]
            moment.move(hours=1)
            assert client.get("/me").json() == [None]

    def test_a_session_in_the_past(self, client: TestClient) -> None:
        with freeze(client, datetime(2020, 1, 1, tzinfo=UTC)) as moment:
            client.post("/login")
            client.post("/theme")
            assert client.get("/me").json() == ["7"]
            moment.move(hours=23)
            assert client.get("/me").json() == ["7"]


def test_the_deadline_of_a_rolling_session_comes() -> None:
    with TestClient(make(rolling=True, absolute_max_age=timedelta(days=30))) as client:
        client.post("/login")
        with travel(client) as moment:
            for _ in range(29):
                moment.move(hours=23)
                assert client.get("/me").json() == ["7"]
            moment.move(days=3)
            assert client.get("/me").json() == [None]


def test_a_guard_asks_for_a_new_login() -> None:
    with TestClient(make()) as client:
        client.post("/login")
        assert client.get("/close").json() == "closed"
        with travel(client, minutes=11):
            assert client.get("/close").json()["code"] == "reauthenticate"
            client.post("/login")
            assert client.get("/close").json() == "closed"


def test_limits_are_over_when_their_time_is() -> None:
    with TestClient(make()) as client:
        assert [client.get("/limited").status_code for _ in range(3)] == [200, 200, 429]
        with travel(client, seconds=121):
            assert client.get("/limited").status_code == 200


def test_attempts_to_log_in_are_forgotten_when_their_time_has_come() -> None:
    with TestClient(make()) as client:
        assert [client.post("/fail/ada").status_code for _ in range(3)] == [403, 403, 429]
        with travel(client, minutes=30):
            assert client.post("/fail/ada").status_code == 429
        with travel(client, hours=2, seconds=1):
            assert client.post("/fail/ada").status_code == 403


def test_a_cookie_of_the_application_expires_in_the_client() -> None:
    with TestClient(make()) as client:
        client.get("/cookie")
        with travel(client, seconds=40):  # of sixty
            assert client.get("/cookie").json() == ["yes"]
            with travel(client, seconds=40):
                assert client.get("/cookie").json() == ["yes"]
            with travel(client, seconds=180):
                assert client.get("/cookie").json() == [None]


def test_the_code_of_the_application_reads_the_same_clock() -> None:
    with TestClient(make()) as client:
        with travel(client, timedelta(days=1), hours=1):
            assert 89_999 < client.get("/time").json() - time.time() < 90_010
        with freeze(client, datetime(2030, 1, 1, tzinfo=UTC)):
            assert client.get("/time").json() == datetime(2030, 1, 1, tzinfo=UTC).timestamp()
        assert abs(client.get("/time").json() - time.time()) < 10


class TestNesting:
    def test_travels_add_up_and_end_one_by_one(self) -> None:
        app = make()
        begun = clock.now()
        with travel(app, hours=1):
            with travel(app, hours=2) as moment:
                assert timedelta(hours=3) <= moment.now - begun < timedelta(hours=3, minutes=1)
            assert timedelta(hours=1) <= clock.now() - begun < timedelta(hours=1, minutes=1)

    def test_a_frozen_clock_moves_and_stands_again(self) -> None:
        app = make()
        with freeze(app) as moment:
            first, steady = moment.now, clock.monotonic()
            assert moment.now == first
            with travel(app, minutes=5):
                assert moment.now == first + timedelta(minutes=5)
                assert clock.monotonic() == pytest.approx(steady + 300)
            assert moment.now == first

    def test_an_error_in_the_block_ends_it_too(self) -> None:
        with pytest.raises(KeyError), travel(make(), hours=1):
            raise KeyError


class TestMistakes:
    def test_time_does_not_go_back(self) -> None:
        with pytest.raises(ValueError, match="forward"), travel(make(), hours=-1):
            pass

    def test_a_moment_has_a_zone(self) -> None:
        with pytest.raises(ValueError, match="time zone"), freeze(make(), datetime(2030, 1, 1)):  # noqa: DTZ001
            pass

    def test_a_store_whose_clock_stays_is_named(self) -> None:
        with raises_code("test-clock"), travel(make(Lapsing()), hours=1):
            pass
