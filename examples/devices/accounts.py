"""Registration, login with "remember me", and the password asked once more."""

import secrets
from typing import Annotated

from msgspec import Meta, Struct

from kick import Controller, Form, Get, Post, RequestContext, Response, Service, TooManyRequests, Unauthorized, Use
from kick.auth import Authenticated, LoginLimit, Passwords, login, logout, next_page
from kick.middleware import rate_limit


class User(Struct):
    id: str  # random: sessions outlive the process, and a number would soon be that of another user
    name: str
    password: str  # a hash


class Credentials(Struct):
    name: Annotated[str, Meta(pattern=r"\S", max_length=50)]
    password: Annotated[str, Meta(min_length=8, max_length=128)]
    remember: bool = False


class Password(Struct):
    password: Annotated[str, Meta(max_length=128)]


@Service(scope="singleton")
class Users:
    """The users, in the memory of this process. See `examples/shop` for a database."""

    def __init__(self, passwords: Passwords) -> None:
        self.passwords = passwords
        self.by_id: dict[str, User] = {}

    async def add(self, name: str, password: str) -> User | None:
        """Add a user; return `None` if the name is taken."""
        stored = await self.passwords.hash(password)
        if self.named(name) is not None:
            return None
        user = User(secrets.token_hex(16), name, stored)
        self.by_id[user.id] = user
        return user

    async def check(self, name: str, password: str) -> User:
        """Return the user with this name and password, or raise `Unauthorized`."""
        user = self.named(name)
        stored = user.password if user else None  # None takes as long as a wrong password
        if not await self.passwords.verify(password, stored) or user is None:
            raise Unauthorized("The name or the password is wrong.")
        return user

    def named(self, name: str) -> User | None:
        return next((each for each in self.by_id.values() if each.name == name), None)


async def load_user(user_id: str, users: Users) -> User | None:
    return users.by_id.get(user_id)


@Controller()
class LoginController:
    def __init__(self, users: Users, limit: LoginLimit) -> None:
        self.users = users
        self.limit = limit

    @Get("/login")
    async def show(self, ctx: RequestContext, form: Form[Credentials]) -> Response:
        return ctx.render("login.html", form=form)

    @Post("/login")
    @Use(rate_limit("20/minute"), rate_limit("100/minute", key="site"))
    async def log_in(self, ctx: RequestContext, form: Form[Credentials]) -> Response:
        if not form.is_valid:
            return ctx.render("login.html", 422, form=form)
        try:
            async with self.limit.attempt(ctx, form.value.name):
                user = await self.users.check(form.value.name, form.value.password)
        except (Unauthorized, TooManyRequests) as error:
            form.add_error("", error.detail or error.title)
            return ctx.render("login.html", error.status, form=form)
        await login(ctx, user.id, remember=form.value.remember)
        return ctx.redirect(next_page(ctx, "/devices"))

    @Post("/register")
    @Use(rate_limit("20/minute"), rate_limit("100/minute", key="site"))
    async def register(self, ctx: RequestContext, form: Form[Credentials]) -> Response:
        if not form.is_valid:
            return ctx.render("login.html", 422, form=form)
        user = await self.users.add(form.value.name, form.value.password)
        if user is None:
            form.add_error("name", "This name is taken.")
            return ctx.render("login.html", 409, form=form)
        self.limit.remember(ctx, user.name)
        await login(ctx, user.id, remember=form.value.remember)
        return ctx.redirect("/devices")

    @Authenticated(login_page="/login")
    @Get("/confirm")
    async def ask(self, ctx: RequestContext, form: Form[Password]) -> Response:
        return ctx.render("confirm.html", form=form)

    @Post("/confirm")
    async def confirm(self, ctx: RequestContext, user: User, form: Form[Password]) -> Response:
        if not form.is_valid:
            return ctx.render("confirm.html", 422, form=form)
        try:  # whoever borrows the laptop must not guess either
            async with self.limit.attempt(ctx, user.name):
                await self.users.check(user.name, form.value.password)
        except (Unauthorized, TooManyRequests) as error:
            form.add_error("password", error.detail or error.title)
            return ctx.render("confirm.html", error.status, form=form)
        # The same user again: a new session id, and the time of the login is now.
        await login(ctx, user.id, remember=ctx.session.persistent)
        return ctx.redirect(next_page(ctx, "/devices"))

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> Response:
        await logout(ctx)
        return ctx.redirect("/login")
