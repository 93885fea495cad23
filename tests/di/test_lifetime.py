"""What @Service writes, and on whom."""

from dataclasses import dataclass

import pytest

from kick.di import Container, Lifetime, Service
from kick.di.provider import lifetime_mark


@Service(scope="request")
class Basket: ...


class BiggerBasket(Basket): ...


def test_a_service_is_provided_without_being_listed() -> None:
    assert Container().provides(Basket)
    assert Container().lifetime(Basket) is Lifetime.REQUEST


def test_a_subclass_of_a_service_is_no_service() -> None:
    assert not Container().provides(BiggerBasket)
    assert lifetime_mark(BiggerBasket) is None


def test_a_service_lives_as_long_as_the_app_unless_it_says_otherwise() -> None:
    @Service()
    class Clock: ...

    assert Container().lifetime(Clock) is Lifetime.SINGLETON


@pytest.mark.parametrize("decorate", [dataclass, dataclass(slots=True), dataclass(frozen=True)])
def test_a_service_may_be_decorated_further(decorate: type) -> None:
    @decorate
    @Service(scope="transient")
    class Dice:
        sides: int = 6

    assert Container().lifetime(Dice) is Lifetime.TRANSIENT


def test_a_marked_function_says_how_long_what_it_makes_lives() -> None:
    @Service(scope="request")
    def greeting() -> str:
        return "hello"

    assert Container([greeting]).lifetime(str) is Lifetime.REQUEST
    assert greeting() == "hello"
