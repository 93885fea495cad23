import json
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from kick.exceptions import HTTPError
from kick.http.validation.conversion import json_decoder
from kick.http.validation.errors import MOST_KEYS


class Item(msgspec.Struct):
    price: Annotated[int, Meta(ge=0)]


def errors(hint: Any, body: bytes) -> dict[str, str]:
    with pytest.raises(HTTPError) as raised:
        json_decoder(hint)(body)
    return {error["location"]: error["code"] for error in raised.value.extensions["errors"]}


def many(**others: object) -> bytes:
    return json.dumps({**dict.fromkeys(range(MOST_KEYS + 1), 1), **others}).encode()


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (dict[int, int], {"1": 1, "2": "x", "-3": None}, {"/body/2": "type", "/body/-3": "type"}),
        (dict[int, int], {"1": "x", "y": 1}, {"/body/1": "type", "/body/y": "type"}),
        (dict[int, int], {"y": 1, "1": "x"}, {"/body/1": "type", "/body/y": "type"}),
        (dict[Annotated[int, Meta(ge=5)], int], {"5": "x", "4": 1}, {"/body/5": "type", "/body/4": "range"}),
        (Annotated[dict[int, int], Meta(max_length=2)], {"1": 1, "2": 2, "3": 3}, {"/body": "length"}),
        (dict[int, Item], {"7": {"price": -1}, "8": {}}, {"/body/7/price": "range", "/body/8/price": "missing"}),
        (dict[int, dict[int, int]], {"1": {"2": "x"}, "3": {"y": 1}}, {"/body/1/2": "type", "/body/3/y": "type"}),
        (dict[int, int], [1], {"/body": "type"}),
        (dict[int, int], {str(2**70): "x"}, {f"/body/{2**70}": "type", "/body": "range"}),
    ],
    ids=str,
)
def test_each_error_is_found_with_its_location(hint: Any, value: object, expected: dict[str, str]) -> None:
    assert errors(hint, json.dumps(value).encode()) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (many(end="x"), {"/body": "type"}),
        (many()[:-1] + b',"1":"x","end":1}', {"/body": "type"}),
        (many(**{"7": "x"}), {"/body/7": "type"}),
        (many(**{"7": "x"}).replace(b'"8"', b'"\\u0038"'), {"/body/7": "type"}),
    ],
    ids=["wrong key", "wrong value before a wrong key", "wrong value", "wrong value and an escape"],
)
def test_a_wrong_key_among_many_is_the_only_error(body: bytes, expected: dict[str, str]) -> None:
    assert errors(dict[int, int], body) == expected


@pytest.mark.parametrize("error", [b'{"1":"x",', b'{"x":1,', many(end="x")[:-1] + b",", many(**{"0": "x"})[:-1] + b","])
@pytest.mark.parametrize(("end", "code"), [(b'"2":', "json"), (b'"2":"\xff"}', "encoding"), (b'"2":1}]', "json")])
def test_what_is_not_json_behind_the_first_error_is_named_first(error: bytes, end: bytes, code: str) -> None:
    with pytest.raises(HTTPError) as raised:
        json_decoder(dict[int, int])(error + end)
    assert raised.value.status == 400
    assert [each["code"] for each in raised.value.extensions["errors"]] == [code]


def test_half_of_a_surrogate_pair_behind_many_members_is_no_json() -> None:
    with pytest.raises(HTTPError) as raised:
        json_decoder(dict[int, int])(many(end="x")[:-1] + rb',"\ud800":1}')
    assert raised.value.status == 400
