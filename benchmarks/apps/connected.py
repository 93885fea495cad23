"""Connections that stay open, all of them with a session: a stream of events, and a WebSocket."""

import asyncio
from collections.abc import AsyncIterator

from kick import Controller, Get, Module, RequestContext, Response, Socket, WebSocket, bootstrap
from kick.session import session

SECRET = "a secret of at least thirty-two bytes"


@Controller()
class Connected:
    @Get("/begin")
    async def begin(self, ctx: RequestContext) -> None:
        ctx.session["begun"] = True

    @Get("/events")
    async def events(self, ctx: RequestContext) -> Response:
        async def numbers() -> AsyncIterator[str]:
            yield "1"
            await asyncio.get_running_loop().create_future()

        return ctx.sse(numbers())

    @WebSocket("/socket")
    async def socket(self, socket: Socket[str, str]) -> None:
        await socket.send("1")
        async for message in socket:
            await socket.send(message)


app = bootstrap([Module("connected", controllers=[Connected])], [session(SECRET, save_uninitialized=False)])
