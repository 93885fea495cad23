"""Background tasks with a scope of their own."""

import functools
import logging
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from kick import App, Controller, Get, KickError, Provider, RequestContext, Response, Scopes, Service
from tests.http.support import app_of, ask


class Db:
    """A stand-in for a database session."""

    opened: list["Db"]

    def __init__(self) -> None:
        self.state = "open"
        self.rows: list[str] = []


class Opened(list[Db]):
    """All database sessions, in order."""


async def open_db(opened: Opened) -> AsyncIterator[Db]:
    db = Db()
    opened.append(db)
    try:
        yield db
    except BaseException:
        db.state = "rolled back"
        raise
    db.state = "committed"


class Users:
    def __init__(self, db: Db) -> None:
        self.db = db

    async def add(self, name: str) -> None:
        self.db.rows.append(name)


class User:
    """Data, which may be passed on."""

    def __init__(self, name: str) -> None:
        self.name = name


def current_user(ctx: RequestContext, db: Db) -> User:
    return User(ctx.headers.get("x-user", "nobody"))


@Service()
class Mailer:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, address: str, *, subject: str = "Hello") -> None:
        self.sent.append(f"{address} {subject}")


async def record(name: str, users: Users, *, db: Db, prefix: str = "") -> None:
    assert users.db is db
    assert db.state == "open"
    await users.add(prefix + name)


def record_in_a_thread(users: Users, name: str) -> None:
    users.db.rows.append(f"{name} {threading.current_thread() is threading.main_thread()}")


async def broken(users: Users) -> None:
    await users.add("lost")
    raise LookupError("in the background")


def app_doing(act: Callable[[Any], Any], opened: Opened, **options: Any) -> App:
    @Controller()
    class Doing:
        def __init__(self, users: Users, mailer: Mailer, user: User) -> None:
            self.users = users
            self.mailer = mailer
            self.user = user

        async def method(self) -> None: ...

        @Get("/")
        async def do(self, ctx: RequestContext, db: Db) -> Any:
            self.ctx = ctx
            self.db = db
            return act(self)

    return app_of(Doing, providers=[opened, open_db, Users, current_user], **options)


class TestInjection:
    @pytest.mark.parametrize(
        ("add", "row"),
        [
            (lambda it: it.ctx.background(record, "ada"), "ada"),
            (lambda it: it.ctx.background(record, name="ada", prefix="Ms "), "Ms ada"),
            (lambda it: it.ctx.background(functools.partial(record, "ada"), prefix="x"), "xada"),
            (lambda it: it.ctx.background(record_in_a_thread, name="ada"), "ada False"),
        ],
    )
    async def test_what_is_not_passed_is_resolved_in_a_fresh_scope(self, add: Any, row: str) -> None:
        opened = Opened()
        assert (await ask(app_doing(add, opened), "/")).status == 204
        assert [(each.state, each.rows) for each in opened] == [("committed", []), ("committed", [row])]

    async def test_each_task_has_a_scope_of_its_own(self) -> None:
        opened = Opened()

        def act(it: Any) -> None:
            it.ctx.background(record, "ada")
            it.ctx.background(record, "bob")

        await ask(app_doing(act, opened), "/")
        assert [each.rows for each in opened] == [[], ["ada"], ["bob"]]

    async def test_a_task_that_fails_rolls_back_and_the_next_one_runs(self, caplog: pytest.LogCaptureFixture) -> None:
        opened, told = Opened(), list[Exception]()

        def act(it: Any) -> None:
            it.ctx.background(broken)
            it.ctx.background(record, "bob")

        with caplog.at_level(logging.ERROR):
            await ask(app_doing(act, opened, on_error=lambda ctx, error: told.append(error)), "/")
        assert [each.state for each in opened] == ["committed", "rolled back", "committed"]
        assert "broken failed, after the response to GET /" in caplog.text
        assert [repr(each) for each in told] == ["LookupError('in the background')"]

    async def test_a_clean_up_that_fails_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        class Unit: ...

        async def unit() -> AsyncIterator[Unit]:
            yield Unit()
            raise OSError("the commit failed")

        async def work(unit: Unit) -> None: ...

        work.__annotations__["unit"] = Unit

        @Controller()
        class UnitController:
            @Get("/")
            async def do(self, ctx: RequestContext) -> None:
                ctx.background(work)

        with caplog.at_level(logging.ERROR):
            assert (await ask(app_of(UnitController, providers=[unit]), "/")).status == 204
        assert "the commit failed" in caplog.text

    async def test_a_provider_that_takes_the_context_is_given_it(self) -> None:
        seen: list[str] = []

        async def greet(user: User, ctx: RequestContext) -> None:
            seen.append(f"{user.name} {ctx.path}")

        app = app_doing(lambda it: it.ctx.background(greet), Opened())
        await ask(app, "/", headers={"x-user": "ada"})
        assert seen == ["ada /"]

    async def test_it_may_open_scopes_of_its_own(self) -> None:
        opened, apps = Opened(), list[App]()

        async def record_all(scopes: Scopes, app: App) -> None:
            apps.append(app)
            for name in ("ada", "bob"):
                async with scopes.open() as scope:
                    await (await scope.get(Users)).add(name)

        app = app_doing(lambda it: it.ctx.background(record_all), opened)
        await ask(app, "/")
        assert [(each.state, each.rows) for each in opened[1:]] == [("committed", ["ada"]), ("committed", ["bob"])]
        assert apps == [app]

    async def test_an_override_is_injected(self) -> None:
        app = app_doing(lambda it: it.ctx.background(record, "ada"), Opened())
        fake = Db()
        with app.override(Db, fake):
            await ask(app, "/")
        assert fake.rows == ["ada"]

    async def test_a_default_stays_where_nobody_provides_the_type(self) -> None:
        seen: list[int] = []

        async def count(by: int = 7) -> None:
            seen.append(by)

        await ask(app_doing(lambda it: it.ctx.background(count), Opened()), "/")
        assert seen == [7]

    async def test_it_works_without_a_scope_of_the_request(self) -> None:
        @Controller("/plain")
        class PlainController:
            @Get("/")
            async def do(self, ctx: RequestContext) -> None:
                ctx.background(record, "ada")

        opened = Opened()
        await ask(app_of(PlainController, providers=[opened, open_db, Users]), "/plain")
        assert [each.rows for each in opened] == [["ada"]]

    async def test_after_a_stream_it_runs_when_the_request_has_ended(self) -> None:
        opened, seen = Opened(), list[str]()

        async def look(opened: Opened) -> None:
            seen.append(opened[0].state)

        def act(it: Any) -> Response:
            it.ctx.background(look)
            return it.ctx.stream([b"a"])  # type: ignore[no-any-return]

        assert (await ask(app_doing(act, opened), "/")).body == b"a"
        assert seen == ["committed"]


