"""Sanic on its own server, with Sanic Extensions for injection and validation."""

from dataclasses import asdict, dataclass

from sanic import Request, Sanic, json
from sanic_ext import validate

from benchmarks.apps.setting import CHUNK, CHUNKS, PORT, ROUTES, VARIANT


@dataclass
class Order:
    customer: str
    quantity: int
    price: float
    express: bool


class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


async def hello(request: Request):
    return json({"hello": "world"})


async def item(request: Request, number: int, items: Items):
    return json(items.find(number))


@validate(json=Order)
async def order(request: Request, body: Order):
    return json(asdict(body))


async def stream(request: Request):
    response = await request.respond(content_type="text/plain")
    for _ in range(CHUNKS):
        await response.send(CHUNK)
    await response.eof()


async def theme(request: Request):
    return json({"theme": request.cookies.get("theme")})


async def headers(request: Request, response):
    """The name of the request, which Sanic draws, and a security header."""
    response.headers["X-Request-ID"] = str(request.id)
    response.headers["X-Content-Type-Options"] = "nosniff"


def numbered(number: int):
    async def handler(request: Request):
        return json({"route": number})

    return handler


def make(variant: str) -> Sanic:
    app = Sanic("bench")
    app.config.OAS = False  # no API page: making it takes seconds at the start
    if variant == "routes":
        for number in range(ROUTES):
            app.add_route(numbered(number), f"/route{number}", name=f"route{number}")
    elif variant == "pipeline":
        app.on_response(headers)
        app.add_route(theme, "/theme")
    else:
        app.ext.add_dependency(Items, Items)
        app.add_route(hello, "/json")
        app.add_route(item, "/items/<number:int>")
        app.add_route(order, "/orders", methods=["POST"])
        app.add_route(stream, "/stream")
    return app


if __name__ == "__main__":
    app = make(VARIANT)
    app.run("127.0.0.1", PORT, single_process=True, motd=False, access_log=VARIANT == "pipeline")
