"""Each mistake: what triggers it, what it says, and that the code in its fix mends it."""

import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest

from kick.di import Container
from kick.errors import KickError
from tests.support.setup_errors import raises_code

Load = Callable[[str], ModuleType]

FUTURE = "from __future__ import annotations; "

HEADER = (
    "from typing import Annotated, Any, AsyncIterator, Iterator, Protocol, TYPE_CHECKING; "
    "from kick.di import Container, Provider, Scope, Service\n"
)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Runs an application's source as a module of its own; its first line is line 2."""
    monkeypatch.chdir(tmp_path)

    def run(source: str) -> ModuleType:
        path = tmp_path / f"pasted_{len(list(tmp_path.iterdir()))}.py"
        module = ModuleType(path.stem)
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, path.stem, module)
        future = FUTURE if source.startswith(FUTURE) else ""
        body = textwrap.dedent(source.removeprefix(FUTURE).lstrip("\n"))
        path.write_text(f"{future}{HEADER}{body}")
        exec(compile(path.read_text(), path, "exec", dont_inherit=True), module.__dict__)
        return module

    return run


def code(problem: KickError) -> list[str]:
    return re.findall(r"`([^`]+)`", problem.fix)


def only_problem(container: Container) -> KickError:
    problems = container.check()
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


# What is asked for


