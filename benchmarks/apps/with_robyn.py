"""Robyn on its own server: one process, one worker."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from uuid import uuid4

from pydantic import BaseModel
from robyn import Headers, Request, Response, Robyn, StreamingResponse

from benchmarks.apps.setting import CHUNK, CHUNKS, PORT, ROUTES, VARIANT


class Order(BaseModel):
    customer: str
    quantity: int
    price: float
    express: bool


class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


async def hello(request: Request):
    return {"hello": "world"}


async def item(request: Request, global_dependencies):
    return global_dependencies["items"].find(int(request.path_params["number"]))


async def order(order: Order):
    return order


def chunks() -> Iterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


async def stream(request: Request):
    return StreamingResponse(chunks(), headers=Headers({"Content-Type": "text/plain"}), media_type="text/plain")


async def theme(request: Request):
    return {"theme": SimpleCookie(request.headers.get("cookie"))["theme"].value}


async def headers(request: Request, response: Response):
    """A name for each request, a security header, and a line of the access log, which Robyn does not have."""
    name = uuid4().hex
    response.headers.set("X-Request-ID", name)
    response.headers.set("X-Content-Type-Options", "nosniff")
    print(f"{request.ip_addr} {request.method} {request.url.path} {response.status_code} {name}")
    return response


def numbered(number: int):
    async def handler(request: Request):
        return {"route": number}

    handler.__name__ = f"route{number}"
    return handler


def make(variant: str) -> Robyn:
    app = Robyn(__file__)
    if variant == "routes":
        for number in range(ROUTES):
            app.get(f"/route{number}")(numbered(number))
    elif variant == "pipeline":
        app.get("/theme")(theme)
        app.after_request()(headers)
    else:
        app.inject_global(items=Items())
        app.get("/json")(hello)
        app.get("/items/:number")(item)
        app.post("/orders")(order)
        app.get("/stream")(stream)
    return app


if __name__ == "__main__":
    app = make(VARIANT)
    app.start("127.0.0.1", PORT)
