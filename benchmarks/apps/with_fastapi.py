"""FastAPI: pydantic models, `Depends`, return types that are validated and serialised."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES, VARIANT
from benchmarks.apps.with_starlette import Headers


class Order(BaseModel):
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


async def hello() -> dict[str, str]:
    return {"hello": "world"}


async def item(number: int, items: Annotated[Items, Depends(provide_items)]) -> dict[str, object]:
    return items.find(number)


async def order(order: Order) -> Order:
    return order


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


async def stream() -> StreamingResponse:
    return StreamingResponse(chunks(), media_type="text/plain")


async def theme(theme: Annotated[str, Cookie()]) -> dict[str, str]:
    return {"theme": theme}


def numbered(number: int):
    async def handler() -> dict[str, int]:
        return {"route": number}

    return handler


def make(variant: str) -> FastAPI:
    app = FastAPI()
    if variant == "routes":
        for number in range(ROUTES):
            app.get(f"/route{number}")(numbered(number))
    elif variant == "pipeline":
        app.add_middleware(Headers)
        app.get("/theme")(theme)
    else:
        app.get("/json")(hello)
        app.get("/items/{number}")(item)
        app.post("/orders")(order)
        app.get("/stream")(stream)
    return app


app = make(VARIANT)
