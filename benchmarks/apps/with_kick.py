"""kick, as its guide recommends it."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES, SECRET, STORE, VARIANT
from kick import App, Controller, Get, Module, Post, RequestContext, Service, bootstrap
from kick.http import cookie_parser
from kick.middleware import request_id, security_headers
from kick.session import session


class Order(msgspec.Struct):
    customer: str
    quantity: int
    price: float
    express: bool


@Service()
class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


@Controller("")
class Plain:
    def __init__(self, items: Items) -> None:
        self.items = items

    @Get("/json")
    async def hello(self) -> dict[str, str]:
        return {"hello": "world"}

    @Get("/items/{number}")
    async def item(self, number: int) -> dict[str, object]:
        return self.items.find(number)

    @Post("/orders")
    async def order(self, body: Order) -> Order:
        return body

    @Get("/stream")
    async def stream(self, ctx: RequestContext):
        return ctx.stream(chunks(), media_type="text/plain")


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


@Controller("")
class Pipeline:
    @Get("/theme")
    async def theme(self, ctx: RequestContext) -> dict[str, str]:
        return {"theme": ctx.cookies["theme"]}


@Controller("")
class Visits:
    @Get("/login")
    async def login(self, ctx: RequestContext) -> dict[str, int]:
        ctx.session.data["user_id"] = 7
        ctx.session.data["n"] = 0
        return {"user_id": 7}

    @Get("/read")
    async def read(self, ctx: RequestContext) -> dict[str, int]:
        return {"user_id": ctx.session.data["user_id"]}

    @Get("/change")
    async def change(self, ctx: RequestContext) -> dict[str, int]:
        data = ctx.session.data
        data["n"] += 1
        return {"user_id": data["user_id"]}

    @Get("/count")
    async def count(self, ctx: RequestContext) -> dict[str, int]:
        return {"n": ctx.session.data["n"]}


def numbered(number: int) -> type:
    @Controller("")
    class Numbered:
        @Get(f"/route{number}")
        async def read(self) -> dict[str, int]:
            return {"route": number}

    return Numbered


NO_HEADERS = security_headers(enabled=False)
"""The raw application sends none either; the row with the pipeline has them."""


def with_routes(routes: int) -> App:
    """As many routes, each with a controller of its own."""
    return bootstrap([Module("routes", controllers=[numbered(number) for number in range(routes)])], [NO_HEADERS])


def with_pipeline() -> App:
    """All that is on by default, and cookies."""
    middleware = [request_id(), security_headers(), cookie_parser()]
    return bootstrap([Module("pipeline", controllers=[Pipeline])], middleware, access_log=True)


def with_sessions(store: Any) -> App:
    """Sessions in a store."""
    return bootstrap(
        [Module("visits", controllers=[Plain, Visits])],
        [NO_HEADERS, cookie_parser(), session(SECRET, save_uninitialized=False, store=store)],
    )


def make(variant: str, store: Any = "memory://", routes: int = ROUTES) -> App:
    """The application of a variant."""
    if variant == "routes":
        return with_routes(routes)
    if variant == "pipeline":
        return with_pipeline()
    if variant == "session":
        return with_sessions(store)
    return bootstrap([Module("plain", controllers=[Plain])], [NO_HEADERS])


app = make(VARIANT, STORE)
