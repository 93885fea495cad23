"""A decorator without `functools.wraps` must not take routes, middleware or guards away without a word."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from kick import Controller, Get, KickError, Module, Post, Socket, Use, WebSocket, bootstrap
from kick.auth import Authenticated, Roles, authentication
from kick.errors import SetupErrors
from kick.http import CallNext
from kick.session import session

SECRET = "a secret of at least thirty-two bytes"
Decorate = Callable[[Any], Any]


def plain(function: Any) -> Any:
    async def wrapper(self: Any) -> Any:
        return await function(self)

    return wrapper


def wrapping(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


def with_options(function: Any) -> Any:
    """Like one that takes arguments: the function is two closures away."""

    def call() -> Any:
        return function

    async def wrapper(self: Any) -> Any:
        return await call()(self)

    return wrapper


async def passing(ctx: Any, call_next: CallNext) -> Any:
    return await call_next(ctx)


async def load_user(user_id: str) -> str:
    return user_id


def problems_of(controller: type) -> list[str]:
    try:
        bootstrap([Module("site", controllers=[controller])], [session(SECRET), authentication(load_user)])
    except SetupErrors as error:
        return [each.code for each in error.problems]
    except KickError as error:
        return [error.code]
    return []


def site_of(*decorators: Decorate) -> type:
    """A controller with a handler that has these decorators, the outermost first."""

    async def show(self: Any) -> str:
        return "shown"

    for decorate in reversed(decorators):
        show = decorate(show)
    return Controller("")(type("Site", (), {"show": show}))


ROUTE = Get("/")


@pytest.mark.parametrize(
    "decorators",
    [
        (ROUTE, plain, Authenticated()),
        (ROUTE, plain, Roles("admin")),
        (ROUTE, plain, Use(passing)),
        (Use(passing), ROUTE, plain, Authenticated()),
        (ROUTE, with_options, Authenticated()),
        (ROUTE, plain, plain, Authenticated()),
        (ROUTE, wrapping, plain, Authenticated()),
        (ROUTE, plain, wrapping, Authenticated()),
        (plain, ROUTE),
        (with_options, Post("/")),
        (plain, wrapping, ROUTE),
    ],
)
def test_what_is_lost_stops_the_start(decorators: tuple[Decorate, ...]) -> None:
    assert set(problems_of(site_of(*decorators))) == {"decorator-hides"}


@pytest.mark.parametrize(
    "decorators",
    [
        (ROUTE, wrapping, Authenticated()),
        (ROUTE, Authenticated(), plain),
        (wrapping, ROUTE, Authenticated()),
        (Roles("admin"), ROUTE, wrapping, wrapping, Use(passing), plain),
    ],
)
def test_what_is_kept_is_no_mistake(decorators: tuple[Decorate, ...]) -> None:
    assert problems_of(site_of(*decorators)) == []


def test_a_handler_that_calls_another_one_is_none_either() -> None:
    @Authenticated()
    async def shared(self: Any) -> str:
        return "shared"

    @Controller("")
    class Site:
        @Get("/")
        async def show(self) -> str:
            return await shared(self)

    assert problems_of(Site) == []


def test_base_classes_and_sockets_are_looked_at_too() -> None:
    class Base:
        @WebSocket("/")
        @plain
        @Authenticated()
        async def talk(self, socket: Socket[str, str]) -> None:
            await socket.send("secret")

    @Controller("")
    class Site(Base): ...

    assert "decorator-hides" in problems_of(Site)
