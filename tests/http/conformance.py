"""An application with a route for most of what can be asked, which `test_conformance.py` serves by each server."""

from __future__ import annotations

import enum
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec

from kick import App, Controller, Delete, Get, Module, Patch, Post, Provider, Put, RequestContext, WebSocket, bootstrap
from kick.http import Cookie, Header, Response, Socket, StaticFiles, UploadFile, Use, conditional
from kick.middleware import compression, cors
from kick.session import session

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
LONG = "kick " * 1000


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Note(msgspec.Struct):
    title: str
    stars: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0


class Page(msgspec.Struct):
    page: int = 1
    tags: list[str] = []


@Use(conditional())
@Controller("/cached")
class Cached:
    @Get()
    async def cached(self) -> str:
        return "cached"


@Use(compression())
@Controller("/packed")
class Packed:
    @Get()
    async def packed(self, ctx: RequestContext) -> Response:
        return ctx.text(LONG)

    @Get("/stream")
    async def stream(self, ctx: RequestContext) -> Response:
        return ctx.stream(["kick "] * 1000, media_type="text/plain")


@Controller("/shared")
class Shared:
    @Get()
    async def shared(self) -> str:
        return "shared"

    @Post()
    async def write(self) -> str:
        return "written"


@Controller()
class Plain:
    @Get()
    async def root(self) -> str:
        return "root"

    @Get("/json")
    async def json(self) -> dict[str, str]:
        return {"answer": "ä"}

    @Get("/text")
    async def text(self, ctx: RequestContext) -> Response:
        return ctx.text("ä")

    @Get("/html")
    async def html(self, ctx: RequestContext) -> Response:
        return ctx.html("<p>ä</p>")

    @Get("/thread")
    def thread(self) -> str:
        return "thread"

    @Get("/nothing")
    async def nothing(self) -> None:
        pass

    @Get("/created", status=201)
    async def created(self) -> str:
        return "created"

    @Get("/teapot")
    async def teapot(self, ctx: RequestContext) -> Response:
        return ctx.text("short and stout", 418)

    @Get("/starlette")
    async def starlette(self) -> Response:
        return Response("theirs", media_type="text/plain", headers={"x-mine": "1"})

    @Get("/elsewhere")
    async def elsewhere(self, ctx: RequestContext) -> Response:
        return ctx.redirect("/json?a=ä b")

    @Get("/download")
    async def download(self, ctx: RequestContext) -> Response:
        return ctx.download(LETTERS, "Übersicht \u202e.txt")

    @Get("/cookies")
    async def cookies(self, ctx: RequestContext) -> dict[str, str]:
        ctx.set_cookie("first", "1")
        ctx.set_cookie("second", "2")
        return ctx.cookies

    @Get("/fails")
    async def fails(self) -> None:
        raise LookupError("a secret")

    @Get("/long")
    async def long(self, ctx: RequestContext) -> Response:
        return ctx.text(LONG)

    @Get("/tagged")
    async def tagged(self, ctx: RequestContext) -> Response:
        if ctx.is_not_modified("v7"):
            return ctx.not_modified()
        return ctx.text("version 7")

    @Put("/tagged")
    async def put_tagged(self, ctx: RequestContext) -> str:
        ctx.check_preconditions("v7")
        return "written"

    @Get("/visits")
    async def visits(self, ctx: RequestContext) -> int:
        return await ctx.session.increment("visits")


@Controller("/streams")
class Streams:
    @Get("/async")
    async def pieces(self, ctx: RequestContext) -> Response:
        async def letters() -> AsyncIterator[bytes]:
            for letter in LETTERS:
                yield bytes([letter])

        return ctx.stream(letters(), media_type="text/plain")

    @Get("/plain")
    async def plain(self, ctx: RequestContext) -> Response:
        return ctx.stream((bytes([letter]) for letter in LETTERS), media_type="text/plain")

    @Get("/empty")
    async def empty(self, ctx: RequestContext) -> Response:
        return ctx.stream([])

    @Get("/events")
    async def events(self, ctx: RequestContext) -> Response:
        return ctx.sse([{"n": 1}, "two\nlines"])

    @Get("/long")
    async def long(self, ctx: RequestContext) -> Response:
        return ctx.stream(["kick "] * 1000, media_type="text/plain")

    @Get("/breaks")
    async def breaks(self, ctx: RequestContext) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            raise LookupError("a secret")

        return ctx.stream(pieces())

    @Post("/echo", stream=True)
    async def echo(self, ctx: RequestContext) -> Response:
        return ctx.stream(ctx.body_stream())