class TestMistakes:
    async def raised(self, act: Callable[[Any], Any]) -> KickError | TypeError:
        """The error of `ctx.background()`, which is raised in the handler."""
        told: list[Exception] = []
        app = app_doing(act, Opened(), on_error=lambda ctx, error: told.append(error))
        assert (await ask(app, "/")).status == 500
        (error,) = told
        assert isinstance(error, KickError | TypeError)
        return error

    @pytest.mark.parametrize(
        "add",
        [
            lambda it: it.ctx.background(it.users.add, "ada"),
            lambda it: it.ctx.background(print, it.db),
            lambda it: it.ctx.background(record, "ada", users=it.users),
            lambda it: it.ctx.background(functools.partial(record, users=it.users), "ada"),
            lambda it: it.ctx.background(it.method),
            lambda it: it.ctx.background(closure_over(it.users)),
        ],
    )
    async def test_a_resource_of_the_request_is_an_error_with_a_name(self, add: Any) -> None:
        error = await self.raised(add)
        assert isinstance(error, KickError)
        assert error.code == "background-resource"
        assert re.search("is given (Users|Db|.*Doing) of this request, which is closed", error.cause)

    async def test_it_is_one_in_a_stream_too(self) -> None:
        errors: list[KickError] = []

        def act(it: Any) -> Response:
            async def chunks() -> AsyncIterator[bytes]:
                try:
                    it.ctx.background(it.users.add, "ada")
                except KickError as error:
                    errors.append(error)
                yield b"a"

            return it.ctx.stream(chunks())  # type: ignore[no-any-return]

        assert (await ask(app_doing(act, Opened()), "/")).body == b"a"
        assert [each.code for each in errors] == ["background-resource"]

    @pytest.mark.parametrize("scope", ["request", "handler"])
    async def test_it_is_one_in_either_scope(self, scope: Any) -> None:
        @Controller()
        class DbController:
            @Get("/")
            async def do(self, ctx: RequestContext, db: Db) -> None:
                ctx.background(print, db)

        app = app_of(DbController, providers=[Opened(), Provider(Db, open_db, scope=scope)])
        assert (await ask(app, "/")).status == 500

    async def test_data_of_the_request_and_singletons_may_be_passed(self) -> None:
        mailers: list[Mailer] = []

        def act(it: Any) -> None:
            mailers.append(it.mailer)
            it.ctx.background(it.mailer.send, it.user.name)
            it.ctx.background(it.mailer.send, "bob", subject="Welcome")
            it.ctx.background(mailers.append, it.user)

        assert (await ask(app_doing(act, Opened()), "/")).status == 204
        assert mailers[0].sent == ["nobody Hello", "bob Welcome"]

    async def test_a_parameter_that_nobody_provides_is_named(self) -> None:
        error = await self.raised(lambda it: it.ctx.background(record))
        assert isinstance(error, KickError)
        assert (error.code, "'name'" in error.cause) == ("background-parameter", True)
        assert "`ctx.background(record, name=...)`" in error.fix

    async def test_arguments_that_it_does_not_take_are_an_error_at_once(self) -> None:
        error = await self.raised(lambda it: it.ctx.background(record, "ada", color="red"))
        assert isinstance(error, TypeError)


def closure_over(users: Users) -> Callable[[], Any]:
    def run() -> Iterator[Any]:
        yield users.add("ada")

    return run