async def test_a_missing_class_is_mended_by_listing_it(load: Load) -> None:
    source = """
        class Database: ...
        class Users:
            def __init__(self, database: Database) -> None: ...
        container = Container([Users])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-missing-provider"
    assert problem.code == "di-missing-provider"
    assert problem.cause == ("Nobody provides Database:\n    Users(database) at pasted_0.py:4\n    -> Database")
    listing, mark = code(problem)
    listed = load(source.replace("Container([Users])", f"Container({listing.replace('[', '[Users, ')})"))
    marked = load(source.replace("class Database", f"{mark}\n        class Database"))
    for fixed in (listed, marked):
        await fixed.container.start()
        assert isinstance(fixed.container.instance(fixed.Users), fixed.Users)


async def test_a_missing_protocol_is_mended_by_its_implementation(load: Load) -> None:
    source = """
        class Users(Protocol):
            def count(self) -> int: ...
        class SqlUsers(Users):
            def count(self) -> int: return 3
        class Report:
            def __init__(self, users: Users) -> None: self.total = users.count()
        container = Container([Report, SqlUsers])
    """
    problem = only_problem(load(source).container)
    assert code(problem) == ["Provider(Users, SqlUsers)"]
    fixed = load(source.replace("[Report,", f"[Report, {code(problem)[0]},"))
    await fixed.container.start()
    assert fixed.container.instance(fixed.Report).total == 3


def test_a_missing_protocol_without_implementation_asks_for_one(load: Load) -> None:
    source = """
        class Users(Protocol):
            def count(self) -> int: ...
        class YourUsers:
            def count(self) -> int: return 3
        container = Container([])
        container.require(Users, "UserController.show(users) at app.py:12", parameter="users")
    """
    problem = only_problem(load(source).container)
    assert "UserController.show(users) at app.py:12\n    -> Users" in problem.cause
    assert load(source.replace("([])", f"([{code(problem)[0]}])")).container.check() == []


async def test_a_missing_plain_value_is_mended_by_a_key_of_its_own(load: Load) -> None:
    source = """
        class Server:
            def __init__(self, port: int) -> None: self.port = port
        container = Container([Server])
    """
    problem = only_problem(load(source).container)
    provider, parameter = code(problem)
    fixed = load(source.replace("[Server]", f"[Server, {provider}]").replace("port: int", parameter))
    await fixed.container.start()
    assert fixed.container.instance(fixed.Server).port is ...


async def test_a_missing_qualified_type_is_mended_by_a_qualified_provider(load: Load) -> None:
    source = """
        class Database: ...
        class Report:
            def __init__(self, database: Annotated[Database, "replica"]) -> None: self.database = database
        container = Container([Report, Database])
    """
    problem = only_problem(load(source).container)
    assert code(problem) == ['Provider(Annotated[Database, "replica"], Database)']
    fixed = load(source.replace("[Report,", f"[Report, {code(problem)[0]},"))
    await fixed.container.start()
    replica = fixed.container.instance(fixed.Report).database
    assert replica is not fixed.container.instance(fixed.Database)


async def test_any_other_missing_key_is_mended_by_a_value(load: Load) -> None:
    source = """
        class Report:
            def __init__(self, names: dict[str, int]) -> None: self.names = names
        container = Container([Report])
    """
    problem = only_problem(load(source).container)
    fixed = load(source.replace("[Report]", f"[Report, {code(problem)[0]}]"))
    await fixed.container.start()
    assert fixed.container.instance(fixed.Report).names is ...


def test_similar_names_are_named(load: Load) -> None:
    source = """
        class UserRepository: ...
        class Report:
            def __init__(self, users: UserRepositroy) -> None: ...
    """
    typo = load(source.replace("class Report", "class UserRepositroy: ...\n        class Report"))
    problem = only_problem(Container([typo.Report, typo.UserRepository]))
    assert problem.cause.endswith("\n  Provided under a similar name: UserRepository.")


def test_another_type_of_the_same_name_is_named_with_its_module(load: Load) -> None:
    one, other = load("class Users: ..."), load("class Users: ...")
    container = Container([one.Users])
    container.require(other.Users, "here")
    assert only_problem(container).cause.endswith(f"similar name: {one.__name__}.Users.")


def test_an_empty_list_is_mended_by_a_provider(load: Load) -> None:
    source = """
        class Plugin: ...
        class App:
            def __init__(self, plugins: list[Plugin]) -> None: ...
        container = Container([App])
    """
    problem = only_problem(load(source).container)
    assert "-> list[Plugin]" in problem.cause
    assert load(source.replace("class Plugin", f"{code(problem)[1]}\n        class Plugin")).container.check() == []


async def test_a_cycle_is_mended_by_a_service_that_both_take(load: Load) -> None:
    source = """
        @Service()
        class Chicken:
            def __init__(self, egg: "Egg") -> None: self.taken = egg
        @Service()
        class Egg:
            def __init__(self, chicken: Chicken) -> None: self.taken = chicken
        container = Container([Chicken])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-cycle"
    assert problem.code == "di-cycle"
    assert problem.cause == (
        "Chicken and Egg need each other:\n"
        "    Chicken(egg) at pasted_0.py:4\n    -> Egg(chicken) at pasted_0.py:7\n    -> Chicken"
    )
    shared = textwrap.indent(code(problem)[0], " " * 8).lstrip()
    source = source.replace('egg: "Egg"', "egg: Shared").replace("chicken: Chicken", "chicken: Shared")
    fixed = load("\n        " + shared + source)
    await fixed.container.start()
    chicken = fixed.container.instance(fixed.Chicken)
    assert chicken.taken is (await fixed.container.get(fixed.Egg)).taken


def test_a_service_that_needs_itself_is_a_cycle(load: Load) -> None:
    module = load("""
        class Ouroboros:
            def __init__(self, tail: "Ouroboros") -> None: ...
        container = Container([Ouroboros])
    """)
    assert only_problem(module.container).cause.startswith("Ouroboros needs itself:")


