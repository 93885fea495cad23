"""What type checkers see of `kick.auth` and `csrf()`. The assertions are theirs: mypy and pyright read this file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, assert_type

from kick import Controller, Get, Post, RequestContext
from kick.auth import Authenticated, Identity, Passwords, Roles, authenticated, identity, login, next_page, roles
from kick.http import Middleware
from kick.middleware import csrf
from kick.session import CsrfExempt


@CsrfExempt
@Roles("admin", all_of=["editor"])
@Authenticated
@Controller("/x")
class X:
    @CsrfExempt()
    @Authenticated
    @Get()
    async def one(self, number: int) -> str:
        return str(number)

    @CsrfExempt
    @Authenticated(max_age=timedelta(minutes=1), login_page="/login")
    @Roles("admin")
    @Post()
    async def two(self, number: int) -> str:
        return str(number)


def test_decorated_classes_and_methods_keep_their_types() -> None:
    controller = X()
    assert_type(controller, X)
    one: Callable[[int], Awaitable[str]] = controller.one
    two: Callable[[int], Awaitable[str]] = controller.two
    assert one != two


async def results(ctx: RequestContext, passwords: Passwords) -> None:
    assert_type(identity(ctx), Identity | None)
    assert_type(await passwords.hash("a password"), str)
    assert_type(await passwords.verify("a password", None), bool)
    assert_type(next_page(ctx), str)
    assert_type(ctx.session.csrf_token, str)
    await login(ctx, 7, roles={"admin"}, keep=["cart"])


def test_guards_are_middleware() -> None:
    layers: list[Middleware | Any] = [csrf(), authenticated(max_age=60), roles("admin")]
    assert all(isinstance(each, Middleware) for each in layers)
