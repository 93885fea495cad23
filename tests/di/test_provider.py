"""What an entry of `providers` stands for, and what is passed to its factory."""

import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NewType, Protocol, Self, TypeVar

import pytest

from kick.di import Container, Provider, Service
from tests.di import postponed

T = TypeVar("T")
Port = NewType("Port", int)


class Database:
    def __init__(self, name: str = "main") -> None:
        self.name = name

    @classmethod
    def connect(cls) -> Self:
        return cls("connected")


class Users(Protocol):
    def count(self) -> int: ...


class SqlUsers:
    def __init__(self, database: Database) -> None:
        self.database = database

    def count(self) -> int:
        return 3


async def built(container: Container, key: Any) -> Any:
    assert container.check() == []
    await container.start()
    async with container.scope() as scope:
        return await scope.get(key)


# Entries


def plain() -> Database:
    return Database("plain")


async def awaited() -> Database:
    return Database("awaited")


def iterator() -> Iterator[Database]:
    yield Database("iterator")


def generator() -> Generator[Database, None, None]:
    yield Database("generator")


async def async_iterator() -> AsyncIterator[Database]:
    yield Database("async_iterator")


async def async_generator() -> AsyncGenerator[Database, None]:
    yield Database("async_generator")


@contextmanager
def manager() -> Iterator[Database]:
    yield Database("manager")


@asynccontextmanager
async def async_manager() -> AsyncIterator[Database]:
    yield Database("async_manager")


@functools.lru_cache
def cached() -> Database:
    return Database("cached")


class Factory:
    def method(self) -> Database:
        return Database("method")

    @asynccontextmanager
    async def managing_method(self) -> AsyncIterator[Database]:
        yield Database("managing_method")


def logged(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (Database, "main"),
        (Database("itself"), "itself"),
        (plain, "plain"),
        (awaited, "awaited"),
        (iterator, "iterator"),
        (generator, "generator"),
        (async_iterator, "async_iterator"),
        (async_generator, "async_generator"),
        (manager, "manager"),
        (async_manager, "async_manager"),
        (cached, "cached"),
        (logged(awaited), "awaited"),
        (logged(async_iterator), "async_iterator"),
        (functools.partial(plain), "plain"),
        (Factory().method, "method"),
        (Factory().managing_method, "managing_method"),
        (Database.connect, "connected"),
        (Provider(Database, lambda: Database("lambda")), "lambda"),
        (Provider(Database, functools.partial(Database, "partial")), "partial"),
        (Provider(Database, value=Database("value")), "value"),
        (Provider(Database), "main"),
    ],
)
async def test_an_entry_provides_what_it_makes(entry: Any, name: str) -> None:
    container = Container([entry])
    assert (await built(container, Database)).name == name
    await container.aclose()


async def test_a_callable_object_is_called_when_a_provider_names_it() -> None:
    class Connect:
        async def __call__(self, name: str) -> Database:
            return Database(name)

    container = Container([Provider(Database, Connect()), "called"])
    assert (await built(container, Database)).name == "called"


async def test_a_protocol_leads_to_its_implementation() -> None:
    assert isinstance(await built(Container([Database, Provider(Users, SqlUsers)]), Users), SqlUsers)


async def test_an_abstract_class_leads_to_its_implementation() -> None:
    class Shape(ABC):
        @abstractmethod
        def area(self) -> float: ...

    class Square(Shape):
        def area(self) -> float:
            return 1.0

    assert isinstance(await built(Container([Provider(Shape, Square)]), Shape), Square)


async def test_none_may_be_provided_as_a_value() -> None:
    container = Container([Provider(Database, value=None)])
    assert await built(container, Database) is None


async def test_one_entry_listed_twice_counts_once() -> None:
    container = Container([Database, plain, Database, plain])
    await container.start()
    assert [each.name for each in container.instance(list[Database])] == ["main", "plain"]


async def test_an_explicit_provider_takes_the_place_of_a_service() -> None:
    @Service()
    class Clock: ...

    class FastClock(Clock): ...

    assert isinstance(await built(Container([Provider(Clock, FastClock)]), Clock), FastClock)


# One instance under two types


async def test_a_class_provided_under_two_types_is_built_once() -> None:
    container = Container([Database, SqlUsers, Provider(Users, SqlUsers)])
    assert await built(container, Users) is await built(container, SqlUsers)


async def test_a_service_provided_under_another_type_is_built_once() -> None:
    @Service()
    class Clock: ...

    class Timer: ...

    container = Container([Provider(Timer, Clock)])
    container.require(Clock, "here")
    assert await built(container, Timer) is await built(container, Clock)


async def test_a_qualified_key_has_an_instance_of_its_own() -> None:
    replica = Annotated[Database, "replica"]
    container = Container([Database, Provider(replica, Database)])
    assert await built(container, Database) is not await built(container, replica)


# What is passed