async def test_a_scope_violation_is_mended_by_the_shorter_scope(load: Load) -> None:
    source = """
        class Context: ...
        def current_user(context: Context) -> str: return "ada"
        @Service(scope="transient")
        class Greeting:
            def __init__(self, user: str) -> None: self.user = user
        @Service(scope="singleton")
        class Greeter:
            def __init__(self, greeting: Greeting) -> None: self.greeting = greeting
        container = Container([current_user, Greeter], seeds=[Context])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-scope"
    assert problem.code == "di-scope"
    assert problem.cause == (
        "Greeter lives as long as the app, but Context only as long as a request:\n"
        "    Greeter(greeting) at pasted_0.py:9\n    -> Greeting(user) at pasted_0.py:6\n"
        "    -> current_user(context) at pasted_0.py:3\n    -> Context"
    )
    assert code(problem)[1] == "context: Context"
    fixed = load(source.replace('@Service(scope="singleton")', code(problem)[0]))
    async with fixed.container.scope({fixed.Context: fixed.Context()}) as scope:
        assert (await scope.get(fixed.Greeter)).greeting.user == "ada"


async def test_a_scope_violation_of_a_provider_is_mended_in_the_provider(load: Load) -> None:
    source = """
        class Context: ...
        class Greeter:
            def __init__(self, context: Context) -> None: ...
        container = Container([Provider(Greeter, Greeter, scope="singleton")], seeds=[Context])
    """
    problem = only_problem(load(source).container)
    fixed = load(source.replace('Provider(Greeter, Greeter, scope="singleton")', code(problem)[0]))
    async with fixed.container.scope({fixed.Context: fixed.Context()}) as scope:
        assert isinstance(await scope.get(fixed.Greeter), fixed.Greeter)


async def test_an_ambiguous_key_is_mended_by_a_list_or_by_a_qualifier(load: Load) -> None:
    source = """
        class Users: ...
        class SqlUsers(Users): ...
        class MemoryUsers(Users): ...
        class Report:
            def __init__(self, users: Users) -> None: self.users = users
        container = Container([Report, Provider(Users, SqlUsers), Provider(Users, MemoryUsers)])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-ambiguous"
    assert problem.code == "di-ambiguous"
    assert problem.cause == (
        "Users is provided 2 times, by SqlUsers at pasted_0.py:3 and MemoryUsers at pasted_0.py:4, "
        "and one is asked for:\n    Report(users) at pasted_0.py:6\n    -> Users"
    )
    as_list, provider, parameter = code(problem)
    listed = load(source.replace("users: Users", as_list))
    await listed.container.start()
    assert [type(each).__name__ for each in listed.container.instance(listed.Report).users] == [
        "SqlUsers",
        "MemoryUsers",
    ]
    qualified = load(source.replace("Provider(Users, SqlUsers)", provider).replace("users: Users", parameter))
    await qualified.container.start()
    assert isinstance(qualified.container.instance(qualified.Report).users, qualified.SqlUsers)


# What hints say


