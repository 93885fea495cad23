"""Bodies with a Content-Encoding: decoded within the limits where that is asked for, refused elsewhere."""

import gzip
import json
import random
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from kick import Controller, File, Get, Module, Post, RequestContext, UploadFile, bootstrap
from kick.http import CallNext, Response
from kick.http.request import content_codings
from kick.http.request.content_codings import zstd_module
from tests.http.forms import TYPE, file, form, pieces, text
from tests.http.support import NO_HEADERS, Answer, app_of, ask

MiB = 1 << 20
LIMIT = 100_000
NOTHING: Mapping[str, str] = {}

zstd = zstd_module()


def bare_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare-deflate": ("deflate", bare_deflate),
    "zstd": ("zstd", zstd.compress),
}
each_coding = pytest.mark.parametrize(("coding", "encode"), CODINGS.values(), ids=CODINGS)


class Note(msgspec.Struct):
    title: str
    tags: list[str] = []


@Controller()
class Taking:
    @Post()
    async def take(self, body: Note) -> Any:
        return [body.title, len(body.tags)]

    @Post("/raw", max_body=LIMIT)
    async def raw(self, body: bytes) -> Any:
        return len(body)

    @Post("/pieces", stream=True, max_body=LIMIT)
    async def pieces(self, ctx: RequestContext) -> Any:
        return [len(piece) async for piece in ctx.body_stream()]

    @Post("/any")
    async def anything(self, body: Any) -> Any:
        return len(body)

    @Post("/image", stream=True, max_body=2 * MiB)
    async def image(self, ctx: RequestContext) -> Any:
        return [len(piece) async for piece in ctx.body_stream()]

    @Post("/starlette", max_body=LIMIT)
    async def starlette(self, body: bytes) -> Any:
        return len(body)

    @Post("/upload")
    async def upload(self, title: RequestContext, scan: Annotated[UploadFile, File(max_size=2 * MiB)]) -> Any:
        return [title.form["title"], scan.size]

    @Post("/plain", decompress=False)
    async def plain(self, body: bytes) -> Any:
        return len(body)

    @Get("/page")
    async def page(self, ctx: RequestContext) -> Any:
        return (await ctx.read()).decode()


APP = app_of(Taking, decompress=True)


async def send(
    body: bytes, coding: str, *, target: str = "/", size: int = 1000, app: Any = APP, more: Mapping[str, str] = NOTHING
) -> Answer:
    given = {"content-type": "application/json", "content-encoding": coding, **more}
    return await ask(app, target, method="POST", body=pieces(body, size) or b"", headers=given)


# What is decoded


@each_coding
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_json_is_decoded_however_its_bytes_arrive(
    coding: str, encode: Callable[[bytes], bytes], size: int
) -> None:
    body = json.dumps({"title": "é", "tags": ["a", "b"] * 200}).encode()
    assert (await send(encode(body), coding, size=size)).json() == ["é", 400]


@each_coding
async def test_urlencoded_forms_are_decoded(coding: str, encode: Callable[[bytes], bytes]) -> None:
    sent = encode(b"\xef\xbb\xbftitle=a&tags=b&tags=c")
    answer = await send(sent, coding, more={"content-type": "application/x-www-form-urlencoded"})
    assert answer.json() == ["a", 2]


@each_coding
async def test_multipart_forms_may_have_the_room_of_their_files(coding: str, encode: Callable[[bytes], bytes]) -> None:
    content = random.Random(1).randbytes(2 * MiB)  # does not become smaller
    sent = encode(form(text("title", "a"), file("scan", content)))
    answer = await send(sent, coding, target="/upload", size=65_536, more=TYPE)
    assert answer.json() == ["a", 2 * MiB]


@each_coding
async def test_a_body_of_the_limit_is_taken_even_if_its_coding_makes_it_longer(
    coding: str, encode: Callable[[bytes], bytes]
) -> None:
    body = random.Random(2).randbytes(LIMIT)
    assert len(encode(body)) > LIMIT
    assert (await send(encode(body), coding, target="/raw")).json() == LIMIT
    stated = {"content-length": str(len(encode(body)))}
    assert (await send(encode(body), coding, target="/raw", more=stated)).json() == LIMIT


@each_coding
async def test_the_pieces_of_a_stream_are_decoded(coding: str, encode: Callable[[bytes], bytes]) -> None:
    answer = await send(encode(numbers(LIMIT, repeats=8)), coding, target="/pieces", size=100_000)
    assert sum(answer.json()) > content_codings.PIECE
    assert max(answer.json()) <= content_codings.PIECE


