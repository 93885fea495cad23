"""A site where people log in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from kick import App, Controller, Get, Module, Post, RequestContext, Service, Sessions, bootstrap
from kick.auth import Authenticated, Identity, Roles, authentication, identity, login, logout, next_page, set_roles
from kick.middleware import csrf
from kick.session import session

SECRET = "a secret of at least thirty-two bytes"


class User(msgspec.Struct, frozen=True):
    id: int
    name: str


class UserSession(msgspec.Struct):
    cart: list[str] = []
    theme: str = "light"


@Service()
class Users:
    """People by their id; `loads` counts how often somebody was looked up."""

    def __init__(self) -> None:
        self.people = {7: User(7, "Ada"), 8: User(8, "Charles")}
        self.loads = 0

    async def find(self, user_id: int) -> User | None:
        self.loads += 1
        return self.people.get(user_id)


async def load_user(user_id: int, users: Users) -> User | None:
    return await users.find(user_id)


class LogIn(msgspec.Struct):
    user_id: int
    roles: list[str] = []
    keep: bool | list[str] | None = None


class Note(msgspec.Struct):
    text: str


class NewRoles(msgspec.Struct):
    roles: list[str]


@Controller("/auth")
class AuthController:
    @Post("/login")
    async def log_in(self, ctx: RequestContext, body: LogIn) -> str:
        await login(ctx, body.user_id, roles=body.roles, keep=body.keep)
        return ctx.session.csrf_token

    @Post("/page")
    async def from_page(self, ctx: RequestContext) -> Any:
        await login(ctx, 7)
        return ctx.redirect(next_page(ctx, "/home"))

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> None:
        await logout(ctx)

    @Post("/roles")
    async def change(self, ctx: RequestContext, body: NewRoles) -> None:
        await set_roles(ctx, body.roles)

    @Get("/who")
    async def who(self, ctx: RequestContext) -> Identity | None:
        return identity(ctx)

    @Get("/token")
    async def token(self, ctx: RequestContext) -> str:
        return ctx.session.csrf_token

    @Get("/devices")
    async def devices(self, who: Identity, sessions: Sessions) -> int:
        return len(await sessions.of(who.user_id))

    @Post("/cart/{item}")
    async def put(self, ctx: RequestContext, item: str) -> None:
        data: Any = ctx.session.data
        if isinstance(data, UserSession):
            data.cart.append(item)
        else:
            data["cart"] = [*data.get("cart", []), item]

    @Get("/cart")
    async def cart(self, ctx: RequestContext) -> list[str]:
        data: Any = ctx.session.data
        return list(data.cart) if isinstance(data, UserSession) else list(data.get("cart", []))


@Controller("/things")
class ThingController:
    @Get("/user")
    async def user(self, user: User, again: User) -> str:
        assert user is again
        return user.name

    @Get("/maybe")
    async def maybe(self, user: User | None) -> str:
        return "nobody" if user is None else user.name

    @Get("/identity")
    async def identity(self, who: Identity) -> Any:
        return who.user_id

    @Authenticated
    @Get("/bare")
    async def bare(self) -> str:
        return "in"

    @Authenticated()
    @Post("/note")
    async def note(self, body: Note) -> str:
        return body.text

    @Authenticated(max_age=timedelta(minutes=5))
    @Post("/fresh")
    async def fresh(self) -> str:
        return "fresh"

    @Roles("admin", "editor")
    @Post("/any")
    async def any_of(self) -> str:
        return "any"

    @Roles(all_of=["admin", "editor"])
    @Post("/all")
    async def all_of(self) -> str:
        return "all"

    @Roles("admin")
    @Roles("editor")
    @Post("/stacked")
    async def stacked(self) -> str:
        return "stacked"

    @Authenticated(login_page="/login")
    @Get("/page")
    @Post("/page")
    async def page(self) -> str:
        return "page"

    @Authenticated(max_age=60, login_page="/login")
    @Get("/fresh-page/{name}")
    async def fresh_page(self, name: str) -> str:
        return name

    @Roles("admin", login_page="/login")
    @Get("/admin-page")
    async def admin_page(self) -> str:
        return "admin"


def make(*modules: Module, protected: bool = False, loader: Callable[..., Any] = load_user, **options: Any) -> App:
    layers = [session(SECRET, save_uninitialized=False, **options), authentication(loader)]
    own = Module("auth", controllers=[AuthController, ThingController], providers=[Users])
    return bootstrap([own, *modules], [*layers, csrf()] if protected else layers)
