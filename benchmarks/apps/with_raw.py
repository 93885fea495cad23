"""The measure of all: an ASGI application by hand. It does the work of each row and nothing else; no sessions."""

import sys
from secrets import token_hex
from time import perf_counter
from typing import Any

import msgspec

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES, VARIANT


class Order(msgspec.Struct):
    customer: str
    quantity: int
    price: float
    express: bool


class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


encode = msgspec.json.Encoder().encode
decode_order = msgspec.json.Decoder(Order).decode
items = Items()


async def answer(send, body, status=200, more=()):
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello(scope, receive, send):
    await answer(send, encode({"hello": "world"}))


async def item(scope, receive, send):
    try:
        number = int(scope["path"][7:])
    except ValueError:
        await answer(send, b"{}", 404)
        return
    await answer(send, encode(items.find(number)))


async def order(scope, receive, send):
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        given = decode_order(body)
    except msgspec.ValidationError:
        await answer(send, b"{}", 422)
        return
    await answer(send, encode(given))


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def theme(scope, receive, send):
    began = perf_counter()
    name = token_hex(16)
    cookies = {}
    for key, value in scope["headers"]:
        if key == b"cookie":
            for pair in value.decode("latin-1").split("; "):
                cookie, _, given = pair.partition("=")
                cookies[cookie] = given
    body = encode({"theme": cookies["theme"]})
    more = (
        (b"x-request-id", name.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )
    await answer(send, body, 200, more)
    took = (perf_counter() - began) * 1000
    sys.stdout.write(f"{scope['client'][0]} {scope['method']} {scope['path']} 200 {took:.1f} ms {len(body)} {name}\n")


async def person(scope, receive, send):
    await answer(send, encode({"user_id": 7}))


def numbered(number):
    async def handler(scope, receive, send):
        await answer(send, encode({"route": number}))

    return handler


def make(variant: str, routes: int = ROUTES) -> Any:
    """The application of a variant."""
    table = {
        "plain": {"/json": hello, "/orders": order, "/stream": stream},
        "routes": {f"/route{number}": numbered(number) for number in range(routes)},
        "pipeline": {"/theme": theme},
        "session": {"/login": person, "/read": person, "/change": person},
    }[variant]

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        handler = table.get(scope["path"])
        if handler is None:
            handler = item if scope["path"].startswith("/items/") else None
        if handler is None:
            await answer(send, b"{}", 404)
        else:
            await handler(scope, receive, send)

    return app


app = make(VARIANT)
