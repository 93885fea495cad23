"""Responses that are made cheaply, and headers that stay what they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse

from kick.http.response.base import (
    JSON,
    ReadyResponse,
    Response,
    SafeHeaders,
    add_vary,
    empty_response,
    head_of,
    header_line,
    own_copy,
    protected,
    set_header,
)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_some_statuses_have_no_content(status: int) -> None:
    response = ReadyResponse(b"x", status, JSON)
    assert (response.body, response.raw_headers) == (b"", [])


def test_it_can_do_what_a_response_of_starlette_can() -> None:
    response = ReadyResponse(b"{}", 200, JSON)
    assert isinstance(response, Response)
    response.headers["x-one"] = "1"
    response.set_cookie("a", "b")
    response.delete_cookie("c")
    assert response.headers.getlist("set-cookie") == [
        "a=b; Path=/; SameSite=lax",
        response.headers.getlist("set-cookie")[1],
    ]
    assert response.media_type is None
    assert response.charset == "utf-8"


def test_headers_can_be_changed_in_every_way_but_a_broken_one() -> None:
    headers = SafeHeaders({"a": "1"})
    headers["b"] = "2"
    headers.append("b", "3")
    headers.setdefault("c", "4")
    headers.update({"d": "5"})
    headers |= {"e": "6"}
    headers.add_vary_header("Cookie")
    del headers["a"]
    assert headers.items() == [("b", "2"), ("b", "3"), ("c", "4"), ("d", "5"), ("e", "6"), ("vary", "Cookie")]
    for change in (
        lambda: headers.__setitem__("x", "a\nb"),
        lambda: headers.append("x", "a\nb"),
        lambda: headers.setdefault("x", "a\nb"),
        lambda: headers.update({"x": "a\nb"}),
        lambda: headers.__ior__({"x": "a\nb"}),
    ):
        with pytest.raises(ValueError, match="not a header"):
            change()


@settings(deadline=None)
@given(st.text(), st.text())
def test_a_header_is_one_line_or_refused(name: str, value: str) -> None:
    try:
        line = b"%b: %b" % header_line(name, value)
    except ValueError:
        return
    assert not set(line) & {*range(9), *range(10, 32), 127}


def test_a_header_is_set_in_place_of_those_of_its_name() -> None:
    response = ReadyResponse(b"{}", 200, JSON)
    response.raw_headers += [(b"x", b"1"), (b"x", b"2")]
    set_header(response, b"x", b"3")
    assert response.headers.getlist("x") == ["3"]


def test_vary_names_a_field_once() -> None:
    response = ReadyResponse(b"{}", 200, JSON)
    for field in (b"Cookie", b"cookie", b"Accept"):
        add_vary(response, field)
    assert response.headers["vary"] == "Cookie, Accept"
    everything = empty_response(200, (b"vary", b"*"))
    add_vary(everything, b"Cookie")
    assert everything.headers["vary"] == "*"


def test_a_copy_shares_no_headers() -> None:
    async def nothing() -> None: ...

    for response in (PlainTextResponse("x"), ReadyResponse(b"x", 200, JSON), StreamingResponse(iter([b"x"]))):
        response.headers["x-one"] = "1"
        copy = own_copy(response)
        copy.headers["x-two"] = "2"
        copy.raw_headers.append((b"set-cookie", b"a=b"))
        assert response.headers.get("x-two") is None
        assert response.headers.get("set-cookie") is None
        assert copy.headers["x-one"] == "1"
        assert copy.headers["x-two"] == "2"
        assert isinstance(copy, type(response))
        assert type(copy).__qualname__ == type(response).__qualname__


def test_a_response_with_a_broken_header_is_not_protected_but_refused() -> None:
    with pytest.raises(ValueError, match="not a header"):
        protected(PlainTextResponse("x", headers={"x": "a\rb"}))


def test_the_head_of_a_file_is_its_own_affair() -> None:
    file = FileResponse(__file__)
    assert head_of(file) is file
    assert head_of(PlainTextResponse("x")).body == b""
