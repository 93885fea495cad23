"""Singletons: built once, in order, and cleaned up after."""

import traceback
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import anyio
import pytest

from kick.di import Container, Provider, Service
from tests.support.setup_errors import raises_code


class Database:
    def __init__(self, name: str = "main") -> None:
        self.name = name


class Users:
    def __init__(self, database: Database) -> None:
        self.database = database


class Log(list[str]):
    """What happened, in order."""


def events(log: Log) -> list[object]:
    """Three providers, each needing the one before, that write what happens to them."""

    @Service(scope="singleton")
    async def database() -> AsyncIterator[Database]:
        log.append("open database")
        yield Database()
        log.append("close database")

    @Service(scope="singleton")
    def users(database: Database) -> Iterator[Users]:
        log.append("open users")
        yield Users(database)
        log.append("close users")

    @Service(scope="singleton")
    async def report(users: Users) -> AsyncIterator[str]:
        log.append("open report")
        yield "report"
        log.append("close report")

    return [report, users, database]


def broken(users: Users) -> int:
    raise ValueError("no number today")


async def test_everything_registered_is_built_after_what_it_needs_and_closed_in_reverse() -> None:
    log = Log()
    container = Container(events(log))
    await container.start()
    assert log == ["open database", "open users", "open report"]
    await container.aclose()
    assert log[3:] == ["close report", "close users", "close database"]


async def test_what_is_required_is_built_with_what_it_needs() -> None:
    built: list[str] = []

    @Service()
    class Clock:
        def __init__(self) -> None:
            built.append("clock")

    @Service(scope="request")
    class Basket:
        def __init__(self, clock: Clock) -> None:
            built.append("basket")

    container = Container()
    container.require(Basket, "here")
    await container.start()
    assert built == ["clock"]


async def test_a_class_that_nobody_asks_for_is_not_built() -> None:
    @Service()
    class Clock:
        def __init__(self) -> None:
            raise AssertionError

    await Container().start()


async def test_a_hundred_first_starts_build_one_instance() -> None:
    built: list[Database] = []
    release = anyio.Event()

    async def database() -> Database:
        built.append(Database())
        await release.wait()
        return built[-1]

    container = Container([database])
    found: list[Database] = []

    async def start() -> None:
        await container.start()
        found.append(container.instance(Database))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(start)
        await anyio.wait_all_tasks_blocked()
        release.set()
    assert len(built) == 1
    assert found == built * 100


async def test_starting_again_builds_nothing_again() -> None:
    log = Log()
    container = Container(events(log))
    await container.start()
    await container.start()
    assert len(log) == 3
    await container.aclose()


async def test_a_container_may_be_started_again_after_its_end() -> None:
    container = Container([Database])
    await container.start()
    before = container.instance(Database)
    await container.aclose()
    with raises_code("di-not-started"):
        container.instance(Database)
    with raises_code("di-not-started"):
        await container.get(Database)
    await container.start()
    assert container.instance(Database) is not before


def test_a_container_may_be_started_on_one_event_loop_after_the_other() -> None:
    container = Container([Database])
    names = []
    for _ in range(2):

        async def life() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(container.start)
                tasks.start_soon(container.start)
            names.append(container.instance(Database).name)
            await container.aclose()

        anyio.run(life)
    assert names == ["main", "main"]


# Failure


async def test_a_failing_provider_is_named_and_those_before_it_are_closed() -> None:
    log = Log()
    container = Container([*events(log)[1:], broken])
    with pytest.raises(ValueError, match="no number today") as caught:
        await container.start()
    assert log == ["open database", "open users", "close users", "close database"]
    (note,) = caught.value.__notes__
    assert note.startswith("kick: in the provider broken at ")
    assert note.endswith(", which provides int")
    with raises_code("di-not-started"):
        container.instance(Users)


async def test_a_failed_start_may_be_tried_again() -> None:
    attempts: list[int] = []

    def flaky() -> int:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise ConnectionError
        return 7

    container = Container([flaky])
    with pytest.raises(ConnectionError):
        await container.start()
    await container.start()
    assert container.instance(int) == 7


