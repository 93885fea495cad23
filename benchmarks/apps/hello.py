"""The smallest application: an answer, and a stream of events that goes on."""

import asyncio
from collections.abc import AsyncIterator

from kick import Controller, Get, Module, RequestContext, bootstrap


async def events() -> AsyncIterator[str]:
    yield "1"
    await asyncio.get_running_loop().create_future()


@Controller("")
class Hello:
    @Get("/")
    async def hello(self) -> dict[str, str]:
        return {"hello": "world"}

    @Get("/events")
    async def events(self, ctx: RequestContext):
        return ctx.sse(events())


app = bootstrap([Module("hello", controllers=[Hello])])