async def test_a_missing_hint_is_mended_by_the_type_whose_name_fits(load: Load) -> None:
    source = """
        class Database: ...
        class Users:
            def __init__(self, database) -> None: self.database = database
        container = Container([Users, Database])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-missing-hint"
    assert problem.code == "di-missing-hint"
    assert "database of Users(database) at pasted_0.py:4 has no type" in problem.cause
    fixed = load(source.replace("self, database", f"self, {code(problem)[0]}"))
    await fixed.container.start()
    assert isinstance(fixed.container.instance(fixed.Users).database, fixed.Database)


async def test_a_type_imported_for_type_checkers_only_is_mended_by_its_import(load: Load) -> None:
    source = (
        FUTURE
        + """
        if TYPE_CHECKING:
            from decimal import Decimal
        class Prices:
            def __init__(self, rate: Decimal, name: str = "net") -> None: self.rate = rate
    """
    )
    problem = only_problem(Container([load(source).Prices]))
    assert problem.code == "di-unresolved-hint"
    assert problem.code == "di-unresolved-hint"
    assert "type Decimal of Prices(rate) at pasted_0.py:5" in problem.cause
    assert "name 'Decimal' is not defined" in problem.cause
    assert code(problem)[-1] == "from decimal import Decimal"
    fixed = load(source.replace("if TYPE_CHECKING:", f"{code(problem)[-1]}\n        if TYPE_CHECKING:"))
    container = Container([fixed.Prices, fixed.Decimal(2)])
    await container.start()
    assert container.instance(fixed.Prices).rate == 2


def test_a_type_that_is_nowhere_to_be_found_is_named(load: Load) -> None:
    source = (
        FUTURE
        + """
        def build():
            class Local: ...
            class Users:
                def __init__(self, local: list[Local]) -> None: ...
            return Local, Users
    """
    )
    _, users = load(source).build()
    problem = only_problem(Container([users]))
    assert "type list[Local] of Users(local)" in problem.cause
    local, users = load(source.replace(f"{code(problem)[0]}; ", "")).build()
    assert Container([local, users]).check() == []


def test_the_return_type_is_read_like_any_other(load: Load) -> None:
    source = (
        FUTURE
        + """
        if TYPE_CHECKING:
            from decimal import Decimal
        def rate() -> Decimal: return Decimal(2)
    """
    )
    problem = only_problem(Container([load(source).rate]))
    assert "type Decimal of the return of rate at pasted_0.py:4" in problem.cause
    fixed = load(source.replace("if TYPE", f"{code(problem)[-1]}\n        if TYPE"))
    assert Container([fixed.rate]).check() == []


def test_an_unhashable_qualifier_is_mended_by_a_string(load: Load) -> None:
    source = """
        class Server:
            def __init__(self, port: Annotated[int, ["port"]]) -> None: ...
        container = Container([Server])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-unhashable-key"
    assert problem.code == "di-unhashable-key"
    assert problem.cause.startswith("Annotated[int, ['port']] of Server(port) at pasted_0.py:3")
    key = code(problem)[0]
    fixed = load(
        source.replace('Annotated[int, ["port"]]', key).replace("[Server]", f"[Server, Provider({key}, value=80)]")
    )
    assert fixed.container.check() == []


def test_an_unhashable_key_is_refused_wherever_it_is_given() -> None:
    key = Annotated[int, []]
    with raises_code("di-unhashable-key"):
        Container().provides(key)
    container = Container()
    container.require(key, "show(port) at app.py:3")
    assert "of show(port) at app.py:3" in only_problem(container).cause


def test_an_abstract_class_is_mended_by_its_implementation(load: Load) -> None:
    source = """
        class Users(Protocol):
            def count(self) -> int: ...
        class YourUsers(Users):
            def count(self) -> int: return 3
        container = Container([Users])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-not-constructible"
    assert problem.code == "di-not-constructible"
    assert problem.cause.startswith("Users at pasted_0.py:2 is abstract")
    assert load(source.replace("[Users]", f"[{code(problem)[0]}]")).container.check() == []


async def test_a_provider_function_without_return_type_is_mended_by_one(load: Load) -> None:
    source = """
        class YourType: ...
        def connect(): return YourType()
        container = Container([connect])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-missing-return-hint"
    assert problem.code == "di-missing-return-hint"
    assert problem.cause == "The provider connect at pasted_0.py:3 does not say which type it makes."
    signature, provider = code(problem)
    hinted = load(source.replace("def connect()", signature.replace("...", "")))
    named = load(source.replace("[connect]", f"[{provider}]"))
    for fixed in (hinted, named):
        await fixed.container.start()
        assert isinstance(fixed.container.instance(fixed.YourType), fixed.YourType)


@pytest.mark.parametrize(("prefix", "iterator"), [("", "Iterator"), ("async ", "AsyncIterator")])
async def test_a_generator_that_names_what_it_yields_is_mended_by_an_iterator(
    load: Load, prefix: str, iterator: str
) -> None:
    source = f"""
        class Database: ...
        {prefix}def connect() -> Database: yield Database()
        container = Container([connect])
    """
    problem = only_problem(load(source).container)
    assert problem.code == "di-generator-hint"
    assert problem.code == "di-generator-hint"
    assert "connect at pasted_0.py:3 is a generator, and Database does not say" in problem.cause
    assert code(problem) == [f"{prefix}def connect(...) -> {iterator}[Database]"]
    fixed = load(source.replace(f"{prefix}def connect() -> Database", code(problem)[0].replace("...", "")))
    async with fixed.container.scope() as scope:
        assert isinstance(await scope.get(fixed.Database), fixed.Database)


