"""The whole graph is looked at, and everything wrong with it is found at once."""

from collections import Counter

import pytest

from kick.di import Container, Lifetime, Provider, Service
from kick.errors import KickError, SetupErrors
from tests.support.setup_errors import raises_code


class Context: ...


class Database: ...


class Users:
    def __init__(self, database: Database) -> None: ...


class Report:
    def __init__(self, users: Users) -> None: ...


def current_user(context: Context) -> str:
    return "ada"


def codes(container: Container) -> list[str]:
    return sorted(problem.code for problem in container.check())


def test_all_that_is_wrong_is_found_at_once() -> None:
    class Chicken:
        def __init__(self, egg: "Egg") -> None: ...

    class Egg:
        def __init__(self, chicken: Chicken) -> None: ...

    Chicken.__init__.__annotations__["egg"] = Egg

    @Service(scope="singleton")
    class Greeter:
        def __init__(self, user: str, unhinted, unknown: "Nobody") -> None: ...  # type: ignore[no-untyped-def, name-defined]  # noqa: F821

    def nothing(): ...  # type: ignore[no-untyped-def]

    container = Container([Chicken, Egg, Users, Greeter, current_user, nothing, 1, 2], seeds=[Context])
    container.require(int, "show(number) at app.py:3")
    assert codes(container) == [
        "di-ambiguous",
        "di-cycle",
        "di-missing-hint",
        "di-missing-provider",
        "di-missing-return-hint",
        "di-scope",
        "di-unresolved-hint",
    ]


def test_a_mistake_that_many_run_into_is_reported_once() -> None:
    container = Container([Report, Users])
    for place in ("a", "b", "b"):
        container.require(Users, place)
        container.require(Report, place)
    assert codes(container) == ["di-missing-provider"]


def test_the_chain_begins_at_the_place_that_asks() -> None:
    container = Container([Report, Users])
    container.require(Report, "UserController.show(report) at app.py:12")
    (problem,) = container.check()
    steps = [line.strip().removeprefix("-> ").partition(" at ")[0] for line in problem.cause.splitlines()[1:]]
    assert steps == ["UserController.show(report)", "Report(users)", "Users(database)", "Database"]


def test_every_place_that_asks_for_what_is_missing_is_reported() -> None:
    container = Container()
    for place in ("show(db) at app.py:3", "edit(db) at app.py:9"):
        container.require(Database, place)
    assert Counter(problem.code for problem in container.check()) == {"di-missing-provider": 2}


def test_a_cycle_is_reported_once_wherever_one_enters_it() -> None:
    def one(two: int) -> float:
        return two

    def two(three: str) -> int:
        return int(three)

    def three(one: float, two: int) -> str:
        return f"{one}{two}"

    container = Container([one, two, three])
    for key in (str, int, float):
        container.require(key, f"for {key.__name__}")
    chains = [problem.cause.splitlines()[0] for problem in container.check()]
    assert chains == ["str and float and int need each other:", "str and int need each other:"]


def test_what_is_asked_for_from_a_broken_container_is_an_error() -> None:
    container = Container([Report, Users])
    for ask in (container.lifetime, container.resolver, container.instance):
        with raises_code("di-missing-provider"):
            ask(Report)


async def test_a_broken_container_does_not_start() -> None:
    built: list[str] = []

    def greeting() -> str:
        built.append("greeting")
        return "hello"

    container = Container([greeting, Users, Report, Provider(int, lambda database: 1)])
    with pytest.raises(SetupErrors) as caught:
        await container.start()
    assert [problem.code for problem in caught.value.problems] == ["di-missing-provider", "di-missing-hint"]
    assert built == []


def test_a_requirement_after_a_check_is_checked_too() -> None:
    container = Container()
    assert container.check() == []
    container.require(Database, "here")
    assert codes(container) == ["di-missing-provider"]


def test_the_list_of_problems_is_the_callers_own() -> None:
    container = Container([Users])
    container.check().clear()
    assert codes(container) == ["di-missing-provider"]


# Lifetimes