async def test_several_members_of_gzip_and_frames_of_zstd_are_one_body() -> None:
    for coding, encode in (CODINGS["gzip"], CODINGS["zstd"]):
        sent = encode(b'{"title": ') + encode(b"") + encode(b'"a"}')
        assert (await send(sent, coding, size=3)).json() == ["a", 0]


async def test_identity_is_no_coding_and_an_empty_body_stays_one() -> None:
    assert (await send(b"abc", "identity", target="/raw")).json() == 3
    assert (await send(b"abc", "", target="/raw")).json() == 3
    assert (await send(b"", "gzip", target="/raw")).json() == 0


async def test_a_page_is_shown_to_a_client_that_sends_the_header_without_a_body() -> None:
    assert (await ask(APP, "/page", headers={"content-encoding": "br"})).json() == ""


async def test_middleware_and_starlette_see_the_decoded_body() -> None:
    async def looking(ctx: RequestContext, call_next: CallNext) -> Response:
        if ctx.path == "/starlette":
            assert len(await ctx.request.body()) == 5000
        else:
            assert len(await ctx.read()) == 5000
        return await call_next(ctx)

    app = app_of(Taking, middleware=[looking], decompress=True)
    for target in ("/starlette", "/raw"):
        assert (await send(gzip.compress(b"a" * 5000), "gzip", target=target, app=app)).json() == 5000


async def test_what_is_mounted_gets_the_body_as_it_was_sent() -> None:
    async def mounted(request: Request) -> JSONResponse:
        return JSONResponse([request.headers["content-encoding"], gzip.decompress(await request.body()).decode()])

    starlette = Starlette(routes=[Route("/", mounted, methods=["POST"])])
    app = bootstrap([Module("test", mounts={"/m": starlette})], [NO_HEADERS], decompress=True)
    assert (await send(gzip.compress(b"abc"), "gzip", target="/m/", app=app)).json() == ["gzip", "abc"]


# What is refused


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, gzip", "nonsense"])
@pytest.mark.parametrize("target", ["/raw", "/", "/pieces", "/upload"])
async def test_an_encoded_body_is_a_415_where_nothing_decodes_it(coding: str, target: str) -> None:
    answer = await send(gzip.compress(b"{}"), coding, target=target, app=app_of(Taking))
    assert (answer.status, answer.header("accept-encoding"), answer.read) == (415, "identity", 0)


async def test_a_route_may_decode_or_refuse_for_itself() -> None:
    @Controller()
    class Decoding:
        @Post(decompress=True)
        async def take(self, body: bytes) -> Any:
            return len(body)

    sent = gzip.compress(b"abc")
    assert (await send(sent, "gzip", app=app_of(Decoding))).json() == 3
    assert (await send(sent, "gzip", target="/plain")).status == 415


@pytest.mark.parametrize("coding", ["br", "compress", "gzip, zstd", "gzip\x00", "dcz"])
async def test_another_coding_is_a_415_that_lists_those_that_are_decoded(coding: str) -> None:
    answer = await send(b"abc", coding, target="/raw")
    assert (answer.status, answer.header("accept-encoding")) == (415, "gzip, deflate, zstd")
    assert answer.read == 0


async def test_without_a_library_for_zstd_it_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_codings, "has_zstd", lambda: False)
    answer = await send(zstd.compress(b"abc"), "zstd", target="/raw")
    assert (answer.status, answer.header("accept-encoding")) == (415, "gzip, deflate")
    assert (await send(gzip.compress(b"abc"), "gzip", target="/raw")).json() == 3
    assert (await send(b"abc", "gzip", target="/raw")).status == 400


async def test_two_headers_are_a_list() -> None:
    headers = [("content-encoding", "gzip"), ("content-encoding", "gzip")]
    sent = gzip.compress(gzip.compress(b"abc"))
    assert (await ask(APP, "/raw", method="POST", body=sent, headers=headers)).status == 415