async def test_hints_may_be_text() -> None:
    container = Container(
        [postponed.Planner, postponed.Entry, postponed.greeting, Provider(Annotated[str, "zone"], value="CET")]
    )
    container.require(postponed.Diary, "here")
    diary = await built(container, postponed.Diary)
    assert diary.given is diary.calendar.clock
    assert (diary.calendar.zone, diary.pages) == ("CET", [1])
    planner = container.instance(postponed.Planner)
    assert (planner.calendar, planner.pages) == (diary.calendar, 12)
    assert container.instance(postponed.Entry) == (diary.given, 1)
    assert await built(container, str) == "hello from Clock"
    await container.aclose()


async def test_fields_of_a_dataclass_from_another_module_are_resolved_there() -> None:
    @dataclass
    class LongDiary(postponed.Diary):
        volumes: int = 3

    diary = await built(Container([LongDiary]), LongDiary)
    assert isinstance(diary.calendar, postponed.Calendar)
    assert diary.volumes == 3


async def test_a_generated_constructor_is_resolved_in_the_module_of_its_class() -> None:
    namespace: dict[str, Any] = {}
    exec("def __init__(self, clock: 'Clock'): self.clock = clock", namespace)
    namespace["__init__"].__module__ = postponed.__name__
    generated = type("Generated", (), {"__init__": namespace["__init__"]})
    assert isinstance((await built(Container([generated]), generated)).clock, postponed.Clock)


async def test_a_default_is_kept_when_nobody_provides_the_type() -> None:
    class Server:
        def __init__(self, host: str = "localhost", port: int = 80, *, workers: float = 1.5) -> None:
            self.settings = (host, port, workers)

    assert (await built(Container([Server]), Server)).settings == ("localhost", 80, 1.5)
    assert (await built(Container([Server, 90]), Server)).settings == ("localhost", 90, 1.5)
    assert (await built(Container([Server, "kick", 2.5]), Server)).settings == ("kick", 80, 2.5)


async def test_a_default_of_a_positional_parameter_is_kept_before_one_that_is_passed() -> None:
    class Server:
        def __init__(self, host: str = "localhost", port: int = 80, /) -> None:
            self.settings = (host, port)

    assert (await built(Container([Server, 90]), Server)).settings == ("localhost", 90)


async def test_a_parameter_without_hint_keeps_its_default() -> None:
    class Server:
        def __init__(self, host="localhost", port: int = 80, *args: int, **options: int) -> None:  # type: ignore[no-untyped-def]
            self.settings = (host, port, args, options)

    assert (await built(Container([Server, 90]), Server)).settings == ("localhost", 90, (), {})


async def test_what_a_partial_binds_is_not_replaced() -> None:
    def connect(name: str) -> Database:
        return Database(name)

    container = Container(["provided", functools.partial(connect, name="bound")])
    assert (await built(container, Database)).name == "bound"


async def test_an_optional_parameter_is_none_when_nobody_provides_it() -> None:
    class Report:
        def __init__(self, database: Database | None, names: list[str] | None) -> None:
            self.given = (database, names)

    assert (await built(Container([Report]), Report)).given == (None, None)
    database = Database()
    container = Container([Report, database, "a", Provider(str, value="b")])
    assert (await built(container, Report)).given == (database, ["a", "b"])


async def test_a_list_holds_all_providers_in_the_order_of_registration() -> None:
    async def second() -> str:
        return "second"

    container = Container(["first", second, Provider(str, value="third")])
    assert await built(container, list[str]) == ["first", "second", "third"]


async def test_a_list_of_a_service_holds_the_service() -> None:
    @Service()
    class Plugin: ...

    container = Container()
    container.require(list[Plugin], "here")
    assert await built(container, list[Plugin]) == [await built(container, Plugin)]


async def test_a_provider_of_a_union_or_a_list_is_found_by_just_that() -> None:
    def maybe() -> Database | None:
        return None

    container = Container([maybe, Provider(list[int], value=[1, 2])])
    assert await built(container, Database | None) is None
    assert container.instance(list[int]) == [1, 2]
    assert not container.provides(Database)


async def test_new_types_and_generic_types_are_keys() -> None:
    class Repository(Generic[T]):
        def __init__(self, rows: list[T], port: Port) -> None:
            self.given = (rows, port)

    def port() -> Port:
        return Port(80)

    container = Container([Repository[int], Provider(Repository[str]), Provider(Port, port), "a", 1])
    assert (await built(container, Repository[int])).given == ([1], 80)
    assert (await built(container, Repository[str])).given == (["a"], 80)


async def test_a_generic_service_is_provided_for_each_of_its_arguments() -> None:
    @Service()
    class Repository(Generic[T]):
        def __init__(self, row: T) -> None:
            self.row = row

    class Report:
        def __init__(self, numbers: Repository[int], names: Repository[str]) -> None:
            self.rows = (numbers.row, names.row)

    assert (await built(Container([Report, 1, "a"]), Report)).rows == (1, "a")


async def test_keys_are_types_and_not_their_names() -> None:
    def make() -> type:
        class Users: ...

        return Users

    one, other = make(), make()
    container = Container([one, other])
    await container.start()
    assert type(container.instance(one)) is one
    assert type(container.instance(other)) is other
