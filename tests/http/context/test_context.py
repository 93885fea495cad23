"""Responses that a handler builds, and what is added to them on the way out."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kick import App, Controller, Get, Post, RequestContext, ServerSentEvent
from kick.errors import KickError
from kick.http import cookie_parser
from kick.session import session
from tests.http.support import Answer, app_of, ask

SECRET = "a secret of at least thirty-two bytes"


def app_doing(act: Any, **options: Any) -> App:
    """An application whose one handler, for GET and POST, does this with its context."""

    async def do(self: Any, ctx: RequestContext) -> Any:
        return act(ctx)

    return app_of(Controller()(type("Doing", (), {"do": Get("/")(Post("/")(do))})), **options)


async def get(act: Any, target: str = "/", **options: Any) -> Answer:
    return await ask(app_doing(act), target, **options)


# The simple ones


@pytest.mark.parametrize(
    ("act", "status", "content_type", "body"),
    [
        (lambda ctx: ctx.json({"a": "é"}), 200, "application/json", '{"a":"é"}'),
        (lambda ctx: ctx.json(None), 200, "application/json", "null"),
        (lambda ctx: ctx.json([], status=202), 202, "application/json", "[]"),
        (lambda ctx: ctx.text("é"), 200, "text/plain; charset=utf-8", "é"),
        (lambda ctx: ctx.text("gone", 410), 410, "text/plain; charset=utf-8", "gone"),
        (lambda ctx: ctx.html("<p>é"), 200, "text/html; charset=utf-8", "<p>é"),
    ],
)
async def test_json_text_and_html(act: Any, status: int, content_type: str, body: str) -> None:
    answer = await get(act)
    assert answer.status == status
    assert answer.headers == [("content-length", str(len(body.encode()))), ("content-type", content_type)]
    assert answer.text == body


async def test_no_content_has_neither_body_nor_headers_of_one() -> None:
    answer = await get(lambda ctx: ctx.no_content())
    assert (answer.status, answer.headers, answer.body) == (204, [], b"")


async def test_a_problem_is_returned_with_its_extensions() -> None:
    answer = await get(lambda ctx: ctx.problem(402, "Too little", balance=30, type="https://example.com/credit"))
    assert answer.status == 402
    assert answer.header("content-type") == "application/problem+json"
    problem = answer.json()
    assert len(problem.pop("request_id")) == 32
    assert problem == {
        "type": "https://example.com/credit",
        "title": "Payment Required",
        "status": 402,
        "detail": "Too little",
        "balance": 30,
    }


# Redirects


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/notes", "/notes"),
        ("/notes?page=2#top", "/notes?page=2#top"),
        ("next", "next"),
        ("?page=2", "?page=2"),
        ("/a b", "/a%20b"),
        ("/café", "/caf%C3%A9"),
        ("/100%25", "/100%25"),
        ("http://example.com/notes", "http://example.com/notes"),
        ("https://EXAMPLE.com/notes", "https://EXAMPLE.com/notes"),
        ("/login?next=//evil.test", "/login?next=//evil.test"),
        ("/a:b", "/a:b"),
    ],
)
async def test_a_redirect_stays_on_this_host(url: str, location: str) -> None:
    answer = await get(lambda ctx: ctx.redirect(url))
    assert answer.status == 303
    assert answer.header("location") == location
    assert answer.body == b""
    assert answer.header("content-type") is None


@pytest.mark.parametrize(
    "url",
    [
        "//evil.test",
        "//evil.test/notes",
        "///evil.test",
        "////evil.test",
        "\\\\evil.test",
        "/\\evil.test",
        "\\/evil.test",
        "/\\/evil.test",
        "http://evil.test",
        "https:evil.test",
        "https:/evil.test",
        "https:///evil.test",
        "http:\\\\evil.test",
        "HTTPS://evil.test",
        "http://example.com@evil.test",
        "http://example.com:80@evil.test/",
        "http://example.com\\@evil.test",
        "http://example.com.evil.test",
        "http://example.com:8080/",
        "http://user@example.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "mailto:a@example.com",
        "\t//evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "/\r/evil.test",
        " //evil.test",
        "/ok\r\nset-cookie: a=b",
        "/ok\x00",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "\u00a0//evil.test",
        "\u3000//evil.test",
        "http://[",
        "http://[::1",
        "//",
        "/ok ",
        "http:evil.test",
        "http:/evil.test",
        "http:///example.com@evil.test",
        "http://evil.test#@example.com",
        "http://evil.test?@example.com",
        "http://evil.test\\@example.com",
        "http://example.com%2eevil.test",
        "http://example.com%00.evil.test",
        "http://example.com\uff0f@evil.test",
        "http://example.com\uff03.evil.test",
        "http://example\u3002com",
        "//example.com\\.evil.test",
        "//\uff45vil.test",
        "vbscript:x",
        "blob:http://example.com/x",
        "view-source:http://example.com",
        "\x85//evil.test",
        "\u2028//evil.test",
        "\u2003//evil.test",
        "/\x0b/evil.test",
        "\x1f//evil.test",
    ],
)
async def test_a_redirect_to_anywhere_else_is_refused(url: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = await get(lambda ctx: ctx.redirect(url))
    assert answer.status == 500
    assert answer.header("location") is None
    assert "redirect to another host" in caplog.text


@pytest.mark.parametrize("url", ["//evil.test", "https:evil.test", "/\\evil.test", "javascript:alert(1)", "/a\r\nb: c"])
async def test_a_redirect_may_have_somewhere_else_to_go(url: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = await get(lambda ctx: ctx.redirect(url, fallback="/home"))
    assert (answer.status, answer.header("location")) == (303, "/home")
    assert (await get(lambda ctx: ctx.redirect("/notes", fallback="/home"))).header("location") == "/notes"
    assert caplog.records == []


async def test_a_redirect_to_another_host_takes_a_word() -> None:
    answer = await get(lambda ctx: ctx.redirect("https://other.test/x", 307, external=True))
    assert (answer.status, answer.header("location")) == (307, "https://other.test/x")


@pytest.mark.parametrize("status", [200, 304, 404, 300])
async def test_a_status_that_redirects_nobody_is_refused(status: int, caplog: pytest.LogCaptureFixture) -> None:
    assert (await get(lambda ctx: ctx.redirect("/", status))).status == 500
    assert "does not redirect" in caplog.text


# Files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"0123456789")
    return path


async def test_a_file_is_sent_with_what_caches_need(file: Path) -> None:
    answer = await get(lambda ctx: ctx.send_file(file))
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert answer.header("content-length") == "10"
    assert answer.header("accept-ranges") == "bytes"
    assert answer.header("etag")
    assert answer.header("last-modified")


@pytest.mark.parametrize(
    ("range_", "status", "body", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=20-", 416, b"", "bytes */10"),
    ],
)
async def test_a_file_is_sent_in_part(file: Path, range_: str, status: int, body: bytes, content_range: str) -> None:
    answer = await get(lambda ctx: ctx.send_file(file), headers={"range": range_})
    assert answer.status == status
    assert answer.header("content-range") == content_range
    assert answer.body == body


async def test_a_download_gets_its_name(file: Path) -> None:
    def disposition(name: str) -> Any:
        return get(lambda ctx: ctx.send_file(file, filename=name, disposition="attachment"))

    assert (await disposition("a.txt")).header("content-disposition") == 'attachment; filename="a.txt"'
    name = (await disposition("naïve 🐍.txt")).header("content-disposition")
    assert name == "attachment; filename=\"naive _.txt\"; filename*=UTF-8''na%C3%AFve%20%F0%9F%90%8D.txt"
    assert "\r" not in str((await disposition('x"\r\nset-cookie: a=b')).headers)


async def test_a_file_that_is_not_there_is_not_found(file: Path) -> None:
    for path in (file.parent / "none", file.parent, Path("/dev/null"), f"{file}\0", "x" * 5000):
        answer = await get(lambda ctx, path=path: ctx.send_file(path))
        assert answer.status == 404
        assert os.fspath(file.parent) not in answer.text


async def test_a_media_type_cannot_smuggle_a_header(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    evil = "text/csv\r\nset-cookie: a=b"
    for act in (
        lambda ctx: ctx.send_file(file, media_type=evil),
        lambda ctx: ctx.stream(iter([b"x"]), media_type=evil),
    ):
        answer = await get(act)
        assert answer.status == 500
        assert answer.all("set-cookie") == []
    assert "not a header" in caplog.text


# Streams


async def test_a_stream_is_sent_piece_by_piece() -> None:
    async def chunks() -> AsyncIterator[bytes | str]:
        yield b"a"
        yield "é"

    answer = await get(lambda ctx: ctx.stream(chunks(), media_type="text/csv", status=201))
    assert answer.status == 201
    assert [message["body"] for message in answer.messages[1:]] == [b"a", "é".encode(), b""]
    assert answer.header("content-type") == "text/csv; charset=utf-8"
    assert (await get(lambda ctx: ctx.stream(iter([b"sync"])))).body == b"sync"


async def test_a_client_that_leaves_a_stream_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[bool] = []

    async def endless() -> AsyncIterator[bytes]:
        import anyio

        try:
            while True:
                yield b"x"
                await anyio.lowlevel.checkpoint()
        finally:
            closed.append(True)

    answer = await get(lambda ctx: ctx.stream(endless()), disconnects=True)
    assert answer.status == 200
    assert closed == [True]
    assert caplog.records == []


async def test_server_sent_events() -> None:
    async def events() -> AsyncIterator[Any]:
        yield ServerSentEvent(data={"n": 1}, event="count", id="7", retry=500)
        yield "two\r\nlines\rand three"
        yield {"n": 2}

    answer = await get(lambda ctx: ctx.sse(events()))
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert answer.header("cache-control") == "no-store"
    assert answer.text == (
        'event: count\nid: 7\nretry: 500\ndata: {"n":1}\n\ndata: two\ndata: lines\ndata: and three\n\ndata: {"n":2}\n\n'
    )


async def test_an_event_cannot_smuggle_another() -> None:
    event = ServerSentEvent(data="x", event="a\n\ndata: evil", id="1\r\ndata: evil\0")
    assert event.encode() == b"event: adata: evil\nid: 1data: evil\ndata: x\n\n"


# Templates


async def test_a_page_is_rendered_and_escaped(tmp_path: Path) -> None:
    (tmp_path / "hello.html").write_text("<p>{{ name }} at {{ ctx.path }}")
    app = app_doing(lambda ctx: ctx.render("hello.html", 201, name="<Ada>"), templates=tmp_path)
    answer = await ask(app, "/")
    assert (answer.status, answer.text) == (201, "<p>&lt;Ada&gt; at /")
    assert answer.header("content-type") == "text/html; charset=utf-8"


async def test_a_page_that_is_not_there_is_the_servers_mistake(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_doing(lambda ctx: ctx.render("none.html"), templates=str(tmp_path))
    assert (await ask(app, "/")).status == 500
    assert "none.html" in caplog.text


# Headers


async def test_a_header_is_set_on_whichever_response_there_is() -> None:
    def act(ctx: RequestContext) -> Any:
        ctx.set_header("X-One", "1")
        ctx.set_header("x-one", "2")
        ctx.set_header("content-type", "text/css")
        return ctx.text("x")

    answer = await get(act)
    assert answer.header("x-one") == "2"
    assert answer.header("content-type") == "text/css"


async def test_a_header_is_kept_when_the_handler_breaks_off() -> None:
    from kick import NotFound

    def act(ctx: RequestContext) -> Any:
        ctx.set_header("x-one", "1")
        ctx.set_cookie("seen", "1")
        raise NotFound

    answer = await get(act)
    assert answer.status == 404
    assert answer.header("x-one") == "1"
    assert answer.all("set-cookie") == ["seen=1; Path=/; HttpOnly; SameSite=Lax"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nset-cookie: b=c"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", "a\x7f"),
        ("x", "a\x01"),
        ("x", "☃"),
        ("x y", "a"),
        ("x:", "a"),
        ("x\r\ny", "a"),
        ("", "a"),
        ("é", "a"),
    ],
)
async def test_no_header_breaks_out_of_its_line(name: str, value: str) -> None:
    async def in_middleware(ctx: RequestContext, call_next: Any) -> Any:
        response = await call_next(ctx)
        response.headers[name] = value
        return response

    def set_on_context(ctx: RequestContext) -> None:
        ctx.set_header(name, value)

    def set_on_response(ctx: RequestContext) -> Any:
        response = ctx.text("x")
        response.headers[name] = value
        return response

    def set_on_stream(ctx: RequestContext) -> Any:
        response = ctx.stream(iter([b"x"]))
        response.headers.append(name, value)
        return response

    for app in (
        app_doing(set_on_context),
        app_doing(set_on_response),
        app_doing(set_on_stream),
        app_doing(lambda ctx: ctx.text("x"), middleware=[in_middleware]),
        app_doing(lambda ctx: ctx.stream(iter([b"x"])), middleware=[in_middleware]),
    ):
        answer = await ask(app, "/")
        assert answer.status == 500
        assert all("\n" not in each and "\r" not in each for header in answer.headers for each in header)


async def test_a_foreign_response_with_a_broken_header_is_not_sent() -> None:
    from starlette.responses import PlainTextResponse

    answer = await get(lambda ctx: PlainTextResponse("x", headers={"x": "a\r\nset-cookie: b=c"}))
    assert answer.status == 500
    assert answer.all("set-cookie") == []


async def test_vary_is_added_to_and_caches_are_told_no_more_than_before() -> None:
    def act(ctx: RequestContext) -> Any:
        ctx.set_header("vary", "Accept, Origin")
        ctx.set_header("vary", "accept")
        ctx.set_header("cache-control", "public")
        response = ctx.json({})
        response.headers["vary"] = "Cookie"
        response.headers["cache-control"] = "no-store"
        return response

    answer = await get(act)
    assert answer.header("vary") == "Cookie, Accept, Origin"
    assert answer.header("cache-control") == "no-store"


# Cookies


async def test_a_cookie_is_set_with_its_attributes() -> None:
    def act(ctx: RequestContext) -> None:
        ctx.set_cookie("plain", "a b;c")
        ctx.set_cookie("all", "1", max_age=60, path="/x", domain="example.com", http_only=False, same_site="strict")
        ctx.set_cookie("apart", "1", secure=True, same_site="none", partitioned=True)
        ctx.delete_cookie("old", path="/x")

    answer = await get(act)
    assert answer.status == 204
    assert answer.all("set-cookie") == [
        "plain=a%20b%3Bc; Path=/; HttpOnly; SameSite=Lax",
        "all=1; Max-Age=60; Path=/x; Domain=example.com; SameSite=Strict",
        "apart=1; Path=/; HttpOnly; Secure; SameSite=None; Partitioned",
        "old=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/x; HttpOnly; SameSite=Lax",
    ]


async def test_a_cookie_is_secure_where_the_request_was() -> None:
    answer = await get(lambda ctx: ctx.set_cookie("a", "1"), scheme="https")
    assert answer.all("set-cookie") == ["a=1; Path=/; HttpOnly; Secure; SameSite=Lax"]
    answer = await get(lambda ctx: ctx.delete_cookie("__Host-a"), scheme="https")
    assert "Secure" in answer.all("set-cookie")[0]


async def test_a_signed_cookie_comes_back_checked() -> None:
    seen: list[Any] = []

    def act(ctx: RequestContext) -> None:
        seen.append((dict(ctx.signed_cookies), "cart" in ctx.cookies))
        ctx.set_cookie("cart", "Käse, 42", signed=True)

    app = app_doing(act, middleware=[cookie_parser(secret=SECRET)])
    (cookie,) = (await ask(app, "/")).all("set-cookie")
    sent = cookie.partition(";")[0]
    await ask(app, "/", headers={"cookie": sent})
    await ask(app, "/", headers={"cookie": sent[:-3] + "abc"})
    await ask(app, "/", headers={"cookie": "cart=plain"})
    assert seen == [({}, False), ({"cart": "Käse, 42"}, True), ({}, True), ({}, True)]


# Where something is missing


async def test_what_is_not_set_up_says_what_to_add() -> None:
    raised: list[Exception] = []

    def trying(act: Any) -> Any:
        def run(ctx: RequestContext) -> Any:
            try:
                act(ctx)
            except Exception as error:
                raised.append(error)
                raise

        return run

    for act in (
        lambda ctx: ctx.session,
        lambda ctx: ctx.render("page.html"),
        lambda ctx: ctx.signed_cookies,
        lambda ctx: ctx.set_cookie("a", "1", signed=True),
    ):
        assert (await get(trying(act))).status == 500
    assert [error.code for error in raised if isinstance(error, KickError)] == [
        "session-missing",
        "templates-missing",
        "cookie-secret-missing",
        "cookie-secret-missing",
    ]
    assert "session(secret=" in str(raised[0])


async def test_a_session_that_is_switched_off_is_said_to_be() -> None:
    raised: list[KickError] = []

    @Controller("", session=False)
    class Off:
        @Get()
        async def show(self, ctx: RequestContext) -> None:
            try:
                ctx.session  # noqa: B018
            except KickError as error:
                raised.append(error)

    await ask(app_of(Off, middleware=[session(secret=SECRET)]), "/")
    assert "session=True" in raised[0].fix


def test_a_context_shows_what_it_is_about() -> None:
    settings: Any = None
    ctx: RequestContext[Any] = RequestContext(
        {"type": "http", "method": "GET", "path": "/x"}, settings, settings, settings, None, {}
    )
    assert repr(ctx) == "<RequestContext GET /x>"
    assert ctx != msgspec.structs.replace(ctx)
