"""Compression: what is compressed, what is left alone and why, and that clients read what was sent."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.responses import FileResponse, StreamingResponse

from kick import App, Controller, Get, RequestContext, Response, Use
from kick.http import CallNext
from kick.http.request.content_codings import zstd_module
from kick.middleware import compression
from kick.middleware.conditional import conditional
from kick.session import session
from tests.http.support import Answer, app_of, ask
from tests.support.serving import Serve
from tests.support.setup_errors import raises_code

SECRET = "a secret of at least thirty-two bytes"
GZIP = {"accept-encoding": "gzip"}
LONG = "lorem ipsum " * 500
KEPT = Response(LONG, media_type="text/plain")


def decoded(answer: Answer) -> bytes:
    match answer.header("content-encoding"):
        case "gzip":
            return gzip.decompress(answer.body)
        case "zstd":
            return zstd_module().decompress(answer.body)
        case None:
            return answer.body
        case other:
            raise ValueError(other)


def page(make: Any, *layers: Any, **options: Any) -> App:
    """An application whose one handler returns what `make(ctx)` does."""

    @Controller("/x")
    class XController:
        @Get()
        @Use(*layers)
        async def show(self, ctx: RequestContext) -> Response:
            return make(ctx)  # type: ignore[no-any-return]

    return app_of(XController, **{"middleware": [compression()], **options})


def plain(**headers: str) -> Any:
    """Makes a long text with these headers."""

    def make(ctx: RequestContext) -> Response:
        response = ctx.text(LONG)
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response

    return make


# What is compressed


@pytest.mark.parametrize(
    ("accepted", "coding"), [("gzip", "gzip"), ("gzip, zstd", "zstd"), ("br", None), ("gzip;q=0", None)]
)
async def test_a_text_is_sent_as_the_client_likes_it(accepted: str, coding: str | None) -> None:
    answer = await ask(page(plain()), "/x", headers={"accept-encoding": accepted})
    assert answer.header("content-encoding") == coding
    assert answer.header("vary") == "Accept-Encoding"
    assert answer.header("content-length") == str(len(answer.body))
    assert decoded(answer) == LONG.encode()
    assert (len(answer.body) < 200) is (coding is not None)


async def test_without_the_header_nothing_is_encoded_but_caches_are_told() -> None:
    answer = await ask(page(plain()), "/x")
    assert (answer.text, answer.header("content-encoding")) == (LONG, None)
    assert answer.header("vary") == "Accept-Encoding"


@pytest.mark.parametrize("size", [999, 1000])
async def test_the_minimum_is_exact(size: int) -> None:
    answer = await ask(page(lambda ctx: ctx.text("a" * size)), "/x", headers=GZIP)
    assert (answer.header("content-encoding") is None) is (size < 1000)
    assert decoded(answer) == b"a" * size


async def test_what_would_not_get_smaller_is_sent_as_it_is() -> None:
    noise = "".join(chr(33 + (number * 7919) % 94) for number in range(30))
    answer = await ask(page(lambda ctx: ctx.text(noise), middleware=[compression(minimum=0)]), "/x", headers=GZIP)
    assert (answer.text, answer.header("content-encoding")) == (noise, None)


async def test_a_response_that_is_kept_stays_as_it_was() -> None:
    application = page(lambda ctx: KEPT)
    for _ in range(2):
        answer = await ask(application, "/x", headers=GZIP)
        assert (answer.header("content-encoding"), decoded(answer)) == ("gzip", LONG.encode())
    assert (await ask(application, "/x")).text == LONG


async def test_a_large_body_is_compressed_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    from kick.middleware.compression import encodings

    threads: dict[int, threading.Thread] = {}
    compress = zlib.compress

    class Noting:
        def __getattr__(self, name: str) -> Any:
            return getattr(zlib, name)

        def compress(self, body: bytes, *arguments: Any) -> bytes:
            threads[len(body)] = threading.current_thread()
            return compress(body, *arguments)

    monkeypatch.setattr(encodings, "zlib", Noting())
    for size in (5000, 500_000):
        answer = await ask(page(lambda ctx, size=size: ctx.text("a" * size)), "/x", headers=GZIP)
        assert decoded(answer) == b"a" * size
    assert threads[5000] is threading.main_thread()
    assert threads[500_000] is not threading.main_thread()


# What is left alone


@pytest.mark.parametrize(
    "headers",
    [
        {"content_encoding": "br"},
        {"cache_control": "public, No-Transform"},
        {"content_range": "bytes 0-1/2"},
        {"content_type": "image/png"},
        {"content_type": "application/zip"},
        {"content_type": "text/event-stream"},
        {"content_type": "application/octet-stream"},
    ],
    ids=str,
)
async def test_what_is_encoded_or_no_text_is_left_alone(headers: dict[str, str]) -> None:
    answer = await ask(page(plain(**headers)), "/x", headers=GZIP)
    assert answer.text == LONG
    assert answer.header("vary") is None


@pytest.mark.parametrize(
    "kind", ["text/html", "application/json", "application/vnd.api+json", "image/svg+xml; a=b", "APPLICATION/JSON"]
)
async def test_texts_of_every_kind_are_compressed(kind: str) -> None:
    answer = await ask(page(plain(content_type=kind)), "/x", headers=GZIP)
    assert answer.header("content-encoding") == "gzip"


async def test_an_event_stream_is_left_alone() -> None:
    async def events() -> AsyncIterator[str]:
        yield LONG

    answer = await ask(page(lambda ctx: ctx.sse(events())), "/x", headers=GZIP)
    assert LONG.strip() in answer.text


@pytest.mark.parametrize("status", [204, 205, 304])
async def test_a_status_without_a_body_has_no_encoding(status: int) -> None:
    answer = await ask(
        page(lambda ctx: ctx.text(LONG, status), middleware=[compression(minimum=0)]), "/x", headers=GZIP
    )
    assert (answer.status, answer.body, answer.header("content-encoding")) == (status, b"", None)


async def test_a_304_tells_caches_what_the_response_would_have() -> None:
    @Controller("/x")
    class XController:
        @Get()
        async def show(self) -> str:
            return "text " * 1000

    for layers in ([compression(), conditional()], [conditional(), compression()]):
        application = app_of(XController, middleware=layers)
        tag = (await ask(application, "/x", headers=GZIP)).header("etag")
        again = await ask(application, "/x", headers={**GZIP, "if-none-match": tag or ""})
        assert (again.status, again.header("vary"), again.header("etag")) == (304, "Accept-Encoding", tag)


async def test_it_is_never_done_twice() -> None:
    application = page(plain(), compression(codings=("gzip",)), middleware=[compression(), compression()])
    answer = await ask(application, "/x", headers=GZIP)
    assert answer.all("content-encoding") == ["gzip"]
    assert decoded(answer) == LONG.encode()


# Secrets


@pytest.mark.parametrize("layers", [["session", "compression"], ["compression", "session"]], ids=str)
async def test_what_the_session_was_read_for_is_left_alone(layers: list[str]) -> None:
    made = {"session": session(SECRET, save_uninitialized=False), "compression": compression()}

    def reads(ctx: RequestContext) -> Response:
        return ctx.text(f"{LONG}{ctx.session.data.get('token')}")

    chosen = [made[name] for name in layers]
    assert (await ask(page(reads, middleware=chosen), "/x", headers=GZIP)).header("content-encoding") is None
    assert (await ask(page(plain(), middleware=chosen), "/x", headers=GZIP)).header("content-encoding") == "gzip"
    allowed = page(reads, compression(private=True), middleware=chosen)
    assert (await ask(allowed, "/x", headers=GZIP)).header("content-encoding") == "gzip"


@pytest.mark.parametrize("layers", [["session", "compression"], ["compression", "session"]], ids=str)
async def test_a_stream_that_may_read_the_session_is_left_alone(layers: list[str]) -> None:
    made = {"session": session(SECRET, save_uninitialized=False), "compression": compression()}

    def streams(ctx: RequestContext) -> Response:
        async def pieces() -> AsyncIterator[str]:
            yield f"{LONG}{ctx.session.csrf_token}" if "cookie" in ctx.headers else LONG

        return ctx.stream(pieces(), media_type="text/plain")

    app = page(streams, middleware=[made[name] for name in layers])
    came = {**GZIP, "cookie": "kick.sid=s:abc"}
    assert (await ask(app, "/x", headers=came)).header("content-encoding") is None
    assert (await ask(app, "/x", headers=GZIP)).header("content-encoding") == "gzip"


async def test_what_sets_a_cookie_is_left_alone() -> None:
    def sets(ctx: RequestContext) -> Response:
        ctx.set_cookie("a", "b")
        return ctx.text(LONG)

    assert (await ask(page(sets), "/x", headers=GZIP)).header("content-encoding") is None
    own = await ask(page(plain(set_cookie="a=b")), "/x", headers=GZIP)
    assert (own.text, own.header("content-encoding")) == (LONG, None)
    allowed = page(sets, middleware=[compression(private=True)])
    assert (await ask(allowed, "/x", headers=GZIP)).header("content-encoding") == "gzip"


async def test_a_route_may_do_without() -> None:
    application = page(plain(), compression(enabled=False))
    assert (await ask(application, "/x", headers=GZIP)).text == LONG


# Streams and files


async def test_a_stream_can_be_read_piece_by_piece() -> None:
    gate = anyio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        await gate.wait()
        yield b""
        yield b"second" * 50_000

    application = page(lambda ctx: ctx.stream(chunks(), media_type="text/plain"))
    decoder = zlib.decompressobj(31)
    seen: list[bytes] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert not {b"content-length"} & {name for name, _ in message["headers"]}
            return
        seen.append(decoder.decompress(message["body"]))
        if seen == [b"first"]:
            gate.set()

    with anyio.fail_after(60):
        await application(_scope("/x"), _never, send)
    assert b"".join(seen) == b"first" + b"second" * 50_000
    assert decoder.eof


def _scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [(b"accept-encoding", b"gzip")],
    }


async def _never() -> Any:
    await anyio.sleep_forever()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "long.txt").write_text(LONG)
    (tmp_path / "short.txt").write_text("short")
    (tmp_path / "picture.png").write_bytes(LONG.encode())
    return tmp_path


def test_files_over_a_socket(folder: Path, serve: Serve) -> None:
    @Controller()
    class FileController:
        @Get("/unknown")
        async def unknown(self) -> Response:
            return FileResponse(folder / "long.txt")

        @Get("/{name}")
        async def file(self, ctx: RequestContext, name: str) -> Response:
            return ctx.send_file(folder / name)

    with serve(app_of(FileController, middleware=[compression()])) as url, httpx2.Client(headers=GZIP) as client:
        whole = client.get(f"{url}/long.txt")
        assert (whole.text, whole.headers["content-encoding"]) == (LONG, "gzip")
        assert whole.headers["etag"].startswith('W/"')
        assert "accept-ranges" not in whole.headers
        head = client.head(f"{url}/long.txt")
        assert (head.headers["content-encoding"], head.headers["etag"], head.content) == (
            "gzip",
            whole.headers["etag"],
            b"",
        )
        assert "content-length" not in head.headers
        part = client.get(f"{url}/long.txt", headers={"range": "bytes=6-10"})
        assert (part.status_code, part.text, "content-encoding" in part.headers) == (206, "ipsum", False)
        assert part.headers["vary"] == "Accept-Encoding"
        identity = client.get(f"{url}/long.txt", headers={"accept-encoding": "identity"})
        assert (identity.text, identity.headers["etag"]) == (LONG, whole.headers["etag"].removeprefix("W/"))
        for name in ("short.txt", "picture.png", "unknown"):
            assert "content-encoding" not in client.get(f"{url}/{name}").headers


def test_get_and_head_say_the_same(serve: Serve) -> None:
    with serve(page(plain())) as url, httpx2.Client(headers=GZIP) as client:
        get, head = client.get(f"{url}/x"), client.head(f"{url}/x")
        assert (get.text, head.content) == (LONG, b"")
        names = ("content-encoding", "content-length", "vary", "content-type")
        assert [get.headers.get(name) for name in names] == [head.headers.get(name) for name in names]


def test_what_the_handler_cleans_up_is_cleaned_up_after_the_stream(serve: Serve) -> None:
    done: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield LONG.encode()
            yield b"end"
        finally:
            done.append("closed")

    with serve(page(lambda ctx: ctx.stream(chunks(), media_type="text/plain"))) as url:
        assert httpx2.get(f"{url}/x", headers=GZIP).text == LONG + "end"
    assert done == ["closed"]


# Mistakes


@pytest.mark.parametrize(
    "options",
    [
        {"minimum": -1},
        {"minimum": True},
        {"minimum": "1k"},
        {"gzip_level": 0},
        {"gzip_level": 10},
        {"zstd_level": 20},
        {"codings": ()},
        {"codings": "gzip"},
        {"codings": ("br",)},
    ],
    ids=str,
)
def test_an_option_that_makes_no_sense_stops_the_start(options: Any) -> None:
    with raises_code("compression-option", match="compression\\("):
        compression(**options)


def test_without_zstd_there_is_gzip_and_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    if "backports" in sys.modules:  # no package on Python 3.14, which has zstd itself
        monkeypatch.delattr(sys.modules["backports"], "zstd", raising=False)
    monkeypatch.setitem(sys.modules, "compression", None)
    assert compression().options.levels == {b"gzip": 5}
    with raises_code("missing-extra", match=r"kick-framework\[compression\]"):
        compression(codings=("zstd",))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_to_be_done_after_a_compressed_stream_is_done(method: str) -> None:
    done: list[str] = []

    async def adding(ctx: RequestContext, call_next: CallNext) -> Response:
        response = await call_next(ctx)
        theirs = response.background
        assert theirs is not None
        response.background = BackgroundTasks([theirs, BackgroundTask(done.append, "added")])
        return response

    @Controller()
    class Streams:
        @Get()
        async def stream(self) -> Response:
            task = BackgroundTask(done.append, "given")
            return StreamingResponse(iter(["x" * 2000]), media_type="text/plain", background=task)

    app = app_of(Streams, middleware=[adding, compression()])
    answer = await ask(app, "/", method=method, headers={"accept-encoding": "gzip"})
    assert (answer.header("content-encoding"), done) == ("gzip", ["given", "added"])