# What is written on services and providers


def test_service_without_parentheses_is_mended_by_them(load: Load) -> None:
    source = """
        @Service
        class Clock: ...
    """
    with raises_code("di-service-not-called") as caught:
        load(source)
    assert caught.value.code == "di-service-not-called"
    assert caught.value.cause == "@Service is written without parentheses on Clock at pasted_0.py:2."
    fixed = load(source.replace("@Service", code(caught.value)[0]))
    assert Container().provides(fixed.Clock)


def test_an_unknown_scope_is_mended_by_a_known_one(load: Load) -> None:
    source = """
        @Service(scope="app")
        class Clock: ...
    """
    with raises_code("di-unknown-scope") as caught:
        load(source)
    assert caught.value.code == "di-unknown-scope"
    assert caught.value.cause == "There is no scope 'app'."
    for known in code(caught.value):
        module = load(source.replace('scope="app"', known))
        assert Container().lifetime(module.Clock).value in known


def test_a_provider_with_nothing_or_too_much_is_mended_by_a_value(load: Load) -> None:
    for wrong in (
        "Provider(int | str, 3)",
        "Provider(int | str)",
        "Provider(int | str, int, value=3)",
        'Provider(int | str, value=3, scope="request")',
    ):
        with raises_code("di-value-and-factory") as caught:
            load(f"container = Container([{wrong}])")
        assert caught.value.code == "di-value-and-factory"
        assert caught.value.cause.startswith("The provider of int | str has ")
        fixed = load(f"container = Container([{code(caught.value)[0]}])")
        assert fixed.container.instance(int | str) is ...


async def test_an_override_by_a_class_is_mended_by_a_provider(load: Load) -> None:
    module = load("""
        class Users: ...
        class FakeUsers(Users): ...
        container = Container([Users])
    """)
    with raises_code("di-override-by-class") as caught, module.container.override(module.Users, module.FakeUsers):
        pass
    assert caught.value.code == "di-override-by-class"
    assert caught.value.cause == "The override of Users is the class FakeUsers, not an instance of it."
    with module.container.override(module.Users, eval(code(caught.value)[0], module.__dict__)):
        assert isinstance(await module.container.get(module.Users), module.FakeUsers)


# What happens at run time


async def run(statement: str, **names: Any) -> object:
    """Runs one line of a fix, which may await."""
    namespace = names
    body = textwrap.indent(statement.replace(": await", ": return await"), "    ")
    exec(f"async def pasted():\n{body}", namespace)
    result: object = await namespace["pasted"]()
    return result


class Clock: ...


async def test_an_instance_before_the_start_is_mended_by_the_start() -> None:
    container = Container([Clock])
    with raises_code("di-not-started") as caught:
        container.instance(Clock)
    assert caught.value.code == "di-not-started"
    assert caught.value.cause == "Clock was asked for, but the app has not started."
    await run(code(caught.value)[0], container=container)
    assert isinstance(container.instance(Clock), Clock)


async def test_an_instance_that_takes_an_await_is_mended_by_one() -> None:
    async def clock(name: str) -> Clock:
        return Clock()

    container = Container([clock, "real"])
    await container.start()
    for position in (0, 1):
        with container.override(str, f"fake {position}"):
            with raises_code("di-not-built") as caught:
                container.instance(Clock)
            assert caught.value.code == "di-not-built"
            assert caught.value.cause == "Clock is not built yet, and building it needs an `await`."
            await run(code(caught.value)[position], container=container, Clock=Clock)
            assert isinstance(container.instance(Clock), Clock)


