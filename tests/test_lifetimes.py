"""Lifetimes as requests see them: what is built for each, and when it ends."""

import re
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from kick import App, Controller, Get, Module, Provider, RequestContext, Service, bootstrap
from kick.di import Lifetime
from kick.di.naming import type_name
from kick.session import session
from tests.http.support import app_of, ask
from tests.support.setup_errors import raises_code


class Session:
    """A stand-in for a database session."""

    def __init__(self) -> None:
        self.ended = ""


class Database:
    """What was opened, and how it ended."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    @property
    def ends(self) -> list[str]:
        return [each.ended for each in self.sessions]


async def open_session(database: Database) -> AsyncIterator[Session]:
    session = Session()
    database.sessions.append(session)
    try:
        yield session
    except BaseException:
        session.ended = "rolled back"
        raise
    session.ended = "committed"


@Service()
class Users:
    def __init__(self, session: Session) -> None:
        self.session = session


@Service()
class Clock:
    """Needs nothing, so it lives as long as the application."""


@Controller("/users")
class UserController:
    def __init__(self, users: Users, clock: Clock) -> None:
        self.users = users
        self.clock = clock

    @Get("/")
    async def same(self, users: Users, session: Session) -> bool:
        return self.users is users and users.session is session and not session.ended

    @Get("/sync")
    def in_a_thread(self, users: Users) -> bool:
        return self.users is users

    @Get("/self")
    async def alone(self) -> int:
        return id(self)

    @Get("/clock")
    async def read(self, clock: Clock) -> bool:
        return self.clock is clock

    @Get("/fails")
    async def fail(self) -> None:
        raise LookupError("no such user")

    @Get("/positional/{name}")
    async def positional(self, name: str, /, ctx: RequestContext, *, users: Users) -> str:
        return f"{name} {ctx.method} {self.users is users}"


def application(**options: Any) -> tuple[App, Database]:
    database = Database()
    return app_of(UserController, providers=[database, open_session], **options), database


class TestUnstated:
    async def test_a_generator_is_one_for_each_request_and_ends_with_it(self) -> None:
        app, database = application()
        for _ in range(2):
            assert (await ask(app, "/users")).json() is True
        assert database.ends == ["committed", "committed"]

    async def test_what_holds_it_is_built_for_each_request_controllers_included(self) -> None:
        app, database = application()
        for path in ("/users/sync", "/users/clock"):
            assert (await ask(app, path)).json() is True
        assert (await ask(app, "/users/positional/ada")).json() == "ada GET True"
        assert database.ends == ["committed"] * 3
        lifetimes = [app.container.lifetime(each) for each in (Users, UserController, Clock)]
        assert lifetimes == [Lifetime.REQUEST, Lifetime.REQUEST, Lifetime.SINGLETON]

    async def test_an_exception_of_the_handler_rolls_back(self) -> None:
        app, database = application()
        assert (await ask(app, "/users/fails")).status == 500
        assert database.ends == ["rolled back"]

    async def test_a_controller_that_needs_nothing_of_a_request_is_built_once(self) -> None:
        built: list[object] = []

        @Controller("/plain")
        class PlainController:
            def __init__(self, clock: Clock) -> None:
                built.append(self)

            @Get("/")
            async def show(self, session: Session) -> str:
                return session.ended

        app = app_of(PlainController, providers=[Database(), open_session])
        for _ in range(3):
            assert (await ask(app, "/plain")).json() == ""
        assert len(built) == 1

    async def test_a_controller_may_be_built_for_each_request_by_its_scope(self) -> None:
        built: list[object] = []

        @Service(scope="transient")
        @Controller("/counted")
        class CountedController:
            def __init__(self) -> None:
                built.append(self)

            @Get("/")
            async def show(self) -> int:
                return len(built)

        app = app_of(CountedController)
        assert [(await ask(app, "/counted")).json() for _ in range(3)] == [1, 2, 3]

    @pytest.mark.parametrize("where", ["function", "Provider"])
    async def test_a_generator_that_says_so_lives_as_long_as_the_application(self, where: str) -> None:
        database = Database()
        open_once = Service(scope="singleton")(_renamed(open_session)) if where == "function" else open_session
        provider = open_once if where == "function" else Provider(Session, open_session, scope="singleton")
        app = app_of(UserController, providers=[database, provider])
        assert app.container.lifetime(UserController) is Lifetime.SINGLETON
        ids = {(await ask(app, "/users/self")).json() for _ in range(3)}
        assert len(ids) == 1
        assert database.ends == [""]
        await app.aclose()
        assert database.ends == ["committed"]

    async def test_the_session_is_opened_for_a_controller_that_takes_the_context(self) -> None:
        @Controller("/own")
        class OwnController:
            def __init__(self, ctx: RequestContext) -> None:
                self.ctx = ctx

            @Get("/")
            async def show(self) -> bool:
                return self.ctx.session.is_new

        app = app_of(OwnController, middleware=[session("a secret of at least thirty-two bytes")])
        assert (await ask(app, "/own")).json() is True


def _renamed(function: Callable[..., Any]) -> Callable[..., Any]:
    async def opened(database: Database) -> AsyncIterator[Session]:
        async for each in function(database):
            yield each

    return opened


# The fixes that the container prints

SOURCE = """
from collections.abc import AsyncIterator, Iterator
from kick import Controller, Get, Module, Provider, RequestContext, Service, bootstrap

