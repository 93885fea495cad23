"""The application under the soak: pages, an API, uploads, streams and sockets, all with sessions."""

import asyncio
import ctypes
import gc
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import msgspec

from kick import (
    Controller,
    File,
    Get,
    Module,
    NotFound,
    Post,
    RequestContext,
    Response,
    ServerSentEvent,
    Socket,
    UploadFile,
    WebSocket,
    bootstrap,
)
from kick.auth import login, logout
from kick.middleware import compression, request_id, security_headers
from kick.session import csrf, session

PAGE = "<!doctype html><title>Soak</title>" + "<p>Some text of a page.</p>" * 200
_LIBRARY = ctypes.CDLL(None)
BLOCK = b"0123456789abcdef" * 4096
BLOCKS = 32
"""Of 64 KiB each: two MiB, more than the buffers of a connection hold."""


class Order(msgspec.Struct):
    """A body of the API."""

    product: Annotated[str, msgspec.Meta(min_length=1)]
    count: Annotated[int, msgspec.Meta(ge=1, le=100)]
    notes: list[str] = []


class Held(msgspec.Struct):
    """What the process holds. Python's memory is counted in blocks of its allocator."""

    tasks: int
    objects: int
    blocks: int


@Controller()
class Pages:
    @Get("/")
    async def index(self, ctx: RequestContext) -> Response:
        ctx.session["views"] = ctx.session.get("views", 0) + 1
        return ctx.html(PAGE)

    @Post("/login/{user}")
    async def log_in(self, ctx: RequestContext, user: str) -> None:
        await login(ctx, user)

    @Post("/logout")
    async def log_out(self, ctx: RequestContext) -> None:
        await logout(ctx)

    @Get("/held", session=False)
    async def held(self) -> Held:
        for _ in range(3):
            gc.collect()
        if hasattr(_LIBRARY, "malloc_trim"):
            _LIBRARY.malloc_trim(0)  # what the C library keeps for later is no leak
        return Held(len(asyncio.all_tasks()), len(gc.get_objects()), sys.getallocatedblocks())


@Controller("/orders")
class Orders:
    @Post(status=201)
    async def create(self, ctx: RequestContext, body: Order) -> Order:
        ctx.session["last"] = body.product
        return body

    @Get("/slow")
    async def slow(self, ctx: RequestContext) -> int:
        await asyncio.sleep(0.2)
        return await ctx.session.increment("slow")

    @Get("/{number}", session=False)
    async def show(self, number: int) -> Order:
        if number % 10 == 0:
            raise NotFound("no such order")
        return Order(f"product {number}", 1)


@Controller()
class Transfers:
    @Post("/upload")
    async def upload(self, file: Annotated[UploadFile, File(max_size=4 << 20)]) -> int:
        return sum([len(chunk) async for chunk in file.chunks()])

    @Get("/download")
    async def download(self, ctx: RequestContext) -> Response:
        async def blocks() -> AsyncIterator[bytes]:
            for _ in range(BLOCKS):
                yield BLOCK

        return ctx.stream(blocks())

    @Get("/events")
    async def events(self, ctx: RequestContext) -> Response:
        async def numbers() -> AsyncIterator[ServerSentEvent]:
            for number in range(20):
                yield ServerSentEvent(data={"number": number}, id=str(number))
                await asyncio.sleep(0.05)

        return ctx.sse(numbers())

    @WebSocket("/socket")
    async def socket(self, socket: Socket[Order, Order]) -> None:
        async for order in socket:
            await socket.send(order)


app = bootstrap(
    [Module("soak", controllers=[Pages, Orders, Transfers])],
    middleware=[
        request_id(),
        security_headers(),
        compression(),
        session(
            "a secret of at least thirty-two bytes",
            store=os.environ.get("SOAK_STORE", "memory://"),
            save_uninitialized=False,
            max_age=timedelta(seconds=30),  # sessions that nobody ended expire while it runs
            session_check=1,
        ),
        csrf(),
    ],
)