async def test_what_fails_while_a_failed_start_is_unwound_is_noted() -> None:
    @Service(scope="singleton")
    def database() -> Iterator[Database]:
        yield Database()
        raise OSError("cannot close")

    container = Container([database, Users, broken])
    with pytest.raises(ValueError, match="no number") as caught:
        await container.start()
    assert "OSError: cannot close" in "".join(traceback.format_exception(caught.value))


async def test_a_start_that_is_cancelled_is_unwound() -> None:
    log = Log()

    async def endless(users: Users) -> int:
        log.append("wait")
        await anyio.sleep_forever()
        return 1

    @Service(scope="singleton")
    async def database() -> AsyncIterator[Database]:
        yield Database()
        await anyio.lowlevel.checkpoint()
        log.append("closed")

    container = Container([database, Users, endless])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(container.start)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert log == ["wait", "closed"]


async def test_a_failing_clean_up_does_not_stop_the_next() -> None:
    log = Log()

    @Service(scope="singleton")
    def database() -> Iterator[Database]:
        yield Database()
        log.append("close database")
        raise OSError("database")

    @Service(scope="singleton")
    async def users(database: Database) -> AsyncIterator[Users]:
        yield Users(database)
        log.append("close users")
        raise ValueError("users")

    container = Container([database, users])
    await container.start()
    with pytest.raises(ExceptionGroup) as caught:
        await container.aclose()
    assert log == ["close users", "close database"]
    assert [str(each) for each in caught.value.exceptions] == ["users", "database"]
    assert "in the clean-up of " in caught.value.exceptions[0].__notes__[0]
    await container.aclose()


async def test_a_provider_may_hold_a_task_group() -> None:
    log = Log()

    @Service(scope="singleton")
    async def tasks() -> AsyncIterator[anyio.abc.TaskGroup]:
        async with anyio.create_task_group() as group:
            yield group
            group.cancel_scope.cancel()
        log.append("tasks are done")

    container = Container([Provider(anyio.abc.TaskGroup, tasks)])
    await container.start()
    container.instance(anyio.abc.TaskGroup).start_soon(anyio.sleep_forever)
    await container.aclose()
    assert log == ["tasks are done"]


# Asking


async def test_a_singleton_asked_for_before_the_start_is_built_then_and_kept() -> None:
    log = Log()
    container = Container(events(log))
    users = await container.get(Users)
    assert log == ["open database", "open users"]
    await container.start()
    assert container.instance(Users) is users
    assert log == ["open database", "open users", "open report"]
    await container.aclose()
    assert len(log) == 6


async def test_a_hundred_first_gets_build_one_instance() -> None:
    release = anyio.Event()

    async def database() -> Database:
        await release.wait()
        return Database()

    container = Container([database])
    found: list[Database] = []

    async def get() -> None:
        found.append(await container.get(Database))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(get)
        await anyio.wait_all_tasks_blocked()
        release.set()
    assert len(found) == 100
    assert len(set(found)) == 1


async def test_a_service_nobody_required_is_there_all_the_same() -> None:
    @Service()
    class Clock: ...

    container = Container()
    await container.start()
    assert container.instance(Clock) is await container.get(Clock)


async def test_lists_options_and_qualified_types_may_be_asked_for() -> None:
    container = Container([1, Provider(int, value=2), Provider(Annotated[str, "name"], value="ada")])
    await container.start()
    assert container.instance(list[int]) == [1, 2]
    assert container.instance(Database | None) is None
    assert await container.get(Annotated[str, "name"]) == "ada"


async def test_two_containers_share_nothing() -> None:
    @Service()
    class Clock: ...

    assert await Container().get(Clock) is not await Container().get(Clock)


def test_what_is_provided_is_known_without_building_it() -> None:
    container = Container([Database, 1], seeds=[float])
    provided = [container.provides(key) for key in (Database, int, list[int], int | None, float)]
    assert provided == [True] * 5
    assert not any(container.provides(key) for key in (Users, list[Users], Users | None, Annotated[int, "x"]))
