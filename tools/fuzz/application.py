"""An application that uses every parser of a request, and requests to it without a server."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec

from kick import App, Controller, File, Get, Module, Post, RequestContext, Response, UploadFile, bootstrap
from kick.http import TrustedProxies, cookie_parser
from kick.middleware import compression, cors, request_id, security_headers
from kick.session import csrf, session

BOUNDARY: Final = b"frontier"
_SECRET: Final = "a secret of the fuzzer, longer than 32 bytes"  # noqa: S105  # made up
_MOST_BODY: Final = 1 << 20


class Colour(enum.Enum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


class Search(msgspec.Struct):
    """A query or a form with fields of many types."""

    text: str = ""
    n: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    ratio: float = 0.0
    on: bool = False
    tags: list[str] = []
    colour: Colour = Colour.RED
    when: datetime | None = None
    price: Decimal | None = None
    key: UUID | None = None


class Circle(msgspec.Struct, tag="circle"):
    """A member of a union."""

    radius: float


class Square(msgspec.Struct, tag="square"):
    """Another member."""

    side: float


class Drawing(msgspec.Struct):
    """A nested body."""

    name: str
    shapes: list[Circle | Square] = []
    notes: dict[str, Search] = {}
    inner: Drawing | None = None


class Upload(msgspec.Struct):
    """A form with files."""

    title: str = ""
    tags: list[str] = []
    file: Annotated[UploadFile, File(max_size=1 << 16)] | None = None
    files: Annotated[list[UploadFile], File(max_size=1 << 16, max_files=4)] = []


@Controller()
class Everything:
    """A route for each parser."""

    @Get("/")
    async def index(self, ctx: RequestContext) -> dict[str, Any]:
        """Read headers and cookies."""
        return {
            "cookies": len(ctx.cookies) + len(ctx.signed_cookies),
            "session": ctx.session.get("name"),
            "ip": ctx.client_ip,
            "url": str(ctx.url),
        }

    @Get("/query")
    async def query(self, ctx: RequestContext, query: Search) -> Search:
        """Read a query."""
        ctx.query.multi_items()
        return query

    @Post("/form")
    async def form(self, body: Search) -> Search:
        """Read a form."""
        return body

    @Post("/upload")
    async def upload(self, body: Upload) -> list[str]:
        """Read a form with files."""
        return [each.safe_name for each in (body.file, *body.files) if each is not None]

    @Post("/json")
    async def json(self, body: Drawing) -> Drawing:
        """Read JSON."""
        return body

    @Get("/items/{number}/{colour}/{rest:path}")
    async def item(self, number: int, colour: Colour, rest: str) -> list[Any]:
        """Read a path."""
        return [number, colour, rest]

    @Get("/file", session=False)
    async def file(self, ctx: RequestContext) -> Response:
        """Send a file."""
        return ctx.send_file(Path(__file__))

    @Get("/text", session=False)
    async def text(self, ctx: RequestContext) -> Response:
        """Send a text that is worth compressing."""
        return ctx.text("a text that is worth compressing " * 100)


def application(**options: Any) -> App:
    """Return the application."""
    return bootstrap(
        [Module("everything", controllers=[Everything])],
        middleware=[
            request_id(),
            security_headers(),
            cors(allow_origins=["https://example.org"]),
            compression(),
            cookie_parser(_SECRET),
            session(_SECRET, save_uninitialized=False),
            csrf(),
        ],
        max_body=_MOST_BODY,
        **options,
    )


class Requests:
    """Sends requests to the application. Each raises if the status of the response is 500 or above."""

    def __init__(self) -> None:
        self._apps = {
            "plain": application(trusted_proxies=1),
            "forwarded": application(trusted_proxies=TrustedProxies(1, headers="forwarded")),
        }

    @classmethod
    @asynccontextmanager
    async def started(cls) -> AsyncIterator[Requests]:
        """Start the applications, and close them at the end."""
        requests = cls()
        for app in requests._apps.values():
            await app.start()
        try:
            yield requests
        finally:
            for app in requests._apps.values():
                await app.aclose()

    async def header(self, name: bytes, value: bytes, *, path: str = "/", app: str = "plain") -> None:
        """Send a request with a header."""
        await self._send(app, "GET", path.encode(), headers=[(name, value)])

    async def query(self, query: bytes) -> None:
        """Send a request with a query."""
        await self._send("plain", "GET", b"/query", query=query)

    async def path(self, path: bytes) -> None:
        """Send a request for a path."""
        await self._send("plain", "GET", path if path[:1] == b"/" else b"/" + path)

    async def body(self, path: str, content_type: bytes, body: bytes) -> None:
        """Send a request with a body, in two pieces."""
        await self._send("plain", "POST", path.encode(), headers=[(b"content-type", content_type)], body=body)

    async def _send(
        self,
        app: str,
        method: str,
        path: bytes,
        *,
        query: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
        body: bytes = b"",
    ) -> None:
        half = len(body) // 2
        pieces = [body[:half], body[half:]]

        async def receive() -> dict[str, Any]:
            if pieces:
                piece = pieces.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
            await asyncio.sleep(3600)
            raise AssertionError("nobody waits so long")

        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(b"host", b"example.com"), *(headers or [])],
            "client": ("192.0.2.7", 50_000),
            "server": ("example.com", 443),
        }
        await self._apps[app](scope, receive, send)
        if statuses[0] >= 500:
            raise AssertionError(f"a response of {statuses[0]}")
