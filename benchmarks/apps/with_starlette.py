"""Starlette, with the pure ASGI middleware that its documentation shows; sessions by starsessions."""

from collections.abc import AsyncIterator
from uuid import uuid4

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES, STORE, VARIANT


class Order(BaseModel):
    customer: str
    quantity: int
    price: float
    express: bool


class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


items = Items()


async def hello(request: Request) -> JSONResponse:
    return JSONResponse({"hello": "world"})


async def item(request: Request) -> JSONResponse:
    return JSONResponse(items.find(request.path_params["number"]))


async def order(request: Request) -> Response:
    try:
        given = Order.model_validate_json(await request.body())
    except ValidationError as error:
        return Response(error.json(), status_code=422, media_type="application/json")
    return Response(given.model_dump_json(), media_type="application/json")


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


async def stream(request: Request) -> StreamingResponse:
    return StreamingResponse(chunks(), media_type="text/plain")


async def theme(request: Request) -> JSONResponse:
    return JSONResponse({"theme": request.cookies["theme"]})


class Headers:
    """A name for each request, and a security header."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = uuid4().hex

        async def send_more(message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = name
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self.app(scope, receive, send_more)


async def login(request: Request) -> JSONResponse:
    request.session["user_id"] = 7
    request.session["n"] = 0
    return JSONResponse({"user_id": 7})


async def read(request: Request) -> JSONResponse:
    return JSONResponse({"user_id": request.session["user_id"]})


async def change(request: Request) -> JSONResponse:
    request.session["n"] += 1
    return JSONResponse({"user_id": request.session["user_id"]})


async def count(request: Request) -> JSONResponse:
    return JSONResponse({"n": request.session["n"]})


def numbered(number: int) -> Route:
    async def handler(request: Request) -> JSONResponse:
        return JSONResponse({"route": number})

    return Route(f"/route{number}", handler)


def with_sessions() -> Starlette:
    from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware
    from starsessions.stores.redis import RedisStore

    store = RedisStore(STORE) if STORE.startswith("redis") else InMemoryStore()
    return Starlette(
        routes=[Route(f"/{page.__name__}", page) for page in (login, read, change, count)],
        middleware=[
            Middleware(SessionMiddleware, store=store, lifetime=3600, cookie_https_only=False),
            Middleware(SessionAutoloadMiddleware),
        ],
    )


def make(variant: str) -> Starlette:
    if variant == "routes":
        return Starlette(routes=[numbered(number) for number in range(ROUTES)])
    if variant == "pipeline":
        return Starlette(routes=[Route("/theme", theme)], middleware=[Middleware(Headers)])
    if variant == "session":
        return with_sessions()
    return Starlette(
        routes=[
            Route("/json", hello),
            Route("/items/{number:int}", item),
            Route("/orders", order, methods=["POST"]),
            Route("/stream", stream),
        ]
    )


app = make(VARIANT)
