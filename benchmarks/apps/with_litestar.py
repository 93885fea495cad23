"""Litestar: msgspec structures, `Provide`, its server-side sessions."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Litestar, Request, get, post
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import Parameter
from litestar.response import Stream
from litestar.stores.base import Store
from litestar.stores.memory import MemoryStore
from litestar.stores.redis import RedisStore

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES, STORE, VARIANT


class Order(msgspec.Struct):
    customer: str
    quantity: int
    price: float
    express: bool


class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


items = Items()


async def provide_items() -> Items:
    return items


@get("/json")
async def hello() -> dict[str, str]:
    return {"hello": "world"}


@get("/items/{number:int}", dependencies={"items": Provide(provide_items)})
async def item(number: int, items: Items) -> dict[str, object]:
    return items.find(number)


@post("/orders", status_code=200)
async def order(data: Order) -> Order:
    return data


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


@get("/stream")
async def stream() -> Stream:
    return Stream(chunks(), media_type="text/plain")


@get("/theme")
async def theme(theme: Annotated[str, Parameter(cookie="theme")]) -> dict[str, str]:
    return {"theme": theme}


class Headers(ASGIMiddleware):
    """A name for each request, and a security header."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope, receive, send, next_app):
        name = uuid4().hex

        async def send_more(message):
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders.from_message(message)
                headers["X-Request-ID"] = name
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await next_app(scope, receive, send_more)


@get("/login")
async def login(request: Request[Any, Any, Any]) -> dict[str, int]:
    request.set_session({"user_id": 7, "n": 0})
    return {"user_id": 7}


@get("/read")
async def read(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"user_id": request.session["user_id"]}


@get("/change")
async def change(request: Request[Any, Any, Any]) -> dict[str, int]:
    request.session["n"] += 1
    return {"user_id": request.session["user_id"]}


@get("/count")
async def count(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"n": request.session["n"]}


def numbered(number: int):
    @get(f"/route{number}")
    async def handler() -> dict[str, int]:
        return {"route": number}

    return handler


def with_sessions() -> Litestar:
    store: Store = RedisStore.with_client(url=STORE) if STORE.startswith("redis") else MemoryStore()
    return Litestar(
        [login, read, change, count],
        stores={"sessions": store},
        middleware=[ServerSideSessionConfig().middleware],
    )


def make(variant: str) -> Litestar:
    if variant == "routes":
        return Litestar([numbered(number) for number in range(ROUTES)])
    if variant == "pipeline":
        return Litestar([theme], middleware=[Headers()])
    if variant == "session":
        return with_sessions()
    return Litestar([hello, item, order, stream])


app = make(VARIANT)
