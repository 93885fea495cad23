"""Multipart forms: what is read, what is refused and when, and that no temporary file stays behind."""

import asyncio
import gc
import logging
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import anyio
import msgspec
import pytest

from kick import Controller, File, Get, Post, RequestContext, UnprocessableEntity, UploadFile
from kick.http.request.multipart import SPOOL
from tests.http.forms import END, TYPE, file, form, no_leak, open_temporary_files, pieces, post, text
from tests.http.support import app_of, ask
from tests.support.costs import assert_costs_at_most

MiB = 1 << 20

__all__ = ["no_leak"]  # a fixture


@Controller()
class Taking:
    """Says what came, and keeps the uploads for the test to look at."""

    kept: list[UploadFile]

    @Post(max_body=64 * MiB)
    async def take(self, ctx: RequestContext) -> Any:
        type(self).kept = ctx.files
        return [
            [
                name,
                value if isinstance(value, str) else [value.filename, value.content_type, (await value.read()).hex()],
            ]
            for name, value in ctx.form.multi_items()
        ]

    @Post("/sizes", max_body=64 * MiB)
    async def sizes(self, ctx: RequestContext) -> Any:
        type(self).kept = ctx.files
        return [[each.size, each._in_memory] for each in ctx.files]


# What is read


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
async def test_fields_and_files_come_in_their_order_however_the_bytes_arrive(size: int) -> None:
    content = b"\r\n--xx\r" + bytes(range(256)) + b"\r\n--x\r\n-"
    body = form(text("a", "é"), file("f", content), text("a", ""), file("f", b"", filename="b.txt", media_type=None))
    body = body.replace(b"\r\n--xx\r\x00", b"\r\n--xy\r\x00")  # almost the boundary
    answer = await ask(app_of(Taking), "/", method="POST", body=pieces(body, size), headers=TYPE)
    assert answer.json() == [
        ["a", "é"],
        ["f", ["a.bin", "image/png", content.replace(b"--xx\r", b"--xy\r").hex()]],
        ["a", ""],
        ["f", ["b.txt", None, ""]],
    ]


async def test_a_field_for_files_in_which_none_was_chosen_is_left_out() -> None:
    nothing = file("f", b"", filename="", media_type="application/octet-stream")
    assert (await post(app_of(Taking), nothing, text("a", "1"))).json() == [["a", "1"]]


async def test_text_before_the_first_boundary_and_after_the_last_is_passed_over() -> None:
    body = b"\r\n" + form(text("a", "1")) + b"and more"
    assert (await post(app_of(Taking), body=body)).json() == [["a", "1"]]


async def test_names_of_files_and_fields_may_be_of_any_language() -> None:
    answer = await post(app_of(Taking), file("größe", b"", filename="naïve 写真.png"), text('a\\"b', "1"))
    assert answer.json() == [["größe", ["naïve 写真.png", "image/png", ""]], ['a"b', "1"]]


def named(disposition: str, content: bytes = b"x") -> bytes:
    """A part whose Content-Disposition is written out."""
    return f"--xx\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ("name=\"f\"; filename*=utf-8''na%C3%AFve%20%E5%86%99.txt", "naïve 写.txt"),
        ("filename*=UTF-8'en'a.txt; name=f", "a.txt"),
        ("name=f; FileName*=utf-8''a.txt", "a.txt"),
        ("name=f; filename* = \"utf-8''a;b.txt\"", "a;b.txt"),
        ("name=f; filename*=iso-8859-1''%E4.txt", "ä.txt"),
        ("name=f; filename*=utf-8''%FF.txt", "\ufffd.txt"),
        ("name=f; filename*=utf-8''a%0D%0AX: 1%00", "a\ufffd\ufffdX: 1\ufffd"),
        ("name=f; filename=\"plain.txt\"; filename*=utf-8''other.txt", "plain.txt"),  # RFC 7578, section 4.2
        ("name=f; filename*=utf-8''other.txt; filename=plain.txt", "plain.txt"),
    ],
)
async def test_an_upload_may_have_an_extended_name_alone(disposition: str, expected: str) -> None:
    assert (await post(app_of(Taking), named(disposition))).json() == [["f", [expected, None, b"x".hex()]]]


async def test_an_extended_name_within_another_value_is_none() -> None:
    part = named("name=\"f; filename*=utf-8''a.txt\"")
    assert (await post(app_of(Taking), part)).json() == [["f; filename*=utf-8''a.txt", "x"]]


