"""Forms of `application/x-www-form-urlencoded`."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from kick.exceptions import BadRequest
from kick.http.request.body import parse_form
from kick.http.validation.fields import MOST_FIELDS, query_of
from tests.support.costs import assert_costs_at_most

MIB = 1 << 20


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"&",
        b"a",
        b"=",
        b"a=",
        b"=a",
        b"a=b=c",
        b"&&a=1&&b=2&",
        b"a=1;b=2",
        b"a=1&a=2",
        b"a+b=c+%2B+d",
        b"%61=%62%63",
        b"a=%26%3D%25",
        b"a=%2526",
        b"a=%&b=%4&c=%4g&d=%%41&e=%zz%42",
        b"a=%0d%0a%00",
        b"a=%C3%A9%c3%a9%Ff"[:-3],
        "é=ü&a=é%C3%A9".encode(),
        b"a=%F0%9F%90%8D",
    ],
)
def test_a_form_is_read_as_the_standard_library_reads_it(body: bytes) -> None:
    assert parse_form(body).multi_items() == parse_qsl(body.decode(), keep_blank_values=True)


@pytest.mark.parametrize("body", [b"\xff", b"a=\xc3", b"%ff=1", b"a=%C3", b"a=%C3&b=%A9", b"a=1&b=%ED%A0%80"])
def test_a_form_that_is_not_utf_8_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="UTF-8"):
        parse_form(body)


def test_a_form_has_a_thousand_fields_at_most() -> None:
    assert len(parse_form(b"&".join([b"a=1"] * MOST_FIELDS)).multi_items()) == MOST_FIELDS
    for body in (b"&".join([b"a=1"] * (MOST_FIELDS + 1)), b"&" * MIB):
        with pytest.raises(BadRequest, match="more than 1000 fields"):
            parse_form(body)


def test_a_query_string_has_a_thousand_fields_at_most() -> None:
    """One of 62 KB with 31,000 fields took 77 ms, more than a thousand times a usual one."""
    assert len(query_of({"query_string": b"&".join([b"a=1"] * MOST_FIELDS)}).multi_items()) == MOST_FIELDS
    for text in (b"&".join([b"a"] * (MOST_FIELDS + 1)), b"&" * 62_000):
        with pytest.raises(BadRequest, match="more than 1000 fields") as refused:
            query_of({"query_string": text})
        assert refused.value.problem()["errors"] == [
            {"location": "/query", "message": "Too many fields", "code": "length"}
        ]


@pytest.mark.parametrize("text", [b"", b"&&a=1&b", b"a=%26+%2B&a=%zz", "é=ü&é=%C3%BC".encode(), b"\xef\xbb\xbfa=1"])
def test_a_query_string_is_read_as_the_standard_library_reads_it(text: bytes) -> None:
    assert query_of({"query_string": text}).multi_items() == parse_qsl(text.decode(), keep_blank_values=True)


@pytest.mark.parametrize("unit", [b"%", b"%4", b"%4g", b"%c3%a9%", b"+", b"%%41"])
def test_a_form_of_any_bytes_costs_no_more_than_one_that_is_encoded(unit: bytes) -> None:
    """A mebibyte of percent signs took a second, five times a valid form."""
    size = MIB // 16
    evil, usual = b"a=" + unit * (size // len(unit)), b"a=" + b"%41" * (size // 3)
    assert_costs_at_most(2, lambda: parse_form(evil), lambda: parse_form(usual))
    assert_costs_at_most(2, lambda: query_of({"query_string": evil}), lambda: query_of({"query_string": usual}))
