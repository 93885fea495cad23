"""Something else in the place of a provider, for a while."""

from collections.abc import AsyncIterator, Iterator

import pytest

from kick.di import Container, Lifetime, Provider, Service
from tests.support.setup_errors import raises_code


class Context: ...


class Database:
    name = "real"


class FakeDatabase(Database):
    name = "fake"


class Users:
    def __init__(self, database: Database) -> None:
        self.database = database


class Controller:
    def __init__(self, users: Users) -> None:
        self.users = users


class Clock: ...


def name_in(container: Container) -> str:
    return container.instance(Controller).users.database.name


@pytest.fixture
def container() -> Container:
    return Container([Controller, Users, Database, Clock])


async def test_singletons_that_depend_on_it_see_the_fake_inside_and_the_real_one_after(container: Container) -> None:
    await container.start()
    controller, clock = container.instance(Controller), container.instance(Clock)
    with container.override(Database, FakeDatabase()) as fake:
        assert container.instance(Database) is fake
        assert name_in(container) == "fake"
        assert container.instance(Controller) is container.instance(Controller)
        assert container.instance(Clock) is clock
    assert container.instance(Controller) is controller
    assert name_in(container) == "real"


async def test_an_override_before_the_start_keeps_the_real_one_from_being_built() -> None:
    def database() -> Database:
        raise AssertionError

    container = Container([Controller, Users, database])
    with container.override(Database, FakeDatabase()):
        await container.start()
        assert name_in(container) == "fake"
        await container.aclose()


async def test_what_was_started_with_a_fake_is_built_anew_after_it(container: Container) -> None:
    with container.override(Database, FakeDatabase()):
        await container.start()
        assert name_in(container) == "fake"
    assert name_in(container) == "real"


async def test_overrides_nest(container: Container) -> None:
    await container.start()
    one, two, late = FakeDatabase(), FakeDatabase(), Clock()
    with container.override(Database, one):
        outer = container.instance(Controller)
        with container.override(Database, two), container.override(Clock, late):
            assert container.instance(Controller).users.database is two
            assert container.instance(Clock) is late
        assert container.instance(Controller) is outer
        assert outer.users.database is one
    assert name_in(container) == "real"


async def test_an_override_ends_with_an_error_too(container: Container) -> None:
    await container.start()
    with pytest.raises(ValueError, match="stop"), container.override(Database, FakeDatabase()):
        raise ValueError("stop")
    assert name_in(container) == "real"


async def test_a_provider_may_take_the_place_and_have_needs_of_its_own(container: Container) -> None:
    def fake(clock: Clock) -> Database:
        database = FakeDatabase()
        database.name = type(clock).__name__
        return database

    await container.start()
    with container.override(Database, Provider(Database, fake)):
        assert name_in(container) == "Clock"
        with container.override(Clock, 1):
            assert name_in(container) == "int"
        assert name_in(container) == "Clock"
    assert name_in(container) == "real"


async def test_what_takes_an_await_is_built_by_the_next_start() -> None:
    async def users(database: Database) -> Users:
        return Users(database)

    container = Container([Controller, users, Database])
    await container.start()
    with container.override(Database, FakeDatabase()):
        await container.start()
        assert name_in(container) == "fake"
    assert name_in(container) == "real"


async def test_a_key_that_nobody_provides_may_be_overridden() -> None:
    class Report:
        def __init__(self, number: int | None, name: str = "nobody") -> None:
            self.given = (number, name)

    container = Container([Report])
    await container.start()
    with container.override(int, 7), container.override(str, "ada"):
        assert container.instance(Report).given == (7, "ada")
    assert container.instance(Report).given == (None, "nobody")
    assert not container.provides(int)


async def test_an_override_replaces_all_that_are_provided() -> None:
    container = Container([1, Provider(int, value=2)])
    with container.override(int, 7):
        assert container.instance(list[int]) == [7]
        assert container.instance(int) == 7
    assert container.instance(list[int]) == [1, 2]


async def test_request_scoped_things_and_seeds_may_be_overridden() -> None:
    async def current_user(context: Context) -> str:
        return "ada"

    def greeting(user: str) -> bytes:
        return user.encode()

    container = Container([current_user, greeting], seeds=[Context])
    await container.start()
    with container.override(str, "grace"):
        assert container.lifetime(bytes) is Lifetime.SINGLETON
        assert await container.get(bytes) == b"grace"
    assert container.lifetime(bytes) is Lifetime.REQUEST
    context = Context()
    with container.override(Context, context):
        async with container.scope() as scope:
            assert await scope.get(Context) is context
            assert await scope.get(bytes) == b"ada"
    async with container.scope({Context: context}) as scope:
        assert await scope.get(bytes) == b"ada"