@each_coding
@pytest.mark.parametrize("target", ["/raw", "/pieces"])
async def test_a_bomb_is_a_413_before_it_is_unpacked(
    coding: str, encode: Callable[[bytes], bytes], target: str
) -> None:
    bomb = encode(b"\0" * 50 * MiB)
    tracemalloc.start()
    answer = await send(bomb, coding, target=target, size=len(bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status, answer.header("connection")) == (413, "close")
    assert answer.read == 1
    assert peak < 10 * MiB


def numbers(decoded: int, *, repeats: int) -> bytes:
    """A list as JSON: the more often each number is repeated, the fewer bytes it has when it is encoded."""
    source = random.Random(decoded)
    items = [str(source.randrange(10**6, 10**7)) for _ in range(decoded // 8 // repeats)]
    return f"[{','.join(item for item in items for _ in range(repeats))}]".encode()


@pytest.mark.parametrize(("coding", "encode"), [CODINGS[name] for name in ("gzip", "deflate", "zstd")])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (numbers(900_000, repeats=1), 200),
        (numbers(900_000, repeats=50), 200),
        (b"[" + b"0," * 30_000 + b"0]", 200),  # 60 KB: a body that is small in any case may be as regular as it likes
        (b"[" + b"0," * 60_000 + b"0]", 413),
        (b"[" + b"[]," * 300_000 + b"0]", 413),
        (b'{"a":' * 90 + b"[" + b"1," * 400_000 + b"1]" + b"}" * 90, 413),
        (b'"' + b"a" * 900_000 + b'"', 413),
    ],
    ids=["numbers", "repetitive", "small", "zeros", "arrays", "objects", "text"],
)
@pytest.mark.parametrize("size", [500, 1 << 20])
async def test_few_bytes_cost_no_large_body(
    coding: str, encode: Callable[[bytes], bytes], body: bytes, status: int, size: int
) -> None:
    sent = encode(body)
    assert (len(body) > content_codings.PIECE + 100 * len(sent)) is (status == 413)
    answer = await send(sent, coding, target="/any", size=size)
    assert answer.status == status
    if status == 413:
        assert answer.json()["detail"] == "The body decodes to more than 100 times its size."
        assert answer.header("connection") == "close"


async def test_the_length_that_is_told_counts_and_not_how_far_the_body_has_come() -> None:
    """An image of a disk begins with what is empty."""
    body = b"\0" * MiB + random.Random(1).randbytes(MiB // 4)
    sent = gzip.compress(body)
    answer = await send(sent, "gzip", target="/image", size=1000)
    assert answer.status == 413
    answer = await send(sent, "gzip", target="/image", size=1000, more={"content-length": str(len(sent))})
    assert (answer.status, sum(answer.json())) == (200, len(body))


async def test_a_bomb_in_a_form_is_a_413() -> None:
    bomb = gzip.compress(form(text("title", "a"), file("scan", b"\0" * 50 * MiB)))
    answer = await send(bomb, "gzip", target="/upload", size=1000, more=TYPE)
    assert answer.status == 413
    assert answer.read < 5


async def test_a_bomb_in_a_bomb_stays_packed() -> None:
    inner = gzip.compress(b"\0" * 50 * MiB)
    assert (await send(gzip.compress(inner), "gzip", target="/raw")).json() == len(inner)


async def test_parts_that_decode_to_nothing_count() -> None:
    for coding, encode in (CODINGS["gzip"], CODINGS["zstd"]):
        answer = await send(encode(b"") * 5000, coding, target="/raw")
        assert (answer.status, answer.errors) == (400, {"/body": "content-encoding"})
    endless = zlib.compress(b"")[:2] + b"\x00\x00\x00\xff\xff" * LIMIT  # stored blocks of nothing
    answer = await send(endless, "deflate", target="/raw")
    assert (answer.status, answer.read) == (413, 102)


async def test_a_window_of_zstd_beyond_8_mib_is_refused() -> None:
    window = zstd.CompressionParameter.window_log
    for log, status in ((23, 200), (24, 400)):
        compressor = zstd.ZstdCompressor(options={window: log})
        sent = compressor.compress(b"x") + compressor.flush()
        assert (await send(sent, "zstd", target="/raw")).status == status


@each_coding
async def test_what_cannot_be_decoded_is_a_400(coding: str, encode: Callable[[bytes], bytes]) -> None:
    whole = encode(b"a certain text that is long enough" * 10)
    damaged = whole[:-6] + bytes([whole[-6] ^ 0xFF]) + whole[-5:]
    wrong = {"nothing of the kind": b"\xff" * 100, "cut off": whole[:-1], "half": whole[: len(whole) // 2]}
    if coding != "deflate":
        wrong["damaged"] = damaged
    if coding != "zstd":
        wrong["more"] = whole + b"more"
    for name, body in wrong.items():
        for size in (1, 10_000):
            answer = await send(body, coding, target="/raw", size=size)
            assert (answer.status, answer.errors) == (400, {"/body": "content-encoding"}), name


async def test_a_large_body_does_not_hold_up_others() -> None:
    """Between the pieces, the event loop has its turn."""
    import asyncio

    @Controller()
    class Large:
        @Post(max_body=20 * MiB)
        async def take(self, body: bytes) -> Any:
            return len(body)

    turns, ends = 0, asyncio.Event()

    async def count() -> None:
        nonlocal turns
        while not ends.is_set():
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    body = random.Random(1).randbytes(40_000) * 250
    sent = gzip.compress(body)
    answer = await send(sent, "gzip", size=len(sent), app=app_of(Large, decompress=True))
    ends.set()
    await counting
    assert answer.json() == len(body)
    assert turns > 100