class User: ...

class Connection: ...

def current_user(ctx: RequestContext) -> User: return User()

async def connect() -> AsyncIterator[Connection]: yield Connection()

@Service(scope="handler")
def brief_user(ctx: RequestContext) -> User: return User()

"""

MISTAKES = {
    "a service that says too much": """
        @Service(scope="singleton")
        class Mailer:
            def __init__(self, user: User) -> None: ...
        providers = [current_user]
    """,
    "a generator in a singleton": """
        @Service(scope="singleton")
        class Mailer:
            def __init__(self, connection: Connection) -> None: ...
        providers = [connect]
    """,
    "a provider that says too much": """
        class Mailer:
            def __init__(self, user: User) -> None: ...
        providers = [current_user, Provider(Mailer, Mailer, scope="singleton")]
    """,
    "a request that holds what ends with the handler": """
        @Service(scope="request")
        class Mailer:
            def __init__(self, user: User) -> None: ...
        providers = [brief_user]
    """,
    "a generator that holds what ends with the handler": """
        class Mailer: ...
        @Service(scope="request")
        async def mailer(user: User) -> AsyncIterator[Mailer]: yield Mailer()
        providers = [brief_user, mailer]
    """,
}

CONTROLLER = """
@Controller("/mail")
class MailController:
    def __init__(self, mailer: Mailer) -> None: self.mailer = mailer
    @Get("/")
    async def send(self, own: Mailer) -> str: return type(self.mailer).__name__
app = bootstrap([Module("mail", controllers=[MailController], providers=providers)])
"""


def _source(body: str) -> str:
    return SOURCE + textwrap.dedent(body) + CONTROLLER


def _run(source: str) -> Any:
    module = ModuleType("pasted")
    exec(compile(source, "pasted.py", "exec"), vars(module))
    return module


async def test_a_generator_that_says_nothing_is_told_to_say_when_it_ends() -> None:
    body = """
        class Mailer: ...
        async def mailer(user: User) -> AsyncIterator[Mailer]: yield Mailer()
        providers = [brief_user, mailer]
    """
    with raises_code("di-scope") as caught:
        _run(_source(body))
    fix = re.findall("`([^`]+)`", caught.value.fix)[0]
    fixed = textwrap.dedent(body).replace("async def mailer", f"{fix}\nasync def mailer")
    assert (await ask(_run(_source(fixed)).app, "/mail")).status == 200


@pytest.mark.parametrize("name", MISTAKES)
async def test_the_printed_scope_works_in_a_served_application(name: str) -> None:
    source = _source(MISTAKES[name])
    with raises_code("di-scope") as caught:
        _run(source)
    fix = re.findall("`([^`]+)`", caught.value.fix)[0]
    wrong = next(each for each in ('Provider(Mailer, Mailer, scope="singleton")', *_scopes()) if each in MISTAKES[name])
    fixed = source.replace(textwrap.dedent(MISTAKES[name]), textwrap.dedent(MISTAKES[name]).replace(wrong, fix))
    answer = await ask(_run(fixed).app, "/mail")
    assert (answer.status, answer.json()) == (200, "Mailer")


def _scopes() -> Iterator[str]:
    yield from (f'@Service(scope="{scope}")' for scope in ("singleton", "request"))


async def test_the_printed_longer_life_of_a_generator_works_too() -> None:
    source = _source(MISTAKES["a generator in a singleton"])
    with raises_code("di-scope") as caught:
        _run(source)
    longer = re.findall("`([^`]+)`", caught.value.fix)[-1]
    fixed = _run(source.replace("async def connect", f"{longer}\nasync def connect"))
    assert (await ask(fixed.app, "/mail")).status == 200
    assert fixed.app.container.lifetime(fixed.Connection) is Lifetime.SINGLETON


async def test_a_health_check_of_a_generator_is_mended_by_the_printed_provider() -> None:
    body = """
        class Mailer: ...
        async def mailer() -> AsyncIterator[Mailer]: yield Mailer()
        providers = [Provider(Mailer, mailer, health=str)]
    """
    with raises_code("di-health-scope") as caught:
        _run(_source(body))
    (fix,) = re.findall("`([^`]+)`", caught.value.fix)
    fixed = _run(_source(body.replace("Provider(Mailer, mailer, health=str)", fix.replace("health=...", "health=str"))))
    assert (await ask(fixed.app, "/mail")).status == 200


def test_the_message_says_how_long_each_lives() -> None:
    with raises_code("di-scope") as caught:
        _run(_source(MISTAKES["a request that holds what ends with the handler"]))
    cause = caught.value.cause
    assert cause.startswith("Mailer lives as long as a request, but User only until the handler has returned:")
    assert type_name(RequestContext) not in cause


def test_modules_may_list_them_too() -> None:
    app = bootstrap([Module("users", controllers=[UserController], providers=[Database(), open_session])])
    assert app.container.lifetime(UserController) is Lifetime.REQUEST
