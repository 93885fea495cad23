"""HTTP as RFC 9110 and RFC 9112 have it, over real connections: each server serves one application for all tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.conformance import LETTERS, LONG, application
from tests.support.servers import SERVERS
from tests.support.wire import Reply, Wire

UUID = "6f1b2f3e-0c1d-4b5a-8e9f-001122334455"
PROBLEM = "application/problem+json"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}

READABLE = {
    "/": b'"root"',
    "/json": '{"answer":"ä"}'.encode(),
    "/text": "ä".encode(),
    "/html": "<p>ä</p>".encode(),
    "/thread": b'"thread"',
    "/nothing": b"",
    "/created": b'"created"',
    "/teapot": b"short and stout",
    "/starlette": b"theirs",
    "/elsewhere": b"",
    "/download": LETTERS,
    "/cookies": b"{}",
    "/long": LONG.encode(),
    "/tagged": b"version 7",
    "/cached": b'"cached"',
    "/packed": LONG.encode(),
    "/packed/stream": LONG.encode(),
    "/shared": b'"shared"',
    "/streams/async": LETTERS,
    "/streams/plain": LETTERS,
    "/streams/empty": b"",
    "/streams/events": b'data: {"n":1}\n\ndata: two\ndata: lines\n\n',
    "/streams/long": LONG.encode(),
    "/files/letters": LETTERS,
    "/files/empty": b"",
    "/files/below/letters.bin": LETTERS,
    "/files/below/site/app.js": b"run()",
    "/files/below/%C3%BCber.txt": "ü".encode(),
    "/params/int/7": b"7",
    "/params/query?page=2&tags=a&tags=b": b'{"page":2,"tags":["a","b"]}',
    "/notes": b"[]",
    "/mounted/a/b": b'["GET", "/mounted", "/mounted/a/b"]',
    "/site": b"<h1>one page</h1>",
    "/site/app.js": b"run()",
    "/static/app.js": b"run()",
}
"""What there is to read, and what it says."""

ALLOWED = {
    "/": "GET, HEAD, OPTIONS",
    "/json": "GET, HEAD, OPTIONS",
    "/streams/async": "GET, HEAD, OPTIONS",
    "/files/letters": "GET, HEAD, OPTIONS",
    "/tagged": "GET, HEAD, OPTIONS, PUT",
    "/notes": "GET, HEAD, OPTIONS, POST",
    "/notes/7": "DELETE, OPTIONS, PATCH, PUT",
    "/notes/any": "OPTIONS, POST",
    "/params/int/7": "GET, HEAD, OPTIONS",
    "/static/app.js": "GET, HEAD, OPTIONS",
}


@pytest.fixture(scope="module", params=SERVERS.values(), ids=list(SERVERS))
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with request.param(application(tmp_path_factory.mktemp("files"))) as url:
        yield url


@pytest.fixture
def wire(url: str) -> Iterator[Wire]:
    with Wire(url) as wire:
        yield wire


def problem(reply: Reply) -> dict[str, Any]:
    """The members of the problem details that a response has."""
    assert reply.header("content-type") == PROBLEM
    members: dict[str, Any] = json.loads(reply.body)
    assert members["status"] == reply.status
    assert members["request_id"]
    return members


# Methods (RFC 9110, section 9)


@pytest.mark.parametrize("target", READABLE)
def test_get_is_answered(wire: Wire, target: str) -> None:
    reply = wire.ask(target)
    assert reply.body == READABLE[target]
    assert reply.status == {"/nothing": 204, "/created": 201, "/teapot": 418, "/elsewhere": 303}.get(target, 200)


@pytest.mark.parametrize("target", READABLE)
def test_head_says_what_get_says_and_the_connection_goes_on(wire: Wire, target: str) -> None:
    head, get = wire.ask(target, method="HEAD"), wire.ask(target)
    assert (head.status, head.body) == (get.status, b"")
    changing = {"date", "transfer-encoding", "connection"}
    kept = [header for header in get.headers if header[0] not in changing]
    if target.startswith("/mounted"):
        return  # what is mounted answers for itself
    assert [header for header in head.headers if header[0] not in changing] == kept


@pytest.mark.parametrize("target", ALLOWED)
def test_options_lists_the_methods(wire: Wire, target: str) -> None:
    reply = wire.ask(target, method="OPTIONS")
    assert (reply.status, reply.header("allow"), reply.body) == (204, ALLOWED[target], b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("target", ALLOWED)
def test_another_method_is_a_405_that_lists_them(wire: Wire, target: str, method: str) -> None:
    reply = wire.ask(target, method=method, body=b"{}" if method in ("POST", "PUT", "PATCH") else None)
    if method in ALLOWED[target].split(", "):
        assert reply.status != 405
        return
    assert (reply.status, reply.header("allow")) == (405, ALLOWED[target])
    assert reply.body == b"" or problem(reply)["detail"] == f"{method} is not possible at {target}."


def test_options_of_the_whole_server_is_answered(wire: Wire) -> None:
    assert wire.ask("*", method="OPTIONS").status == 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_is_a_404_for_every_method(wire: Wire, method: str) -> None:
    reply = wire.ask("/nowhere", method=method)
    assert reply.status == 404
    assert reply.body == b"" if method == "HEAD" else problem(reply)["detail"] == "There is nothing at /nowhere."
    assert wire.ask("/json").status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"])
def test_what_is_mounted_gets_every_method(wire: Wire, method: str) -> None:
    reply = wire.ask("/mounted/a", method=method)
    assert reply.status == 200
    assert method == "HEAD" or json.loads(reply.body) == [method, "/mounted", "/mounted/a"]


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_request_for_a_websocket_is_asked_to_upgrade(wire: Wire, method: str) -> None:
    reply = wire.ask("/sockets/echo", method=method)
    assert (reply.status, reply.header("upgrade")) == (426, "websocket")
    assert "upgrade" in {each.lower() for each in reply.listed("connection")}
    assert wire.ask("/json").status == 200


# What is found


@pytest.mark.parametrize(
    ("target", "answer"),
    {
        "/params/int/-3": -3,
        "/params/int/1.5": None,
        "/params/int/a": None,
        "/params/float/1.5": 1.5,
        "/params/float/nan": None,
        f"/params/uuid/{UUID}": UUID,
        "/params/uuid/no": None,
        "/params/enum/small": "SMALL",
        "/params/enum/SMALL": None,
        "/params/str/fixed": "the fixed one",
        "/params/str/fixe%64": "the fixed one",
        "/params/str/a%20b": "a b",
        "/params/str/a+b": "a+b",
        "/params/str/a%2Fb": "a/b",
        "/params/str/a%252Fb": "a%2Fb",
        "/params/str/%C3%A4": "ä",
        "/params/str/a/b": None,
        "/params/str/%3Fa": "?a",
        "/params/str/%23": "#",
        "/params/path/a/b//c": "a/b//c",
        "/params/path/a%2Fb": "a/b",
        "/%70arams/str/x": "x",
        "/PARAMS/str/x": None,
    }.items(),
)
def test_a_path_is_decoded_once_and_converted(wire: Wire, target: str, answer: object) -> None:
    reply = wire.ask(target)
    assert (reply.status, json.loads(reply.body)) == (200, answer) if answer is not None else reply.status == 404


@pytest.mark.parametrize("target", ["/params/str/%FF", "/params/str/%C3%28", "/params/str/%ED%A0%80"])
def test_a_path_that_is_no_utf_8_is_refused(wire: Wire, target: str) -> None:
    assert wire.ask(target).status in (400, 404)
    assert wire.ask("/json").status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/files/below/../conformance.py",
        "/files/below/%2e%2e/%2e%2e/etc/passwd",
        "/files/below/..%2F..%2Fetc%2Fpasswd",
        "/files/below//etc/passwd",
        "/files/below/%2Fetc%2Fpasswd",
        "/files/below/site%5Capp.js",
        "/files/below/letters.bin%00.txt",
        "/files/below/site",
        "/files/below/nothing.txt",
        "/static/../letters.bin",
        "/static/%2e%2e/letters.bin",
        "/static/..%2Fletters.bin",
        "/static//etc/passwd",
        "/static/nothing.js",
    ],
)
def test_no_name_leads_out_of_a_folder(wire: Wire, target: str) -> None:
    assert wire.ask(target).status == 404


@pytest.mark.parametrize(
    ("method", "target", "status", "location"),
    [
        ("GET", "/json/", 301, "/json"),
        ("HEAD", "/json/", 301, "/json"),
        ("GET", "/json/?a=b%20c&d", 301, "/json?a=b%20c&d"),
        ("POST", "/notes/", 308, "/notes"),
        ("GET", "/params/str/a%2Fb/", 301, "/params/str/a%2Fb"),
        ("GET", "/params/path/a/", 200, None),
        ("GET", "//evil.test/", 404, None),
        ("GET", "/json//", 404, None),
        ("GET", "/nowhere/", 404, None),
    ],
)
def test_a_slash_at_the_end_is_redirected(
    wire: Wire, method: str, target: str, status: int, location: str | None
) -> None:
    reply = wire.ask(target, method=method)
    assert (reply.status, reply.header("location")) == (status, location)


@pytest.mark.parametrize(("accept", "status"), [("text/html,*/*;q=0.8", 200), ("application/json", 404), ("*/*", 404)])
def test_a_page_of_a_single_page_application_is_for_browsers(wire: Wire, accept: str, status: int) -> None:
    reply = wire.ask("/site/users/7", headers={"accept": accept})
    assert reply.status == status
    assert (b"one page" in reply.body) is (status == 200)


# Ranges (RFC 9110, section 14)


@pytest.mark.parametrize("target", ["/files/letters", "/static/letters.bin"])
@pytest.mark.parametrize(
    ("field", "status", "body", "content_range"),
    [
        ("bytes=0-4", 206, LETTERS[:5], "bytes 0-4/26"),
        ("bytes=20-", 206, LETTERS[20:], "bytes 20-25/26"),
        ("bytes=-3", 206, LETTERS[-3:], "bytes 23-25/26"),
        ("bytes=-100", 206, LETTERS, "bytes 0-25/26"),
        ("bytes=25-1000", 206, b"z", "bytes 25-25/26"),
        ("bytes=0-0", 206, b"a", "bytes 0-0/26"),
        ("bytes=0-2,3-4", 206, LETTERS[:5], "bytes 0-4/26"),
        ("BYTES=0-1", 206, LETTERS[:2], "bytes 0-1/26"),
        ("bytes=26-", 416, b"", "bytes */26"),
        ("bytes=-0", 416, b"", "bytes */26"),
        ("bytes=5-4", 200, LETTERS, None),
        ("bytes=a-b", 200, LETTERS, None),
        ("bytes=", 200, LETTERS, None),
        ("letters=0-1", 200, LETTERS, None),
        ("bytes=" + "0-0," * 200, 200, LETTERS, None),
    ],
)
def test_a_part_of_a_file_is_sent(
    wire: Wire, target: str, field: str, status: int, body: bytes, content_range: str | None
) -> None:
    reply = wire.ask(target, headers={"range": field})
    assert (reply.status, reply.body, reply.header("content-range")) == (status, body, content_range)
    assert reply.header("content-length") == str(len(body))
    assert reply.header("accept-ranges") == "bytes"


def test_several_parts_of_a_file_are_sent_as_multipart(wire: Wire) -> None:
    reply = wire.ask("/files/letters", headers={"range": "bytes=0-1,10-11"})
    kind, _, boundary = (reply.header("content-type") or "").partition("; boundary=")
    assert (reply.status, kind) == (206, "multipart/byteranges")
    assert reply.body.count(f"--{boundary}".encode()) == 3
    assert b"Content-Range: bytes 10-11/26\r\n\r\nkl\r\n" in reply.body


def test_a_range_is_for_get_only(wire: Wire) -> None:
    head = wire.ask("/files/letters", method="HEAD", headers={"range": "bytes=0-1"})
    assert (head.status, head.header("content-length")) == (200, "26")


@pytest.mark.parametrize(("matches", "status"), [(True, 206), (False, 200)])
def test_a_range_may_depend_on_the_version(wire: Wire, matches: bool, status: int) -> None:
    etag = wire.ask("/files/letters").header("etag") or ""
    headers = {"range": "bytes=0-1", "if-range": etag if matches else '"another"'}
    assert wire.ask("/files/letters", headers=headers).status == status


def test_what_is_no_file_has_no_ranges(wire: Wire) -> None:
    for target in ("/json", "/streams/async", "/download"):
        reply = wire.ask(target, headers={"range": "bytes=0-1"})
        assert (reply.status, reply.body) == (200, READABLE[target])


# Conditions (RFC 9110, section 13)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["/files/letters", "/tagged", "/cached", "/static/app.js"])
def test_a_client_that_has_it_is_not_sent_it_again(wire: Wire, target: str, method: str) -> None:
    first = wire.ask(target, method=method)
    etag = first.header("etag")
    assert etag
    for condition in (etag, f'"other", {etag}', "*"):
        reply = wire.ask(target, method=method, headers={"if-none-match": condition})
        assert (reply.status, reply.body, reply.header("etag")) == (304, b"", etag)
        assert reply.header("content-type") is None
    assert wire.ask(target, method=method, headers={"if-none-match": '"other"'}).status == 200


@pytest.mark.parametrize("target", ["/files/letters", "/static/app.js"])
def test_a_file_is_compared_by_its_time_too(wire: Wire, target: str) -> None:
    modified = wire.ask(target).header("last-modified") or ""
    assert wire.ask(target, headers={"if-modified-since": modified}).status == 304
    assert wire.ask(target, headers={"if-unmodified-since": modified}).status == 200
    assert wire.ask(target, headers={"if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}).status == 200
    assert wire.ask(target, headers={"if-unmodified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}).status == 412
    assert wire.ask(target, headers={"if-modified-since": "yesterday"}).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-match": '"v7"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"v6"'}, 412),
        ({"if-match": 'W/"v7"'}, 412),
        ({"if-none-match": "*"}, 412),
        ({"if-none-match": '"v6"'}, 200),
    ],
)
def test_a_write_may_depend_on_the_version(wire: Wire, headers: dict[str, str], status: int) -> None:
    assert wire.ask("/tagged", method="PUT", headers=headers, body=b"").status == status


# Bodies


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (JSON, b'{"title": "a"}', 200),
        ({"content-type": "application/json; charset=utf-8"}, b'{"title": "a"}', 200),
        ({"content-type": "application/vnd.api+json"}, b'{"title": "a"}', 200),
        (FORM, b"title=a&stars=3", 200),
        (JSON, b"", 422),
        (JSON, b"{", 400),
        (JSON, b'{"title": "\xff"}', 400),
        (JSON, b"[" * 10_000, 400),
        (JSON, b"null", 422),
        (JSON, b'{"title": 1}', 422),
        (JSON, b'{"title": "a", "stars": 6}', 422),
        (FORM, b"stars=3", 422),
        ({"content-type": "text/plain"}, b"a", 415),
        ({"content-type": "application/xml"}, b"<a/>", 415),
    ],
)
def test_a_body_is_read_by_its_type(wire: Wire, headers: dict[str, str], body: bytes, status: int) -> None:
    reply = wire.ask("/notes", method="POST", headers=headers, body=body)
    assert reply.status == status
    assert status == 200 or problem(reply)
    assert wire.ask("/json").status == 200


def test_all_errors_of_a_body_are_told_with_their_places(wire: Wire) -> None:
    reply = wire.ask("/notes", method="POST", headers=JSON, body=b'{"title": 1, "stars": 9}')
    assert {error["location"] for error in problem(reply)["errors"]} == {"/body/title", "/body/stars"}


@pytest.mark.parametrize("body", [b"[1]", b"[1,1,1,1,1,1,1,1]", b"[" + b"1," * 20_000 + b"1]"])
def test_a_body_that_is_too_long_is_a_413(wire: Wire, body: bytes) -> None:
    reply = wire.ask("/notes/small", method="POST", headers=JSON, body=body)
    assert reply.status == (200 if len(body) <= 16 else 413)


def test_a_body_in_chunks_is_read_and_measured(wire: Wire) -> None:
    head = "POST /notes/{} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire.say(head.format("any").encode() + b"2\r\n[1\r\n3;name=x\r\n,2]\r\n0\r\n\r\n")
    assert json.loads(wire.reply("POST").body) == [1, 2]
    wire.say(head.format("small").encode() + b"14\r\n[1,2,3,4,5,6,7,8,9,0\r\n1\r\n]\r\n0\r\n\r\n")
    assert wire.reply("POST").status == 413


def test_a_stream_is_echoed_while_it_comes(wire: Wire) -> None:
    reply = wire.ask("/streams/echo", method="POST", body=b"x" * 90_000)
    assert reply.body == b"x" * 90_000


def test_a_file_is_uploaded(wire: Wire) -> None:
    body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    reply = wire.ask("/notes/file", method="POST", headers=headers, body=body)
    assert json.loads(reply.body) == {"name": "a.txt", "size": 3}


def test_a_client_that_asks_first_is_told_to_go_on(wire: Wire) -> None:
    wire.say(
        b"POST /notes/any HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 3\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    wire.say(b"[1]")
    assert json.loads(wire.reply("POST").body) == [1]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/params/query", 200),
        ("/params/query?page=2", 200),
        ("/params/query?page=x", 422),
        ("/params/query?page=", 200),
        ("/params/query?other=1", 200),
        ("/params/query?%70age=2", 200),
        ("/params/query?tags=a%20b&tags=%C3%A4", 200),
        ("/params/query?&&=&a", 200),
    ],
)
def test_a_query_is_validated(wire: Wire, target: str, status: int) -> None:
    assert wire.ask(target).status == status


# Headers


@pytest.mark.parametrize(
    "target", ["/json", "/nowhere", "/fails", "/files/letters", "/streams/async", "/mounted", "/site"]
)
def test_vary_tells_what_a_response_depends_on(wire: Wire, target: str) -> None:
    for origin in ({}, {"origin": "https://app.test"}, {"origin": "https://evil.test"}):
        reply = wire.ask(target, headers=origin)
        assert "Origin" in reply.listed("vary")
        allowed = reply.header("access-control-allow-origin")
        assert allowed == ("https://app.test" if origin.get("origin") == "https://app.test" else None)


@pytest.mark.parametrize("target", ["/packed", "/packed/stream"])
@pytest.mark.parametrize("coding", ["gzip", "identity", "gzip;q=0", ""])
def test_a_response_that_may_be_compressed_says_what_it_depends_on(wire: Wire, target: str, coding: str) -> None:
    reply = wire.ask(target, headers={"accept-encoding": coding})
    assert "Accept-Encoding" in reply.listed("vary")
    assert reply.header("content-encoding") == ("gzip" if coding == "gzip" else None)
    assert coding == "gzip" or reply.body == LONG.encode()


def test_a_session_is_not_for_caches(wire: Wire) -> None:
    first = wire.ask("/visits")
    assert first.body == b"1"
    assert "Cookie" in first.listed("vary")
    assert "no-store" in (first.header("cache-control") or "")
    cookie = first.all("set-cookie")[0].partition(";")[0]
    assert wire.ask("/visits", headers={"cookie": cookie}).body == b"2"


def test_each_cookie_has_a_header_of_its_own(wire: Wire) -> None:
    reply = wire.ask("/cookies", headers={"cookie": 'a=1; b="2"; ; c'})
    assert [each.partition(";")[0] for each in reply.all("set-cookie")] == ["first=1", "second=2"]
    assert json.loads(reply.body)["a"] == "1"


def test_headers_and_cookies_fill_parameters(wire: Wire) -> None:
    reply = wire.ask("/params/headers", headers={"User-AGENT": "a \xe4", "Cookie": "theme=dark"})
    assert json.loads(reply.body)[1] == "dark"
    assert wire.ask("/params/headers").status == 422


def test_a_download_has_a_name_in_any_script(wire: Wire) -> None:
    disposition = wire.ask("/download").header("content-disposition") or ""
    assert disposition.startswith('attachment; filename="Ubersicht')
    assert "filename*=UTF-8''%C3%9Cbersicht" in disposition
    assert "\u202e" not in disposition


def test_a_redirect_is_ascii(wire: Wire) -> None:
    assert wire.ask("/elsewhere").header("location") == "/json?a=%C3%A4%20b"


@pytest.mark.parametrize("target", ["/nothing", "/elsewhere", "/streams/empty", "/files/empty"])
def test_an_empty_response_leaves_the_connection_usable(wire: Wire, target: str) -> None:
    reply = wire.ask(target)
    assert reply.body == b""
    assert (reply.header("content-length") is None) is (reply.status == 204 or target == "/streams/empty")
    assert wire.ask("/json").body == READABLE["/json"]


def test_an_error_is_opaque(wire: Wire) -> None:
    reply = wire.ask("/fails")
    assert problem(reply)["detail"] == "The server had an unexpected error, which was logged."
    assert b"secret" not in reply.body


# Messages (RFC 9112)


def test_requests_in_a_row_are_answered_in_their_order(wire: Wire) -> None:
    targets = ["/json", "/streams/async", "/files/letters", "/nothing", "/thread", "/nowhere", "/text"]
    wire.say(b"".join(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for target in targets))
    replies = [wire.reply() for _ in targets]
    assert [reply.body for reply in replies[:5]] == [READABLE[target] for target in targets[:5]]
    assert [reply.status for reply in replies] == [200, 200, 200, 204, 200, 404, 200]


@pytest.mark.parametrize("target", ["/json", "/files/letters"])
def test_an_old_client_gets_a_body_that_ends_with_the_connection(wire: Wire, target: str) -> None:
    wire.say(f"GET {target} HTTP/1.0\r\nHost: a\r\n\r\n".encode())
    head, _, body = wire.rest().partition(b"\r\n\r\n")
    assert b" 200 " in head.partition(b"\r\n")[0]
    assert b"transfer-encoding" not in head.lower()
    assert body == READABLE[target]


def test_a_client_that_closes_is_answered_first(wire: Wire) -> None:
    reply = wire.ask("/json", headers={"connection": "close"})
    assert reply.body == READABLE["/json"]
    assert wire.rest() == b""


def test_what_breaks_after_its_head_ends_the_connection(wire: Wire) -> None:
    wire.say(b"GET /streams/breaks HTTP/1.1\r\nHost: a\r\n\r\n")
    received = wire.rest()
    assert b"begun" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert b"secret" not in received


@pytest.mark.parametrize(
    "message",
    [
        b"nonsense\r\n\r\n",
        b"GET /json HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET /json HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\n",
        b"GET /json HTTP/1.1\r\nHost: a\r\nx: a\x00b\r\n\r\n",
        b"POST /notes/any HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /notes/any HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /notes/any HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n[]",
        b"POST /notes/any HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_stops_nobody_else(url: str, wire: Wire, message: bytes) -> None:
    wire.say(message)
    assert wire.rest()[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 505")
    with Wire(url) as other:
        assert other.ask("/json").status == 200


def test_two_lengths_of_one_body_are_never_both_believed(url: str, wire: Wire) -> None:
    wire.say(
        b"POST /notes/any HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n0\r\n\r\nGET /teapot HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert b"short and stout" not in wire.rest()
    with Wire(url) as other:
        assert other.ask("/json").status == 200
