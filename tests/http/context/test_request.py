"""What a handler can read of a request."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kick import App, Controller, Delete, Get, Post, RequestContext
from tests.http.handlers.test_extractors import multipart
from tests.http.support import Answer, app_of, ask


def app_doing(act: Any, **options: Any) -> App:
    async def do(self: Any, ctx: RequestContext) -> Any:
        result = act(ctx)
        return await result if hasattr(result, "__await__") else result

    handler = Get("/{rest:path}")(Delete("/{rest:path}")(Post("/{rest:path}", **options.pop("route", {}))(do)))
    return app_of(Controller()(type("Doing", (), {"do": handler})), **options)


async def seen(act: Any, target: str = "/", **options: Any) -> Any:
    """What the handler makes of a request."""
    found: list[Any] = []

    async def look(ctx: RequestContext) -> None:
        result = act(ctx)
        found.append(await result if hasattr(result, "__await__") else result)

    answer = await ask(app_doing(look), target, **options)
    assert answer.status == 204, answer.text
    return found[0]


async def post(act: Any, body: Any, content_type: str | None, **options: Any) -> Any:
    headers = {} if content_type is None else {"content-type": content_type}
    return await seen(act, method="POST", body=body, headers=headers, **options)


# Everything but the body


async def test_the_parts_of_a_request() -> None:
    def look(ctx: RequestContext) -> Any:
        return {
            "method": ctx.method,
            "path": ctx.path,
            "url": str(ctx.url),
            "params": ctx.params,
            "query": ctx.query.multi_items(),
            "header": ctx.headers["X-Thing"],
            "cookies": ctx.cookies,
            "client_ip": ctx.client_ip,
            "route": ctx.route and ctx.route.name,
        }

    assert await seen(look, "/a%2Fb/c?x=1&x=2", method="DELETE", headers={"x-thing": "7", "cookie": "a=1; b=%20"}) == {
        "method": "DELETE",
        "path": "/a/b/c",
        "url": "http://example.com/a%2Fb/c?x=1&x=2",
        "params": {"rest": "a/b/c"},
        "query": [("x", "1"), ("x", "2")],
        "header": "7",
        "cookies": {"a": "1", "b": " "},
        "client_ip": "192.0.2.7",
        "route": "Doing.do",
    }


async def test_each_part_is_worked_out_once() -> None:
    def look(ctx: RequestContext) -> Any:
        return all(
            getattr(ctx, name) is getattr(ctx, name)
            for name in ("query", "headers", "cookies", "state", "request", "request_id", "form", "body")
        )

    assert await seen(look)


async def test_every_request_has_an_id_of_its_own() -> None:
    ids = {await seen(lambda ctx: ctx.request_id) for _ in range(3)}
    assert len(ids) == 3
    assert {len(each) for each in ids} == {32}


async def test_state_is_for_one_request() -> None:
    def count(ctx: RequestContext) -> Any:
        before = getattr(ctx.state, "n", 0)
        ctx.state.n = before + 1
        return ctx.state.n

    assert [await seen(count), await seen(count)] == [1, 1]


async def test_a_client_without_an_address() -> None:
    assert await seen(lambda ctx: ctx.client_ip, client=None) is None


@pytest.mark.parametrize("host", ["[", "a b", "a:b:c", "evil\\", "x" * 1000, "host:99999999", "@"])
async def test_a_strange_host_is_no_mistake_of_the_server(host: str) -> None:
    app = app_doing(lambda ctx: [str(ctx.url), ctx.url.path, ctx.url.port])
    answer = await ask(app, "/", headers=[("host", host)])
    assert answer.status in (200, 400)
    app = app_doing(lambda ctx: ctx.redirect("/x"))
    assert (await ask(app, "/", headers=[("host", host)])).status == 303


async def test_a_query_that_is_not_utf8_is_a_bad_request() -> None:
    answer = await ask(app_doing(lambda ctx: dict(ctx.query)), "/?a=\xff")
    assert answer.status == 400


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/a%2Fb/%7euser?redirect=%2f%7E", "/a%2Fb/%7euser?redirect=%2f%7E"),
        ("/100%25?q=a+b%20c&sig=%C3%A9", "/100%25?q=a+b%20c&sig=%C3%A9"),
        ("/caf%c3%a9;v=1,2/(x)", "/caf%c3%a9;v=1,2/(x)"),
        ("/caf\xc3\xa9?q=\xff", "/caf%C3%A9?q=%FF"),
    ],
)
async def test_the_url_is_the_one_that_the_client_sent(target: str, url: str) -> None:
    assert await seen(lambda ctx: [str(ctx.url), str(ctx.request.url)], target) == [f"http://example.com{url}"] * 2


async def test_the_url_below_a_root_path_is_the_one_that_the_client_sent() -> None:
    assert await seen(lambda ctx: ctx.url.path, "/api/a%2Fb", root_path="/api") == "/api/a%2Fb"


async def test_a_server_that_does_not_tell_how_the_path_was_sent_has_it_encoded() -> None:
    assert await seen(lambda ctx: ctx.url.path, "/a%20b/100%25", raw_path=None) == "/a%20b/100%25"


# The body


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        (b'{"a": [1]}', "application/json", {"a": [1]}),
        (b"null", "application/json", None),
        (b'{"a": 1}', "application/problem+json; charset=utf-8", {"a": 1}),
        (b"a=1&b=2&b=3&c=", "application/x-www-form-urlencoded", {"a": "1", "b": "3", "c": ""}),
        (multipart([("a", "1"), ("b", "é")])[0], "multipart/form-data; boundary=xx", {"a": "1", "b": "é"}),
        ("é".encode(), "text/plain", "é"),
        (b"\xff", "text/html", "\ufffd"),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
        (b"x", None, b"x"),
        (b"", "application/json", None),
        (b"", None, None),
        (b"", "application/x-www-form-urlencoded", {}),
    ],
)
async def test_the_body_goes_by_its_media_type(body: bytes, content_type: str | None, value: Any) -> None:
    assert await post(lambda ctx: ctx.body, body, content_type) == value


async def test_a_body_in_chunks_is_put_together() -> None:
    assert await post(lambda ctx: ctx.body, [b'{"a"', b": ", b"", b"1}"], "application/json") == {"a": 1}


async def test_a_malformed_body_is_a_bad_request_where_it_is_read() -> None:
    for act, status in ((lambda ctx: ctx.body, 400), (lambda ctx: "not looked at", 200)):
        answer = await ask(app_doing(act), "/", method="POST", body=b"{", headers={"content-type": "application/json"})
        assert answer.status == status


async def test_get_has_no_body_and_waits_for_none() -> None:
    for name, value in (("body", None), ("raw_body", b""), ("files", [])):
        assert await seen(lambda ctx, name=name: getattr(ctx, name), body=[]) == value
    assert await seen(lambda ctx: len(ctx.form), body=[]) == 0


async def test_a_body_of_get_can_be_read_on_demand() -> None:
    async def look(ctx: RequestContext) -> Any:
        return await ctx.read()

    assert await seen(look, body=b"unusual") == b"unusual"


async def test_form_and_files() -> None:
    body = (
        b'--xx\r\nContent-Disposition: form-data; name="title"\r\n\r\ncaf\xc3\xa9\r\n'
        b'--xx\r\nContent-Disposition: form-data; name="doc"; filename="../a.txt"\r\nContent-Type: text/plain\r\n\r\n'
        b"content\r\n--xx--\r\n"
    )
    files: list[Any] = []

    async def look(ctx: RequestContext) -> Any:
        (upload,) = ctx.files
        files.append(upload)
        return [ctx.form["title"], upload.filename, upload.content_type, await upload.read(), upload.size]

    assert await post(look, body, "multipart/form-data; boundary=xx") == [
        "café",
        "../a.txt",
        "text/plain",
        b"content",
        7,
    ]
    assert files[0].file.closed


async def test_uploads_are_let_go_when_the_handler_fails() -> None:
    files: list[Any] = []

    def fail(ctx: RequestContext) -> Any:
        files.extend(ctx.files)
        raise LookupError

    body = b'--xx\r\nContent-Disposition: form-data; name="d"; filename="a"\r\n\r\nx\r\n--xx--\r\n'
    answer = await ask(
        app_doing(fail), "/", method="POST", body=body, headers={"content-type": "multipart/form-data; boundary=xx"}
    )
    assert answer.status == 500
    assert files[0].file.closed


# The Starlette request


async def test_the_starlette_request_reads_what_has_been_read() -> None:
    async def look(ctx: RequestContext) -> Any:
        request = ctx.request
        return [await request.json(), await request.body(), ctx.body, request.method, await request.is_disconnected()]

    assert await post(look, b"[1]", "application/json") == [[1], b"[1]", [1], "POST", False]


async def test_the_starlette_request_finds_a_form_that_was_read() -> None:
    async def look(ctx: RequestContext) -> Any:
        return dict(await ctx.request.form())

    body, headers = multipart([("a", "1")])
    assert await post(look, body, headers["content-type"]) == {"a": "1"}
    assert await post(look, b"a=1", "application/x-www-form-urlencoded") == {"a": "1"}


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        ([b"[1", b"]"], "application/json", [1]),
        ([b"a=", b"1"], "application/x-www-form-urlencoded", {"a": "1"}),
        ([multipart([("a", "1")])[0]], "multipart/form-data; boundary=xx", {"a": "1"}),
    ],
)
async def test_what_middleware_reads_by_the_starlette_request_is_there_for_the_handler(
    body: list[bytes], content_type: str, value: Any
) -> None:
    async def peek(ctx: RequestContext, call_next: Any) -> Any:
        if content_type == "application/json":
            await ctx.request.body()
        else:
            await ctx.request.form()
        return await call_next(ctx)

    app = app_doing(lambda ctx: ctx.body, middleware=[peek])
    answer = await ask(app, "/", method="POST", body=body, headers={"content-type": content_type})
    assert answer.json() == value


async def test_middleware_may_read_the_body_first() -> None:
    async def peek(ctx: RequestContext, call_next: Any) -> Any:
        assert await ctx.read() == b"[1]"
        assert ctx.body == [1]
        return await call_next(ctx)

    app = app_doing(lambda ctx: ctx.body, middleware=[peek])
    assert (await ask(app, "/", method="POST", body=b"[1]", headers={"content-type": "application/json"})).json() == [1]


async def test_middleware_that_does_not_read_first_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def peek(ctx: RequestContext, call_next: Any) -> Any:
        assert ctx.raw_body is not None
        return await call_next(ctx)

    assert (await ask(app_doing(lambda ctx: "", middleware=[peek]), "/", method="POST")).status == 500
    assert "call `await ctx.read()` first" in caplog.text


# Limits


def refusing(limit: int) -> App:
    return app_doing(lambda ctx: len(ctx.raw_body), max_body=limit)


async def test_a_body_as_large_as_the_limit_is_taken() -> None:
    assert (await ask(refusing(10), "/", method="POST", body=b"x" * 10)).json() == 10
    assert (await ask(refusing(10), "/", method="POST", body=[b"x" * 5] * 2)).json() == 10
    assert (
        await ask(app_doing(lambda ctx: len(ctx.raw_body), max_body=None), "/", method="POST", body=b"x" * (2 << 20))
    ).json() == 2 << 20


async def test_the_limit_is_one_mebibyte() -> None:
    app = app_doing(lambda ctx: len(ctx.raw_body))
    assert (await ask(app, "/", method="POST", body=b"x" * (1 << 20))).status == 200
    assert (await ask(app, "/", method="POST", body=b"x" * ((1 << 20) + 1))).status == 413


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=xx", "text/plain"])
async def test_a_body_that_is_announced_too_large_is_refused_unread(content_type: str) -> None:
    for length in ("11", "99999999999999999999999999"):
        answer = await ask(
            refusing(10),
            "/",
            method="POST",
            body=[b"x"] * 100,
            headers={"content-length": length, "content-type": content_type},
        )
        assert (answer.status, answer.read) == (413, 0)
        assert answer.header("connection") == "close"
        assert answer.json()["limit"] == 10


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=xx", "text/plain"])
async def test_a_body_that_turns_out_too_large_is_refused_as_soon_as_it_is(content_type: str) -> None:
    body = multipart([("a", "1")])[0]
    chunks = [body[at : at + 3] for at in range(0, len(body), 3)]
    answer = await ask(refusing(10), "/", method="POST", body=chunks, headers={"content-type": content_type})
    assert (answer.status, answer.read) == (413, 4)
    assert answer.header("connection") == "close"


async def test_the_limit_holds_for_the_starlette_request() -> None:
    async def peek(ctx: RequestContext, call_next: Any) -> Any:
        await ctx.request.body()
        return await call_next(ctx)

    app = app_doing(lambda ctx: 1, max_body=10, middleware=[peek])
    answer = await ask(app, "/", method="POST", body=[b"xxx"] * 100)
    assert (answer.status, answer.read) == (413, 4)


async def test_http_2_has_no_connection_header() -> None:
    answer = await ask(refusing(1), "/", method="POST", body=b"xx", http_version="2")
    assert (answer.status, answer.header("connection")) == (413, None)


async def test_a_route_may_have_a_limit_of_its_own() -> None:
    @Controller()
    class Uploads:
        @Post("/large", max_body=100)
        async def large(self, body: bytes) -> int:
            return len(body)

        @Post("/none", max_body=0)
        async def none(self, body: bytes) -> int:
            return len(body)

    app = app_of(Uploads, max_body=10)
    assert (await ask(app, "/large", method="POST", body=b"x" * 100)).json() == 100
    assert (await ask(app, "/large", method="POST", body=b"x" * 101)).status == 413
    assert (await ask(app, "/none", method="POST")).json() == 0
    assert (await ask(app, "/none", method="POST", body=b"x")).status == 413


async def test_a_length_that_is_none_is_not_believed() -> None:
    for length in ("abc", "-1", "", "1e3", "٣"):
        headers = [("content-length", length)] if length.isascii() else []
        answer = await ask(refusing(10), "/", method="POST", body=b"x" * 11, headers=headers)
        assert answer.status == 413


# Streams


async def total(ctx: RequestContext) -> int:
    return sum([len(chunk) async for chunk in ctx.body_stream()])


async def test_a_handler_may_read_the_body_itself() -> None:
    app = app_doing(total, route={"stream": True})
    answer = await ask(app, "/", method="POST", body=[b"abc", b"", b"de"])
    assert answer.json() == 5


async def test_a_streamed_body_has_a_limit_too() -> None:
    app = app_doing(total, route={"stream": True, "max_body": 10})
    answer = await ask(app, "/", method="POST", body=[b"xxx"] * 100)
    assert (answer.status, answer.read) == (413, 4)
    answer = await ask(app, "/", method="POST", body=[b"xxx"] * 100, headers={"content-length": "300"})
    assert (answer.status, answer.read) == (413, 0)


async def test_the_stream_of_a_body_that_was_read_is_the_body() -> None:
    assert await post(total, b"abc", "text/plain") == 3
    assert await post(total, b"", "text/plain") == 0


async def test_the_starlette_request_streams_without_keeping() -> None:
    async def look(ctx: RequestContext) -> Any:
        size = 0
        async for chunk in ctx.request.stream():
            size += len(chunk)
        return [size, ctx._seen]

    app = app_doing(look, route={"stream": True})
    assert (await ask(app, "/", method="POST", body=[b"abc"] * 3)).json() == [9, None]


# Clients that go away


async def gone(app: App, **options: Any) -> Answer:
    return await ask(app, "/", method="POST", body=[b"--xx\r\n"], disconnects=True, **options)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=xx"])
async def test_a_client_that_goes_away_amid_its_body_is_no_error(
    content_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[bool] = []
    answer = await gone(app_doing(lambda ctx: ran.append(True)), headers={"content-type": content_type})
    assert answer.status == 499
    assert ran == []
    assert caplog.records == []


async def test_a_handler_that_streams_the_body_notices_that_the_client_went_away() -> None:
    trail: list[str] = []

    async def look(ctx: RequestContext) -> Any:
        chunks: AsyncIterator[bytes] = ctx.body_stream()
        try:
            async for chunk in chunks:
                trail.append(chunk.decode())
        finally:
            trail.append("clean-up")

    answer = await gone(app_doing(look, route={"stream": True}))
    assert answer.status == 499
    assert trail == ["--xx\r\n", "clean-up"]
