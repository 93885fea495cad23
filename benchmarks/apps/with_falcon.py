"""Falcon (ASGI), with msgspec for JSON and validation, as a recipe in its documentation shows."""

from collections.abc import AsyncIterator
from uuid import uuid4

import falcon
import falcon.asgi
import msgspec
from falcon import media

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES, VARIANT


class Order(msgspec.Struct):
    customer: str
    quantity: int
    price: float
    express: bool


class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


class Hello:
    async def on_get(self, req, resp):
        resp.media = {"hello": "world"}


class Item:
    def __init__(self, items: Items) -> None:
        self.items = items

    async def on_get(self, req, resp, number):
        resp.media = self.items.find(number)


class Orders:
    async def on_post(self, req, resp):
        try:
            order = msgspec.convert(await req.get_media(), Order)
        except msgspec.ValidationError as error:
            raise falcon.HTTPUnprocessableEntity(description=str(error)) from error
        resp.media = order


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


class Stream:
    async def on_get(self, req, resp):
        resp.content_type = "text/plain"
        resp.stream = chunks()


class Theme:
    async def on_get(self, req, resp):
        resp.media = {"theme": req.cookies["theme"]}


class Headers:
    """A name for each request, and a security header."""

    async def process_request(self, req, resp):
        req.context.request_id = uuid4().hex

    async def process_response(self, req, resp, resource, req_succeeded):
        resp.set_header("X-Request-ID", req.context.request_id)
        resp.set_header("X-Content-Type-Options", "nosniff")


class Numbered:
    def __init__(self, number: int) -> None:
        self.number = number

    async def on_get(self, req, resp):
        resp.media = {"route": self.number}


def make(variant: str) -> falcon.asgi.App:
    app = falcon.asgi.App(middleware=[Headers()] if variant == "pipeline" else [])
    handler = media.JSONHandler(dumps=msgspec.json.Encoder().encode, loads=msgspec.json.Decoder().decode)
    app.req_options.media_handlers[falcon.MEDIA_JSON] = handler
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
    if variant == "routes":
        for number in range(ROUTES):
            app.add_route(f"/route{number}", Numbered(number))
    elif variant == "pipeline":
        app.add_route("/theme", Theme())
    else:
        app.add_route("/json", Hello())
        app.add_route("/items/{number:int}", Item(Items()))
        app.add_route("/orders", Orders())
        app.add_route("/stream", Stream())
    return app


app = make(VARIANT)