async def test_files_with_extended_names_count_among_the_files() -> None:
    parts = [named(f"name=f{n}; filename*=utf-8''a.txt") for n in range(101)]
    assert (await post(app_of(Taking), *parts)).status == 413


@pytest.mark.parametrize("kind", [text, lambda name, _: file(name, b"")], ids=["text", "file"])
async def test_a_byte_order_mark_is_no_part_of_the_first_name(kind: Any) -> None:
    names = [name for name, _ in (await post(app_of(Taking), kind("\ufeffa", "1"), text("\ufeffb", "2"))).json()]
    assert names == ["a", "\ufeffb"]


async def test_the_parts_of_a_form_are_limited_in_which_nothing_is() -> None:
    nothing = [file(f"f{n}", b"", filename="") for n in range(3000)]
    body = form(*nothing)
    sent = pieces(body, 1000)
    answer = await post(app_of(Taking), body=sent)
    assert (answer.status, answer.errors) == (400, {"/body": "length"})
    assert answer.read < len(body) // 2000


async def test_the_charset_a_client_asks_for_is_not_used() -> None:
    """Some of Python's codecs take quadratic time; a form is UTF-8 (RFC 7578, section 4.6)."""
    headers = {"content-type": "multipart/form-data; boundary=xx; charset=punycode"}
    assert (await post(app_of(Taking), text("a", "é"), headers=headers)).json() == [["a", "é"]]


# What is refused


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (text("a", "1"), "it ends too early"),
        (form(text("a", "1"))[:-4], "it ends too early"),
        (file("a", b"x" * 3 * MiB), "it ends too early"),
        (b"\r\n" * 1000, "it ends too early"),
        (b"--xy\r\n", "Invalid"),
        (b"--xx\r\nno header\r\n\r\nvalue\r\n--xx--", "Invalid"),
        (form(b"--xx\r\nContent-Disposition: form-data\r\n\r\n1\r\n"), '"name" must be provided'),
        (form(b"--xx\r\n\r\n1\r\n"), '"name" must be provided'),
        (form(b'--xx\r\nContent-Disposition: form-data; name="' + b"a" * 5000 + b'"\r\n\r\n1\r\n'), "Invalid"),
        (form(b"--xx\r\n" + b"X-A: 1\r\n" * 9 + b'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n'), "Invalid"),
    ],
)
async def test_a_form_that_is_malformed_or_cut_off_is_a_400(no_leak: None, body: bytes, problem: str) -> None:
    answer = await ask(app_of(Taking), "/", method="POST", body=pieces(body, 65536), headers=TYPE)
    assert (answer.status, answer.errors) == (400, {"/body": "multipart"})
    assert problem in answer.json()["detail"]


@pytest.mark.parametrize("boundary", ["", "; boundary=", '; boundary=""', "; boundary=" + "x" * 257])
async def test_a_boundary_that_is_missing_or_too_long_is_a_400(boundary: str) -> None:
    headers = {"content-type": f"multipart/form-data{boundary}"}
    answer = await post(app_of(Taking), text("a", "1"), headers=headers)
    assert (answer.status, answer.errors) == (400, {"/body": "multipart"})


@pytest.mark.parametrize("part", [b'name="a"\r\n\r\n\xff', b'name="\xff"\r\n\r\n1'])
async def test_text_that_is_not_utf8_is_a_400(part: bytes) -> None:
    answer = await post(app_of(Taking), b"--xx\r\nContent-Disposition: form-data; " + part + b"\r\n")
    assert (answer.status, answer.errors) == (400, {"/body": "encoding"})


async def test_more_than_1000_fields_are_a_400_and_more_than_100_files_a_413(no_leak: None) -> None:
    fields, files = [text("a", "1")] * 1000, [file(f"f{each}", b"1") for each in range(100)]
    assert (await post(app_of(Taking), *fields, *files)).status == 200
    answer = await post(app_of(Taking), *fields, text("a", "1"))
    assert (answer.status, answer.errors) == (400, {"/body": "length"})
    answer = await post(app_of(Taking), *files, file("g", b"1"))
    assert (answer.status, answer.errors) == (413, {"/body/g": "files"})


async def test_text_has_the_limit_of_the_application_whatever_the_route_takes(no_leak: None) -> None:
    answer = await post(app_of(Taking), file("f", b"x" * 2 * MiB), text("a", "x" * MiB), target="/sizes")
    assert (answer.status, answer.json()) == (200, [[2 * MiB, False]])
    answer = await post(app_of(Taking), text("a", "x"), file("f", b"x" * 2 * MiB), text("b", "x" * MiB))
    assert (answer.status, answer.errors) == (413, {"/body/b": "size"})
    assert answer.header("connection") == "close"