def test_a_function_lives_as_long_as_what_it_needs_allows() -> None:
    def greeting(user: str) -> bytes:
        return user.encode()

    def constant(number: int) -> float:
        return number

    container = Container([current_user, greeting, constant, 1], seeds=[Context])
    lifetimes = [container.lifetime(key) for key in (Context, str, bytes, float, int)]
    assert lifetimes == [Lifetime.REQUEST] * 3 + [Lifetime.SINGLETON] * 2
    assert container.check() == []


def test_a_function_that_needs_something_transient_may_live_as_long_as_the_app() -> None:
    @Service(scope="transient")
    class Dice: ...

    def roll(dice: Dice) -> int:
        return 6

    container = Container([roll])
    assert (container.lifetime(Dice), container.lifetime(int)) == (Lifetime.TRANSIENT, Lifetime.SINGLETON)


def test_the_scope_of_a_provider_comes_before_that_of_the_service() -> None:
    @Service(scope="request")
    class Basket: ...

    assert Container([Provider(Basket, scope="transient")]).lifetime(Basket) is Lifetime.TRANSIENT


def test_a_list_lives_as_long_as_its_shortest() -> None:
    container = Container([current_user, "app"], seeds=[Context])
    assert container.lifetime(list[str]) is Lifetime.REQUEST
    assert Container(["app"]).lifetime(list[str]) is Lifetime.SINGLETON
    dice = Provider(str, lambda: "dice", scope="transient")
    assert Container(["app", dice]).lifetime(list[str]) is Lifetime.TRANSIENT
    user_dice = Provider(int, lambda: 6, scope="transient")
    assert Container([user_dice]).lifetime(int | None) is Lifetime.TRANSIENT


def test_nothing_lives_as_long_as_the_app() -> None:
    assert Container().lifetime(Database | None) is Lifetime.SINGLETON


@pytest.mark.parametrize("hint", [str, str | None, list[str]])
def test_a_singleton_that_needs_something_of_a_request_is_an_error_in_every_shape(hint: object) -> None:
    @Service(scope="singleton")
    class Greeter:
        def __init__(self, user: hint) -> None: ...  # type: ignore[valid-type]

    (problem,) = Container([Greeter, current_user], seeds=[Context]).check()
    assert problem.code == "di-scope"


def test_only_the_singleton_that_holds_it_is_blamed() -> None:
    @Service(scope="singleton")
    class Holder:
        def __init__(self, user: str) -> None: ...

    class Above:
        def __init__(self, holder: Holder) -> None: ...

    (problem,) = Container([Above, current_user], seeds=[Context]).check()
    assert problem.cause.startswith("Holder lives as long as the app")


def test_a_default_does_not_excuse_a_singleton() -> None:
    @Service(scope="singleton")
    class Greeter:
        def __init__(self, user: str = "nobody") -> None: ...

    assert codes(Container([Greeter, current_user], seeds=[Context])) == ["di-scope"]
    assert codes(Container([Greeter])) == []


def test_request_and_transient_services_may_need_anything() -> None:
    @Service(scope="request")
    class Basket:
        def __init__(self, user: str, database: Database) -> None: ...

    @Service(scope="transient")
    class Dice:
        def __init__(self, basket: Basket) -> None: ...

    container = Container([current_user, Database, Provider(Dice, scope="transient")], seeds=[Context])
    container.require(Dice, "here")
    assert container.check() == []


# A large graph


def test_a_deep_chain_is_checked_to_its_end() -> None:
    below: type | None = None
    classes: list[type] = []
    for depth in range(200):
        name = f"Service{depth}"
        namespace: dict[str, object] = {}
        if below is not None:

            def init(self: object, below: object) -> None: ...

            init.__annotations__["below"] = below
            namespace["__init__"] = init
        below = type(name, (), namespace)
        classes.append(below)
    assert Container(classes).check() == []
    (problem,) = Container(classes[1:]).check()
    assert isinstance(problem, KickError)
    assert problem.cause.count("->") == 1
    container = Container(classes[1:-1])
    container.require(classes[-2], "the top")
    assert container.check()[0].cause.count("->") == 199