async def test_a_service_first_asked_for_inside_is_built_anew_after() -> None:
    @Service()
    class Late:
        def __init__(self, database: Database) -> None:
            self.database = database

    container = Container([Database])
    await container.start()
    with container.override(Database, FakeDatabase()):
        assert container.instance(Late).database.name == "fake"
    assert container.instance(Late).database.name == "real"


async def test_the_version_goes_up_at_the_beginning_and_at_the_end(container: Container) -> None:
    before = container.version
    with container.override(Database, FakeDatabase()):
        inside = container.version
    assert before < inside < container.version


async def test_a_resolver_taken_inside_gives_the_fake(container: Container) -> None:
    await container.start()
    with container.override(Database, FakeDatabase()) as fake:
        resolve = container.resolver(Database)
        assert await resolve(container.new_scope()) is fake
    assert (await container.resolver(Database)(container.new_scope())).name == "real"


async def test_what_was_built_inside_is_cleaned_up_at_the_end() -> None:
    log: list[str] = []

    @Service(scope="singleton")
    async def users(database: Database) -> AsyncIterator[Users]:
        yield Users(database)
        log.append(f"close users of {database.name}")

    @Service(scope="singleton")
    def fake() -> Iterator[Database]:
        yield FakeDatabase()
        log.append("close fake")

    container = Container([users, Database])
    await container.start()
    with container.override(Database, Provider(Database, fake)):
        await container.start()
    assert log == []
    await container.aclose()
    assert log == ["close users of fake", "close fake", "close users of real"]


async def test_what_was_set_aside_is_not_brought_back_from_the_dead(container: Container) -> None:
    await container.start()
    closed = container.instance(Users)
    with container.override(Database, FakeDatabase()):
        await container.aclose()
    await container.start()
    assert container.instance(Users) is not closed
    assert name_in(container) == "real"


async def test_an_override_that_breaks_a_started_app_is_refused(container: Container) -> None:
    def fake(context: Context) -> Database:
        raise AssertionError

    await container.start()
    with raises_code("di-missing-provider"), container.override(Database, Provider(Database, fake)):
        raise AssertionError
    assert name_in(container) == "real"


async def test_an_override_by_something_of_a_request_is_a_scope_violation() -> None:
    def database(context: Context) -> Database:
        return Database()

    container = Container([Controller, Provider(Users, scope="singleton"), Database], seeds=[Context])
    await container.start()
    with raises_code("di-scope"), container.override(Database, Provider(Database, database)):
        pass
    assert name_in(container) == "real"


class TestOptional:
    async def test_an_override_holds_for_what_may_be_missing(self) -> None:
        def find() -> Database | None:
            return None

        container = Container([find, Database])
        await container.start()
        with container.override(Database, FakeDatabase()) as fake:
            assert container.instance(Database | None) is fake
            assert container.instance(Database) is fake
        assert container.instance(Database | None) is None

    async def test_what_may_be_missing_is_overridden_alone(self) -> None:
        def find() -> Database | None:
            return Database()

        container = Container([find, Database])
        with container.override(Database | None, None):
            await container.start()
            assert container.instance(Database | None) is None
            assert container.instance(Database).name == "real"


class TestUnused:
    @pytest.mark.parametrize("key", [FakeDatabase, int, Database | None])
    def test_an_override_of_what_nobody_provides_or_asks_for_is_an_error(self, key: object) -> None:
        container = Container([Clock])
        with raises_code("di-override-unused"), container.override(key, FakeDatabase()):
            raise AssertionError

    def test_the_error_names_what_is_nearly_so_called(self) -> None:
        class Databases: ...

        with raises_code("di-override-unused") as caught, Container([Database]).override(Databases, Databases()):
            raise AssertionError
        assert "similar name: Database." in str(caught.value)

    def test_what_a_handler_asks_for_may_be_overridden_before_anybody_provides_it(self) -> None:
        container = Container()
        container.require(Database, "the handler show() at app.py:3")
        with container.override(Database, FakeDatabase()):
            assert container.check() == []

    def test_a_service_that_is_not_listed_may_be_overridden(self) -> None:
        @Service()
        class Late: ...

        with Container().override(Late, Late()) as late:
            assert isinstance(late, Late)