@Controller("/files")
class Sent:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @Get("/letters")
    async def letters(self, ctx: RequestContext) -> Response:
        return ctx.send_file(self.folder / "letters.bin")

    @Get("/empty")
    async def empty(self, ctx: RequestContext) -> Response:
        return ctx.send_file(self.folder / "empty.txt")

    @Get("/below/{name:path}")
    async def below(self, ctx: RequestContext, name: str) -> Response:
        return ctx.send_file(name, root=self.folder)


@Controller("/params")
class Params:
    @Get("/int/{value}")
    async def an_int(self, value: int) -> int:
        return value

    @Get("/float/{value}")
    async def a_float(self, value: float) -> float:
        return value

    @Get("/uuid/{value}")
    async def a_uuid(self, value: UUID) -> UUID:
        return value

    @Get("/enum/{value}")
    async def an_enum(self, value: Size) -> str:
        return value.name

    @Get("/str/{value}")
    async def a_str(self, value: str) -> str:
        return value

    @Get("/path/{value:path}")
    async def a_path(self, value: str) -> str:
        return value

    @Get("/str/fixed")
    async def fixed(self) -> str:
        return "the fixed one"

    @Get("/query")
    async def query(self, query: Page) -> Page:
        return query

    @Get("/headers")
    async def headers(self, user_agent: Header[str], theme: Cookie[str] = "") -> list[str]:
        return [user_agent, theme]


@Controller("/notes")
class Notes:
    @Get()
    async def index(self) -> list[str]:
        return []

    @Post()
    async def add(self, body: Note) -> Note:
        return body

    @Post("/any")
    async def any_body(self, ctx: RequestContext) -> Any:
        return ctx.body

    @Post("/small", max_body=16)
    async def small(self, body: list[int]) -> list[int]:
        return body

    @Post("/file")
    async def file(self, file: UploadFile) -> dict[str, Any]:
        return {"name": file.filename, "size": file.size}

    @Put("/{note_id}")
    async def put(self, note_id: int, body: Note) -> Note:
        return body

    @Patch("/{note_id}")
    async def patch(self, note_id: int) -> int:
        return note_id

    @Delete("/{note_id}")
    async def delete(self, note_id: int) -> None:
        pass


@Controller("/sockets")
class Sockets:
    @WebSocket("/echo")
    async def echo(self, socket: Socket[str, str]) -> None:
        async for message in socket:
            await socket.send(message)


async def mounted(scope: Any, receive: Any, send: Any) -> None:
    """An application of somebody else's."""
    if scope["type"] != "http":
        return
    told = json.dumps([scope["method"], scope["root_path"], scope["path"]]).encode()
    headers = [(b"content-length", b"%d" % len(told)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told})


CONTROLLERS = (Plain, Cached, Packed, Shared, Streams, Sent, Params, Notes, Sockets)


def application(folder: Path) -> App:
    """The application; `folder` gets the files that it sends."""
    (folder / "letters.bin").write_bytes(LETTERS)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "über.txt").write_text("ü")
    site = folder / "site"
    site.mkdir()
    (site / "index.html").write_text("<h1>one page</h1>")
    (site / "app.js").write_text("run()")
    (site / "letters.bin").write_bytes(LETTERS)
    mounts = {"/mounted": mounted, "/site": StaticFiles(site, spa="index.html"), "/static": StaticFiles(site)}
    return bootstrap(
        [Module("all", controllers=CONTROLLERS, mounts=mounts)],
        [
            cors(allow_origins=["https://app.test"]),
            session("a secret of 32 characters or more", save_uninitialized=False),
        ],
        providers=[Provider(Path, value=folder)],
        trailing_slash="redirect",
        max_body=100_000,
    )