@pytest.mark.parametrize("scope", ["request", "transient"])
async def test_what_lives_in_a_scope_is_asked_for_in_a_scope(load: Load, scope: str) -> None:
    module = load(f"@Service(scope='{scope}')\nclass Basket: ...\ncontainer = Container()")
    with raises_code("di-outside-scope") as caught:
        await module.container.get(module.Basket)
    with raises_code("di-outside-scope"):
        module.container.instance(module.Basket)
    assert caught.value.code == "di-outside-scope"
    assert caught.value.cause == f"Basket is {scope}-scoped and was asked for outside any scope."
    assert isinstance(await run(code(caught.value)[0], **module.__dict__), module.Basket)


async def test_a_closed_scope_is_mended_by_an_open_one() -> None:
    container = Container([Clock])
    async with container.scope() as scope:
        pass
    with raises_code("di-scope-closed") as caught:
        await scope.get(Clock)
    assert caught.value.code == "di-scope-closed"
    assert caught.value.cause == "Clock was asked for in a scope that is closed."
    assert isinstance(await run(code(caught.value)[0], container=container, Clock=Clock), Clock)


async def test_a_scope_without_its_seed_is_mended_by_the_seed() -> None:
    container = Container(seeds=[Clock])
    async with container.scope() as scope:
        with raises_code("di-seed-missing") as caught:
            await scope.get(Clock)
    assert caught.value.code == "di-seed-missing"
    assert caught.value.cause == "Clock is needed in a scope that was opened without one."
    async with eval(code(caught.value)[0], {"container": container, "Clock": Clock}) as scope:
        assert await scope.get(Clock) is ...


async def test_an_undeclared_seed_is_mended_by_declaring_it() -> None:
    clock = Clock()
    with raises_code("di-undeclared-seed") as caught:
        Container().scope({Clock: clock})
    assert caught.value.code == "di-undeclared-seed"
    assert caught.value.cause == "A scope was handed Clock, which is not among the container's seeds."
    container: Container = eval(code(caught.value)[0], {"Container": Container, "Clock": Clock})
    async with container.scope({Clock: clock}) as scope:
        assert await scope.get(Clock) is clock


@pytest.mark.parametrize(("prefix", "iterator"), [("", "Iterator"), ("async ", "AsyncIterator")])
async def test_a_generator_that_yields_nothing_is_mended_by_a_yield(load: Load, prefix: str, iterator: str) -> None:
    source = f"""
        {prefix}def greeting() -> {iterator}[str]:
            value = "hello"
            if not value: yield value
        container = Container([greeting])
    """
    with raises_code("di-did-not-yield") as caught:
        await load(source).container.scope().get(str)
    assert caught.value.code == "di-did-not-yield"
    assert caught.value.cause == "The provider greeting at pasted_0.py:2 ended without a yield."
    fixed = load(source.replace("if not value: yield value", code(caught.value)[0]))
    async with fixed.container.scope() as scope:
        assert await scope.get(str) == "hello"


@pytest.mark.parametrize(("prefix", "iterator"), [("", "Iterator"), ("async ", "AsyncIterator")])
async def test_a_generator_that_yields_twice_is_mended_by_one_yield(load: Load, prefix: str, iterator: str) -> None:
    source = f"""
        {prefix}def greeting() -> {iterator}[str]:
            value = "hello"
            yield value; yield "bye"
        container = Container([greeting])
    """
    with raises_code("di-yielded-twice") as caught:
        async with load(source).container.scope() as scope:
            await scope.get(str)
    problem = caught.value
    assert problem.code == "di-yielded-twice"
    assert problem.cause == "The provider greeting at pasted_0.py:2 yielded a second time."
    fixed = load(source.replace('yield value; yield "bye"', code(problem)[0]))
    async with fixed.container.scope() as scope:
        assert await scope.get(str) == "hello"
