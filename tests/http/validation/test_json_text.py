"""JSON texts that other programs write: with a byte order mark, or with half of a surrogate pair."""

from collections.abc import Callable
from typing import Any

import msgspec
import pydantic
import pytest

from kick.exceptions import BadRequest, UnprocessableEntity
from kick.http.request.body import parse_form
from kick.http.validation.conversion import json_decoder
from kick.http.validation.json_text import decode_json

MARK = b"\xef\xbb\xbf"
HALF = "one half of a surrogate pair"


class Note(msgspec.Struct):
    title: str


class Model(pydantic.BaseModel):
    title: str


DECODERS = [decode_json, json_decoder(dict[str, str]), json_decoder(Note), json_decoder(Model)]


@pytest.mark.parametrize("decode", DECODERS, ids=["any", "dict", "Struct", "pydantic"])
class TestByteOrderMark:
    def test_it_is_no_part_of_the_body(self, decode: Callable[[bytes], Any]) -> None:
        assert decode(MARK + b'{"title":"t"}') == decode(b'{"title":"t"}')

    @pytest.mark.parametrize(
        "body", [MARK, MARK + MARK[:2] + b"{}", MARK * 2 + b"{}", MARK * 10_000 + b"{}", b"{}" + MARK], ids=len
    )
    def test_anything_else_is_no_json(self, decode: Callable[[bytes], Any], body: bytes) -> None:
        with pytest.raises(BadRequest):
            decode(body)


def test_errors_behind_a_byte_order_mark_have_their_location() -> None:
    with pytest.raises(UnprocessableEntity) as error:
        json_decoder(Note)(MARK + b'{"title":1}')
    assert error.value.extensions["errors"][0]["location"] == "/body/title"


def test_a_byte_order_mark_is_no_part_of_the_first_name_of_a_form() -> None:
    assert parse_form(MARK + b"title=t&b=1")["title"] == "t"


@pytest.mark.parametrize("body", [rb'"\ud800"', rb'{"a":"\uDBFF"}', rb'"\\\ud800"', rb'"\ud800\n"', rb'["\ud800x"]'])
@pytest.mark.parametrize("as_text", [False, True])
def test_half_of_a_pair_is_not_a_truncated_body(body: bytes, *, as_text: bool) -> None:
    decode: Callable[[Any], Any] = json_decoder(Any)
    with pytest.raises(BadRequest, match=HALF):
        decode(body.decode() if as_text else body)


@pytest.mark.parametrize("body", [rb'"\ud800', rb'"\ud83d\ude', rb'"\ud83d\ude00', rb'"\\ud800', rb'"\ud8', b'"abc'])
def test_a_truncated_body_ends_too_early(body: bytes) -> None:
    with pytest.raises(BadRequest, match="it ends too early"):
        decode_json(body)
