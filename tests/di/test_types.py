"""What type checkers see; the assertions are theirs, and are checked when mypy and pyright read this file."""

from collections.abc import AsyncIterator, Callable
from typing import assert_type

from kick.di import Container, Service


@Service()
class Clock:
    def now(self) -> float:
        return 1.0


@Service(scope="request")
class Basket:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock


@Service(scope="transient")
def greeting(clock: Clock) -> str:
    return f"it is {clock.now()}"


@Service()
async def numbers(clock: Clock) -> AsyncIterator[int]:
    yield int(clock.now())


async def test_decorated_classes_and_functions_keep_their_types() -> None:
    assert_type(Clock(), Clock)
    assert_type(Clock().now(), float)
    assert_type(Basket(Clock()).clock, Clock)
    as_class: type[Basket] = Basket
    assert as_class.__name__ == "Basket"
    assert_type(greeting(Clock()), str)
    as_function: Callable[[Clock], str] = greeting
    assert as_function(Clock()) == "it is 1.0"
    assert_type(numbers(Clock()), AsyncIterator[int])


async def test_what_is_asked_for_has_the_type_it_is_asked_by() -> None:
    container = Container([greeting, numbers])
    await container.start()
    assert_type(container.instance(Clock), Clock)
    assert_type(await container.get(Clock), Clock)
    async with container.scope() as scope:
        basket = await scope.get(Basket)
        assert_type(basket, Basket)
        assert_type(await scope.get(list[Basket]), list[Basket])
    with container.override(Clock, Clock()) as fake:
        assert_type(fake, Clock)
        assert container.instance(Clock) is fake
    assert basket.clock is container.instance(Clock)
    await container.aclose()