async def test_a_whole_form_has_the_limit_of_its_route(no_leak: None) -> None:
    body = [file("f", b"x" * MiB), b"x" * 64 * MiB, END]
    answer = await ask(app_of(Taking), "/", method="POST", body=body, headers=TYPE)
    assert (answer.status, answer.read) == (413, 2)


# Where the bytes are


async def test_small_files_stay_in_memory_and_what_is_beyond_goes_to_disk() -> None:
    files = [file("f", b"x" * (SPOOL // 2))] * 2 + [file("f", b"1")] + [file("f", b"x" * SPOOL)]
    answer = await post(app_of(Taking), *files, target="/sizes")
    half = SPOOL // 2
    assert answer.json() == [[half, True], [half, True], [1, False], [SPOOL, False]]


@pytest.mark.slow
async def test_many_files_hold_no_more_memory_than_one(no_leak: None) -> None:
    """Each of them would fit into memory by itself."""
    parts = [file(f"f{each}", b"x" * (MiB // 2)) for each in range(60)]
    chunks = (piece for part in [*parts, END] for piece in pieces(part, 65536))
    app = app_of(Taking)
    await post(app, text("a", "1"), target="/sizes")  # what is imported at the first request
    gc.collect()
    tracemalloc.start()
    try:
        answer = await _stream(app, chunks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(answer) == 60
    assert peak < 4 * MiB


async def _stream(app: Any, chunks: Iterator[bytes]) -> Any:
    """Send a body without holding it."""
    sent: list[bytes] = []

    async def receive() -> Any:
        chunk = next(chunks, b"")
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    headers = [(name.encode(), value.encode()) for name, value in TYPE.items()]
    scope = {"type": "http", "method": "POST", "path": "/sizes", "query_string": b"", "headers": headers}
    await app({**scope, "http_version": "1.1", "raw_path": b"/sizes", "scheme": "http"}, receive, send)
    return msgspec.json.decode(b"".join(sent))


@pytest.mark.long
async def test_bytes_that_come_two_by_two_cost_no_more_memory() -> None:
    content = b"x" * 40_000
    chunks = (piece for part in (file("f", content), END) for piece in pieces(part, 2))
    app = app_of(Taking)
    await post(app, text("a", "1"), target="/sizes")
    gc.collect()
    tracemalloc.start()
    try:
        answer = await _stream(app, chunks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer == [[len(content), True]]
    assert peak < 3 * MiB // 2


def attack(body: bytes) -> Callable[[], object]:
    """What reads, or refuses, a form."""
    return lambda: anyio.run(lambda: ask(app_of(Taking), "/", method="POST", body=pieces(body, 65536), headers=TYPE))


@pytest.mark.long
@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"", b"\r\n"),
        (b"", b"-"),
        (file("f", b"")[:-2], b"\r"),
        (file("f", b"")[:-2], b"\r\n--x"),
        (file("f", b"")[:-2], b"\r\n--xx-"),
        (file("f", b"")[:-2], b"\r\n--xx\r"),
        (text("a", "")[:-2], b"\r\n--xx "),
        (b"--xx\r\n", b"X: 1\r\n"),
        (b"--xx\r\nContent-Disposition: form-data; name=", b'";\\'),
    ],
    ids=repr,
)
def test_no_form_takes_longer_than_its_length(start: bytes, unit: bytes) -> None:
    """Four times the length must not take sixteen times as long; what is quadratic does."""
    short, long = (attack(start + unit * (size // len(unit))) for size in (MiB // 4, MiB))
    assert_costs_at_most(8, long, short, clock=time.process_time)  # files are written in threads


@pytest.mark.parametrize(
    "more", [b";" * 4000, b'; b="' + b";" * 4000, b"; *" + b";a= " * 990], ids=["plain", "quoted", "extended"]
)
def test_no_header_of_a_part_costs_more_than_its_bytes(more: bytes) -> None:
    """Its parameters are read in quadratic time: 1 MiB of such parts took 0.7 s, sixty times a usual form."""
    usual, evil = (
        attack(b"".join(b"--xx\r\nContent-Disposition: " + each + b"\r\n" for each in parts) + b"--xx--\r\n")
        for parts in (
            [b"form-data; name=a\r\n\r\n" + b"v" * 4000] * 256,
            [b"form-data; name=a" + more + b"\r\n\r\nv"] * 256,
        )
    )
    assert_costs_at_most(5, evil, usual, clock=time.process_time)


async def test_a_header_with_too_many_parameters_is_refused() -> None:
    many = b";".join(b" p%d=1" % number for number in range(21))
    of_part = form(b"--xx\r\nContent-Disposition: form-data; name=a;" + many + b"\r\n\r\nv\r\n")
    for body, header in (
        (of_part, TYPE["content-type"]),
        (form(text("a", "b")), f"multipart/form-data;{many.decode()}"),
    ):
        answer = await ask(app_of(Taking), "/", method="POST", body=body, headers={"content-type": header})
        assert answer.status == 400
        assert "more than 20 parameters" in answer.json()["detail"]


async def test_a_file_name_may_have_semicolons() -> None:
    answer = await ask(
        app_of(Taking), "/", method="POST", body=form(file("f", b"", filename="a;b;c.txt")), headers=TYPE
    )
    assert answer.json()[0][1][0] == "a;b;c.txt"


# What is left behind


class Picture(msgspec.Struct):
    picture: UploadFile
    number: int


@Controller()
class Failing:
    @Post("/handler", max_body=64 * MiB)
    async def handler(self, picture: UploadFile) -> None:
        raise RuntimeError("the handler fails")

    @Post("/refused", max_body=64 * MiB)
    async def refused(self, picture: UploadFile) -> None:
        raise UnprocessableEntity("no such picture")

    @Post("/invalid", max_body=64 * MiB)
    async def invalid(self, body: Picture) -> None:
        raise AssertionError("not reached")

    @Post("/hangs", max_body=64 * MiB)
    async def hangs(self, picture: UploadFile) -> None:
        Waiting.has_begun.set()
        await anyio.sleep_forever()

    @Post("/done", max_body=64 * MiB)
    async def done(self, picture: UploadFile) -> int | None:
        return picture.size


class Waiting:
    has_begun: anyio.Event


BIG = file("picture", b"x" * 3 * MiB)


@pytest.mark.parametrize(
    ("target", "status"), [("/handler", 500), ("/refused", 422), ("/invalid", 422), ("/done", 200)]
)
async def test_temporary_files_are_gone_when_the_request_has_ended(
    no_leak: None, target: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    assert (await post(app_of(Failing), BIG, text("number", "x"), target=target)).status == status


async def test_a_client_that_goes_away_leaves_no_file(no_leak: None) -> None:
    answer = await ask(app_of(Failing), "/done", method="POST", body=pieces(BIG, 65536), headers=TYPE, disconnects=True)
    assert answer.read > 40


async def test_a_request_that_is_cancelled_in_the_handler_leaves_no_file(no_leak: None) -> None:
    Waiting.has_begun, before = anyio.Event(), open_temporary_files()
    app = app_of(Failing)

    async def hang() -> None:
        await post(app, BIG, target="/hangs")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hang)
        await Waiting.has_begun.wait()
        assert open_temporary_files() - before
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("plainly", [True, False], ids=["by asyncio", "by anyio"])
async def test_a_request_that_is_cancelled_while_it_uploads_leaves_no_file(no_leak: None, plainly: bool) -> None:
    reached, before = anyio.Event(), open_temporary_files()
    chunks = iter(pieces(BIG, 65536))

    async def receive() -> Any:
        chunk = next(chunks, None)
        if chunk is None:
            reached.set()
            await anyio.sleep_forever()
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Any) -> None: ...

    headers = [(name.encode(), value.encode()) for name, value in TYPE.items()]
    scope = {"type": "http", "method": "POST", "path": "/done", "query_string": b"", "headers": headers}
    scope |= {"http_version": "1.1", "scheme": "http"}
    async with anyio.create_task_group() as tasks:
        task = asyncio.ensure_future(app_of(Failing)(scope, receive, send)) if plainly else None
        if task is None:
            tasks.start_soon(app_of(Failing), scope, receive, send)
        await reached.wait()
        assert open_temporary_files() - before
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        tasks.cancel_scope.cancel()


# What is allowed of each file


class Album(msgspec.Struct, rename="camel"):
    album_title: str
    cover_picture: Annotated[UploadFile, File(max_size=1000, types=["image/png", "image/gif"])]
    other_pictures: Annotated[list[UploadFile], File(max_size=2 * MiB, types=["image/*"], max_files=3)] = []
    notes: UploadFile | None = None


@Controller()
class Albums:
    @Post()
    async def create(self, body: Album) -> Any:
        return [body.album_title, body.cover_picture.size, [each.size for each in body.other_pictures]]

    @Post("/any", files=File(max_size=10, types=["text/plain"], max_files=2))
    async def any(self, ctx: RequestContext) -> Any:
        return [each.size for each in ctx.files]

    @Post("/total", max_body=2000)
    async def total(self, body: Album) -> Any:
        return body.cover_picture.size

    @Get()
    async def show(self) -> None: ...


TITLE = text("albumTitle", "Summer")
COVER = file("coverPicture", b"x" * 1000)


async def test_what_is_allowed_arrives_beside_the_text_and_is_more_than_the_limit_of_the_application() -> None:
    others = [file("otherPictures", b"x" * 2 * MiB, media_type="Image/JPEG; q=1")] * 3
    assert (await post(app_of(Albums), TITLE, COVER, *others)).json() == ["Summer", 1000, [2 * MiB] * 3]


@pytest.mark.parametrize(
    ("part", "status", "errors"),
    [
        (file("coverPicture", b"x" * 1001), 413, {"/body/coverPicture": "size"}),
        (file("otherPictures", b"x" * (2 * MiB + 1)), 413, {"/body/otherPictures": "size"}),
        (COVER, 413, {"/body/coverPicture": "files"}),
        (file("coverPicture", b"", media_type="image/jpeg"), 415, {"/body/coverPicture": "media-type"}),
        (file("coverPicture", b"", media_type=None), 415, {"/body/coverPicture": "media-type"}),
        (file("coverPicture", b"1", filename="", media_type="text/plain"), 415, {"/body/coverPicture": "media-type"}),
        (file("otherPictures", b"", media_type="text/html"), 415, {"/body/otherPictures": "media-type"}),
        (b"".join([file("otherPictures", b"1")] * 4), 413, {"/body/otherPictures": "files"}),
    ],
)
async def test_what_is_not_allowed_is_refused_with_its_place(
    no_leak: None, part: bytes, status: int, errors: dict[str, str]
) -> None:
    body = form(*([COVER] if part == COVER else []), part, TITLE)
    answer = await ask(app_of(Albums), "/", method="POST", body=pieces(body, 65536), headers=TYPE)
    assert (answer.status, answer.errors, answer.header("connection")) == (status, errors, "close")


async def test_what_is_too_large_is_refused_while_the_rest_is_on_its_way() -> None:
    body = [file("coverPicture", b"x" * 1001)[:-2], *[b"x" * 1000] * 100]
    answer = await ask(app_of(Albums), "/", method="POST", body=body, headers=TYPE)
    assert (answer.status, answer.read) == (413, 1)


async def test_a_wrong_type_is_refused_before_the_content_has_come() -> None:
    body = [file("coverPicture", b"", media_type="text/html")[:-2], *[b"x"] * 100]
    answer = await ask(app_of(Albums), "/", method="POST", body=body, headers=TYPE)
    assert (answer.status, answer.read) == (415, 1)
    assert answer.json()["detail"] == (
        "/body/coverPicture is a file of the type 'text/html'; send one of image/png, image/gif."
    )


async def test_the_limit_of_a_route_is_for_all_its_files() -> None:
    assert (await post(app_of(Albums), TITLE, COVER, target="/total")).status == 200
    answer = await post(app_of(Albums), TITLE, COVER, file("notes", b"x" * 1000), target="/total")
    assert (answer.status, answer.read) == (413, 1)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([file("a", b"x" * 10, media_type="text/plain"), file("b", b"x" * 10, media_type="text/plain")], 200),
        ([file("a", b"x" * 11, media_type="text/plain")], 413),
        ([file("a", b"x" * 10, media_type="text/html")], 415),
        ([file("a", b"1", media_type="text/plain")] * 3, 413),
    ],
)
async def test_a_route_may_say_what_is_allowed_of_any_file(parts: list[bytes], status: int) -> None:
    assert (await post(app_of(Albums), *parts, target="/any")).status == status


async def test_an_announced_length_beyond_everything_is_refused_unread() -> None:
    length = {"content-length": str(20 * MiB)}
    answer = await post(app_of(Albums), TITLE, COVER, headers=TYPE | length)
    assert (answer.status, answer.read) == (413, 0)
