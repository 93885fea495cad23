"""The application under chaos: everything that a client can do with a session."""

import os
from typing import Annotated

import msgspec

from kick import Controller, Get, Module, Post, RequestContext, Socket, WebSocket, bootstrap
from kick.auth import login, logout
from kick.session import session


class Value(msgspec.Struct):
    """A write of one key."""

    key: Annotated[str, msgspec.Meta(pattern="^k[0-9]$")]
    value: str


class Seen(msgspec.Struct):
    """What a request sees of its session."""

    user: str | None
    values: dict[str, str]
    items: list[str]
    count: int


@Controller()
class Chaos:
    @Post("/login/{user}")
    async def log_in(self, ctx: RequestContext, user: str) -> None:
        await login(ctx, user, keep=False)
        ctx.session["user"] = user

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> None:
        await logout(ctx)

    @Post("/set")
    async def set(self, ctx: RequestContext, body: Value) -> Seen:
        seen = self._seen(ctx)
        ctx.session[body.key] = body.value
        return seen

    @Post("/add/{item}")
    async def add(self, ctx: RequestContext, item: str) -> list[str]:
        return await ctx.session.modify("items", lambda items: [*items, item], [])

    @Post("/count")
    async def count(self, ctx: RequestContext) -> int:
        return int(await ctx.session.increment("count"))

    @Get("/read")
    async def read(self, ctx: RequestContext) -> Seen:
        return self._seen(ctx)

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, str]) -> None:
        if socket.session.get("user") is None:  # a 503 while the store is down
            await socket.close()
            return
        async for message in socket:
            await socket.send(message)

    def _seen(self, ctx: RequestContext) -> Seen:
        data = ctx.session
        values = {key: data[key] for key in data if key.startswith("k")}
        return Seen(data.get("user"), values, data.get("items", []), data.get("count", 0))


app = bootstrap(
    [Module("chaos", controllers=[Chaos])],
    middleware=[
        session(
            "a secret of at least thirty-two bytes",
            store=os.environ.get("CHAOS_STORE", "memory://"),
            save_uninitialized=False,
            session_check=1,
        )
    ],
)
