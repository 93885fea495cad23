"""What lives as long as one request or job."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.lowlevel
import pytest

from kick.di import Container, Provider, Scope, Service
from kick.exceptions import Conflict


class Context:
    def __init__(self, user: str = "ada") -> None:
        self.user = user


class Database: ...


@Service(scope="request")
class Basket:
    def __init__(self, context: Context, database: Database) -> None:
        self.context = context
        self.database = database


@Service(scope="transient")
class Dice:
    def __init__(self, basket: Basket) -> None:
        self.basket = basket


async def current_user(context: Context) -> str:
    await anyio.lowlevel.checkpoint()
    return context.user


@pytest.fixture
def container() -> Container:
    return Container([Database, current_user], seeds=[Context])


async def test_a_scope_has_one_instance_and_another_scope_another(container: Container) -> None:
    async with container.scope({Context: Context()}) as one, container.scope({Context: Context()}) as other:
        assert await one.get(Basket) is await one.get(Basket)
        assert await one.get(Basket) is not await other.get(Basket)
        assert (await one.get(Basket)).database is (await other.get(Basket)).database


async def test_a_transient_service_is_new_for_everyone_who_asks(container: Container) -> None:
    async with container.scope({Context: Context()}) as scope:
        one, other = await scope.get(Dice), await scope.get(Dice)
        assert one is not other
        assert one.basket is other.basket


async def test_seeds_are_handed_to_whoever_needs_them(container: Container) -> None:
    context = Context("grace")
    async with container.scope({Context: context}) as scope:
        assert (await scope.get(Basket)).context is context
        assert await scope.get(Context) is context
        assert await scope.get(str) == "grace"


async def test_a_scope_leaves_the_seeds_it_was_given_as_they_are(container: Container) -> None:
    context = Context()
    seeds = {Context: context}
    async with container.scope(seeds) as scope:
        await scope.get(Basket)
    assert seeds == {Context: context}


async def test_a_hundred_gets_at_once_build_one_instance() -> None:
    built: list[Database] = []
    release = anyio.Event()

    @Service(scope="request")
    async def database() -> Database:
        built.append(Database())
        await release.wait()
        return built[-1]

    found: list[Database] = []
    async with Container([database]).scope() as scope, anyio.create_task_group() as tasks:

        async def get() -> None:
            found.append(await scope.get(Database))

        for _ in range(100):
            tasks.start_soon(get)
        await anyio.wait_all_tasks_blocked()
        release.set()
    assert len(built) == 1
    assert found == built * 100


async def test_those_who_wait_for_one_that_fails_build_their_own() -> None:
    attempts: list[int] = []
    release = anyio.Event()

    @Service(scope="request")
    async def database() -> Database:
        attempts.append(len(attempts))
        await release.wait()
        if len(attempts) == 1:
            raise ConnectionError
        return Database()

    outcomes: list[type] = []
    async with Container([database]).scope() as scope, anyio.create_task_group() as tasks:

        async def get() -> None:
            try:
                outcomes.append(type(await scope.get(Database)))
            except ConnectionError as error:
                outcomes.append(type(error))

        for _ in range(3):
            tasks.start_soon(get)
        await anyio.wait_all_tasks_blocked()
        release.set()
    assert outcomes == [ConnectionError, Database, Database]
    assert attempts == [0, 1]


async def test_those_who_wait_for_one_that_is_cancelled_build_their_own() -> None:
    attempts: list[int] = []
    release = anyio.Event()

    @Service(scope="request")
    async def database() -> Database:
        attempts.append(len(attempts))
        await release.wait()
        return Database()

    async with Container([database]).scope() as scope:
        first = asyncio.ensure_future(scope.get(Database))
        await anyio.wait_all_tasks_blocked()
        second = asyncio.ensure_future(scope.get(Database))
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        release.set()
        assert isinstance(await second, Database)
        assert first.cancelled()
    assert attempts == [0, 1]


# Clean-ups


def recording(log: list[str]) -> list[object]:
    async def database(context: Context) -> AsyncIterator[Database]:
        try:
            yield Database()
        except BaseException as error:
            await anyio.lowlevel.checkpoint()
            log.append(f"database rolls back: {type(error).__name__}")
            raise
        log.append("database commits")

    def number(database: Database) -> Iterator[int]:
        try:
            yield 1
        except LookupError as error:
            log.append(f"number swallows {error}")
        log.append("number is done")

    return [database, number]


async def test_clean_ups_run_in_reverse_order() -> None:
    log: list[str] = []
    container = Container(recording(log), seeds=[Context])
    async with container.scope({Context: Context()}) as scope:
        assert await scope.get(int) == 1
        assert log == []
    assert log == ["number is done", "database commits"]


async def test_an_error_reaches_every_generator_and_goes_on() -> None:
    log: list[str] = []
    container = Container(recording(log), seeds=[Context])

    async def job() -> None:
        async with container.scope({Context: Context()}) as scope:
            await scope.get(int)
            raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await job()
    assert log == ["number swallows 'lost'", "number is done", "database rolls back: KeyError"]


async def test_an_error_may_be_handed_to_aclose() -> None:
    log: list[str] = []
    scope = Container(recording(log), seeds=[Context]).new_scope({Context: Context()})
    await scope.get(Database)
    error = ValueError("no")
    await scope.aclose(error)
    assert log == ["database rolls back: ValueError"]
    assert error.__traceback__ is None


async def test_a_cancelled_body_may_still_await_its_clean_ups() -> None:
    log: list[str] = []
    container = Container(recording(log), seeds=[Context])

    async def job() -> None:
        async with container.scope({Context: Context()}) as scope:
            await scope.get(Database)
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(job)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert log == [f"database rolls back: {anyio.get_cancelled_exc_class().__name__}"]


async def test_failing_clean_ups_do_not_stop_each_other_and_are_all_raised() -> None:
    def number(context: Context) -> Iterator[int]:
        try:
            yield 1
        finally:
            raise OSError("number")

    async def name(number: int) -> AsyncIterator[str]:
        yield "ada"
        raise ValueError("name")

    container = Container([number, name], seeds=[Context])
    with pytest.raises(ExceptionGroup) as caught:
        async with container.scope({Context: Context()}) as scope:
            await scope.get(str)
    assert [repr(each) for each in caught.value.exceptions] == ["ValueError('name')", "OSError('number')"]


async def test_one_failing_clean_up_is_raised_as_itself_and_the_transaction_around_it_rolls_back() -> None:
    log: list[str] = []

    async def outbox(database: Database) -> AsyncIterator[str]:
        yield "mails"
        raise OSError("no mail server")

    container = Container([*recording(log), outbox], seeds=[Context])
    with pytest.raises(OSError, match="no mail server") as caught:
        async with container.scope({Context: Context()}) as scope:
            await scope.get(str)
    assert log == ["database rolls back: OSError"]
    assert "in the clean-up of" in caught.value.__notes__[0]


@pytest.mark.parametrize("answers_first", [True, False])
async def test_of_several_failing_clean_ups_the_answer_is_raised(
    answers_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    inner, outer = (Conflict("taken"), OSError("lost")) if answers_first else (OSError("lost"), Conflict("taken"))

    def number(context: Context) -> Iterator[int]:
        try:
            yield 1
        finally:
            raise outer

    async def name(number: int) -> AsyncIterator[str]:
        yield "ada"
        raise inner

    container = Container([number, name], seeds=[Context])
    with pytest.raises(Conflict, match="taken"):
        async with container.scope({Context: Context()}) as scope:
            await scope.get(str)
    # The other one is either in the traceback of the answer, or in the log.
    assert ("lost" in caplog.text) is answers_first


async def test_an_exception_of_the_block_may_become_another_one() -> None:
    async def repository(context: Context) -> AsyncIterator[str]:
        try:
            yield "users"
        except KeyError as error:
            raise Conflict("There is a user of this name.") from error

    container = Container([repository], seeds=[Context])
    scope = container.scope({Context: Context()})
    await scope.get(str)
    with pytest.raises(Conflict) as caught:
        await scope.aclose(KeyError("unique"))
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_cancellation_in_a_clean_up_stays_one_and_the_others_run() -> None:
    log: list[str] = []

    def number(context: Context) -> Iterator[int]:
        try:
            yield 1
        finally:
            log.append("number is done")
            raise OSError("number")

    async def name(number: int) -> AsyncIterator[str]:
        yield "ada"
        raise asyncio.CancelledError

    scope = Container([number, name], seeds=[Context]).new_scope({Context: Context()})
    await scope.get(str)
    with pytest.raises(asyncio.CancelledError) as caught:
        await scope.aclose()
    assert log == ["number is done"]
    assert isinstance(caught.value.__cause__, OSError)


async def test_what_was_built_before_a_failure_is_cleaned_up() -> None:
    log: list[str] = []

    def broken(database: Database) -> str:
        raise ValueError("broken")

    container = Container([*recording(log), broken], seeds=[Context])
    with pytest.raises(ValueError, match="broken"):
        async with container.scope({Context: Context()}) as scope:
            await scope.get(str)
    assert log == ["database rolls back: ValueError"]


async def test_closing_twice_cleans_up_once() -> None:
    log: list[str] = []
    scope = Container(recording(log), seeds=[Context]).new_scope({Context: Context()})
    await scope.get(Database)
    await scope.aclose()
    await scope.aclose()
    assert log == ["database commits"]


async def test_a_transient_generator_is_cleaned_up_with_its_scope() -> None:
    log: list[str] = []

    @Service(scope="transient")
    def number() -> Iterator[int]:
        yield len(log)
        log.append("done")

    container = Container([number])
    async with container.scope() as scope:
        await scope.get(int)
        await scope.get(int)
    assert log == ["done", "done"]


async def test_a_transient_generator_in_a_singleton_is_cleaned_up_with_the_app() -> None:
    log: list[str] = []

    @Service(scope="transient")
    def number() -> Iterator[int]:
        yield 1
        log.append("done")

    class Counter:
        def __init__(self, number: int) -> None: ...

    container = Container([number, Counter])
    await container.start()
    assert log == []
    await container.aclose()
    assert log == ["done"]


# Resolvers


async def test_a_resolver_gives_what_get_gives(container: Container) -> None:
    keys = [Basket, Database, str, Context, Basket | None, list[Database]]
    resolvers = [container.resolver(key) for key in keys]
    await container.start()
    scope = container.new_scope({Context: Context()})
    for key, resolve in zip(keys, resolvers, strict=True):
        assert await resolve(scope) == await scope.get(key)
    await scope.aclose()


async def test_a_direct_resolver_is_there_where_nothing_is_awaited(container: Container) -> None:
    resolve = container.direct_resolver(Basket)
    assert resolve is not None
    assert container.direct_resolver(str) is None
    await container.start()
    scope = container.new_scope({Context: Context()})
    assert resolve(scope) is await scope.get(Basket)


async def test_what_a_resolver_needs_is_built_at_the_start() -> None:
    @Service()
    class Clock: ...

    container = Container()
    resolve = container.resolver(Clock)
    await container.start()
    assert await resolve(container.new_scope()) is container.instance(Clock)


async def test_synchronous_and_asynchronous_needs_are_passed_alike() -> None:
    @Service(scope="request")
    async def text() -> str:
        return "a"

    @Service(scope="request")
    async def later(text: str, *, number: int) -> bytes:
        return f"{text}{number}".encode()

    @Service(scope="request")
    def generated(number: int, text: str, data: bytes) -> Iterator[list[object]]:
        yield [number, text, data]

    @Service(scope="request")
    async def async_generated(text: str) -> AsyncIterator[float]:
        yield float(len(text))

    async def four(a: int, b: int, c: int, *, text: str) -> tuple[int, ...]:
        return (a, b, c, len(text))

    providers = [text, later, generated, async_generated, four, 7]
    async with Container(providers).scope() as scope:
        assert await scope.get(list[object]) == [7, "a", b"a7"]
        assert await scope.get(float) == 1.0
        assert await scope.get(tuple[int, ...]) == (7, 7, 7, 1)


async def test_a_job_needs_no_start() -> None:
    async with Container([Database, Provider(str, value="x")]).scope() as scope:
        assert isinstance(scope, Scope)
        assert isinstance(await scope.get(Database), Database)
