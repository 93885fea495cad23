"""BlackSheep: dataclasses, services from its container, its sessions in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

from blacksheep import Application, FromCookie, FromJSON, Request, Response, StreamedContent, json
from blacksheep.server.routing import Router
from blacksheep.sessions.memory import InMemorySessionStore

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES, VARIANT


@dataclass
class Order:
    customer: str
    quantity: int
    price: float
    express: bool


class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


async def hello():
    return json({"hello": "world"})


async def item(number: int, items: Items):
    return json(items.find(number))


async def order(data: FromJSON[Order]):
    return json(data.value)


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


async def stream():
    return Response(200, content=StreamedContent(b"text/plain", chunks))


class FromTheme(FromCookie[str]):
    name = "theme"


async def theme(theme: FromTheme):
    return json({"theme": theme.value})


async def headers(request: Request, handler) -> Response:
    """A name for each request, and a security header."""
    response = await handler(request)
    response.headers.add(b"X-Request-ID", uuid4().hex.encode())
    response.headers.add(b"X-Content-Type-Options", b"nosniff")
    return response


async def login(request: Request):
    request.session["user_id"] = 7
    request.session["n"] = 0
    return json({"user_id": 7})


async def read(request: Request):
    return json({"user_id": request.session["user_id"]})


async def change(request: Request):
    request.session["n"] += 1
    return json({"user_id": request.session["user_id"]})


async def count(request: Request):
    return json({"n": request.session["n"]})


def numbered(number: int):
    async def handler():
        return json({"route": number})

    return handler


def make(variant: str) -> Application:
    app = Application(router=Router())
    if variant == "routes":
        for number in range(ROUTES):
            app.router.add_get(f"/route{number}", numbered(number))
    elif variant == "pipeline":
        app.middlewares.append(headers)
        app.router.add_get("/theme", theme)
    elif variant == "session":
        app.use_sessions(InMemorySessionStore())
        for page in (login, read, change, count):
            app.router.add_get(f"/{page.__name__}", page)
    else:
        app.services.add_singleton(Items)
        app.router.add_get("/json", hello)
        app.router.add_get("/items/{number}", item)
        app.router.add_post("/orders", order)
        app.router.add_get("/stream", stream)
    return app


app = make(VARIANT)
