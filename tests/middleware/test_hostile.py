"""Whatever clients put into the headers that this middleware reads: nothing raises, and nothing breaks out."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kick import App, Controller, Get, RequestContext, Response
from kick.middleware import compression, cors, rate_limit, security_headers
from tests.http.support import app_of

ANY = st.binary(max_size=200) | st.text(st.characters(min_codepoint=32, max_codepoint=126)).map(str.encode)
CODINGS = st.lists(
    st.tuples(
        st.sampled_from(["gzip", "zstd", "*", "identity", "", "br"]),
        st.sampled_from(["", ";q=0", ";q=1", ";q=.5", ";q=x", ";"]),
    ),
    max_size=6,
).map(lambda members: ",".join(map("".join, members)).encode())
ORIGINS = (
    st.sampled_from([b"https://a.test", b"https://b.a.test", b"null", b"https://b.a.test\r\nset-cookie: a=b"]) | ANY
)


@Controller()
class TextController:
    @Get("/text")
    async def text(self, ctx: RequestContext) -> Response:
        return ctx.html("a" * 2000)


def hostile_app(**allowed: Any) -> App:
    layers = [
        cors(allow_headers=["*"], **allowed),
        security_headers(),
        rate_limit("1000000/hour"),
        rate_limit("1000000/hour", key=lambda ctx: ctx.headers.get("host")),
        compression(),
    ]
    return app_of(TextController, middleware=layers)


APPS = [
    hostile_app(allow_origins=["https://a.test"], allow_origin_regex=r"https://[^/]+\.a\.test", allow_credentials=True),
    hostile_app(allow_origins=["*"]),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    origin=ORIGINS,
    accepted=CODINGS | ANY,
    host=ANY,
    wanted=ANY,
    method=st.sampled_from(["GET", "HEAD", "OPTIONS"]),
    path=st.sampled_from(["/text", "/nowhere"]),
    client=st.none() | st.text(max_size=50) | st.ip_addresses().map(str),
)
@example(b"https://b\xff.a.test", b"gzip;q=0." + b"1" * 999, b"\x00", b"\r\n", "OPTIONS", "/text", "::" * 20)
def test_headers_of_any_kind(
    origin: bytes, accepted: bytes, host: bytes, wanted: bytes, method: str, path: str, client: str | None
) -> None:
    headers = [(b"origin", origin), (b"accept-encoding", accepted), (b"host", host)]
    headers += [(b"access-control-request-method", wanted), (b"access-control-request-headers", wanted)]
    for app in APPS:
        sent = _ask(app, method, path, headers, client)
        status, found = sent[0]["status"], sent[0]["headers"]
        assert status in {200, 204, 400, 404, 405}
        for name, value in found:
            assert re.fullmatch(rb"[a-z0-9-]+", name)
            assert re.fullmatch(rb"[\t -~]*", value), (name, value)
        assert b"set-cookie" not in dict(found)


def _ask(app: App, method: str, path: str, headers: Any, client: str | None) -> list[Any]:
    """What is sent. The whole of it happens at once: nothing here waits for anything."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": headers,
        "client": None if client is None else (client, 1),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("nobody reads a body here")

    async def send(message: Any) -> None:
        sent.append(message)

    import asyncio

    asyncio.run(app(scope, receive, send))
    return sent
