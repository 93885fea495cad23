"""An application in one file, with a login and a counter of visits.

    export SESSION_SECRET=$(kick secret)
    kick dev hello:app

For passwords, see `examples/auth`.
"""

import os
from typing import Annotated

import msgspec

from kick import Controller, Get, Module, Post, Raises, RequestContext, Service, Unauthorized, bootstrap
from kick.session import session


class Login(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=100)]


@Service()
class Greeter:
    def greet(self, name: str) -> str:
        return f"Hello, {name}!"


@Controller("/auth")
class AuthController:
    def __init__(self, greeter: Greeter) -> None:
        self.greeter = greeter

    @Post("/login")
    async def login(self, ctx: RequestContext, body: Login) -> dict[str, str]:
        await ctx.session.regenerate()  # a new id prevents session fixation
        ctx.session["name"] = body.name
        return {"message": self.greeter.greet(body.name)}

    @Raises(Unauthorized)
    @Get("/me")
    async def me(self, ctx: RequestContext) -> dict[str, str | int]:
        if "name" not in ctx.session:
            raise Unauthorized("Log in first.")
        return {"name": ctx.session["name"], "visits": await ctx.session.increment("visits")}

    @Post("/logout")
    async def logout(self, ctx: RequestContext) -> None:
        await ctx.session.destroy()


app = bootstrap(
    modules=[Module("auth", controllers=[AuthController])],
    middleware=[session(secret=os.environ["SESSION_SECRET"], save_uninitialized=False, cookie={"prefix": "auto"})],
)
