"""The measure of all: an ASGI application by hand, without sessions, with the same answer."""

import msgspec

encode = msgspec.json.encode


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = encode({"user_id": 7})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
