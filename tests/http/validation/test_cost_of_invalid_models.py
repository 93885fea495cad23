"""What pydantic refuses costs little more than pydantic itself takes: it makes objects of every error, kick of few."""

from collections.abc import Callable
from typing import Any

import msgspec
import pydantic
import pytest

from kick.exceptions import HTTPError, UnprocessableEntity
from kick.http.validation.conversion import converter, json_decoder
from kick.http.validation.errors import MOST_CHARACTERS, MOST_ERRORS
from tests.support.costs import assert_costs_at_most

SIZE = 60_000


class Union(pydantic.BaseModel):
    items: list[int | bool | float | dict[str, int] | None]


class Texts(pydantic.BaseModel):
    by_name: dict[str, int]


class Deep(pydantic.BaseModel):
    rows: list[list[int]]


class Long(pydantic.BaseModel):
    items: list[int] = pydantic.Field(min_length=1000)


WRONG = [""] * SIZE
BODIES: dict[str, tuple[Any, Any, str]] = {
    "union": (Union, {"items": WRONG}, "/body/items/0"),
    "object": (Texts, {"by_name": {f"k{each}": "" for each in range(SIZE)}}, "/body/by_name/k0"),
    "lists in a list": (Deep, {"rows": [["", ""]] * SIZE}, "/body/rows/0/0"),
    "valid at first": (Union, {"items": [1] * 500 + WRONG}, "/body/items/500"),
    "a minimum": (Long, {"items": WRONG}, "/body/items/0"),
}


def only_pydantic(hint: Any, body: bytes) -> Callable[[], object]:
    def run() -> None:
        with pytest.raises(pydantic.ValidationError):
            hint.model_validate_json(body)

    return run


@pytest.mark.long
@pytest.mark.parametrize("name", BODIES)
def test_many_errors_cost_little_more_than_pydantic_takes_to_find_them(name: str) -> None:
    """A union of five in 1 MiB took 4.7 seconds, of which pydantic's validation was 0.6."""
    hint, value, first = BODIES[name]
    decode, body = json_decoder(hint), msgspec.json.encode(value)
    errors: list[Any] = []

    def refused() -> None:
        with pytest.raises(UnprocessableEntity) as error:
            decode(body)
        errors[:] = error.value.extensions["errors"]

    assert_costs_at_most(2.5, refused, only_pydantic(hint, body))
    assert 0 < len(errors) <= MOST_ERRORS
    assert errors[0]["location"] == first
    assert "too_short" not in {each["code"] for each in errors}


def test_errors_far_behind_are_counted() -> None:
    body = msgspec.json.encode({"items": [1] * 12_000 + WRONG})
    with pytest.raises(UnprocessableEntity) as error:
        json_decoder(Union)(body)
    (told,) = error.value.extensions["errors"]
    assert (told["location"], told["message"]) == ("/body", f"{4 * SIZE} values in it are invalid")


class Free(pydantic.BaseModel):
    items: list[int]
    rest: Any = None


@pytest.mark.parametrize("depth", [100, 400, 480, 700])
def test_a_body_that_is_nested_deeply_beside_is_no_error_of_the_server(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    body = b'{"items":' + msgspec.json.encode(WRONG) + b',"rest":' + deep + b"}"
    with pytest.raises(HTTPError) as error:
        json_decoder(Free)(body)
    assert error.value.status in (400, 422)


class Groups(pydantic.BaseModel):
    groups: dict[str, list[int]]


def test_a_long_key_is_not_repeated_for_each_error_below_it() -> None:
    key = "k" * 2 * MOST_CHARACTERS
    with pytest.raises(UnprocessableEntity) as error:
        json_decoder(Groups)(msgspec.json.encode({"groups": {key: [""] * MOST_ERRORS}}))
    [told] = error.value.extensions["errors"]
    assert told["location"] == f"/body/groups/{key}/0"


class Branch(pydantic.BaseModel):
    branches: list["Branch"] = []
    named: dict[str, list[int]] = {}


WRONG_NUMBERS = ",".join(['""'] * 10_000)
QUOTED = "k" * 20 + r"\""
LONG_PATHS = {
    "a long key": f'{{"named":{{"{"k" * 20_000}":[{WRONG_NUMBERS}]}}}}',
    "a long key with quotes in it": f'{{"named":{{"{QUOTED * 1000}":[{WRONG_NUMBERS}]}}}}',
    "a long key twice": f'{{"named":{{"{"k" * 20_000}":[{WRONG_NUMBERS}],"{"k" * 20_000}":[]}}}}',
    "deep lists": '{"branches":[' * 40 + WRONG_NUMBERS + "]}" * 40,
}


@pytest.mark.parametrize("name", LONG_PATHS)
def test_a_value_whose_errors_would_have_long_paths_is_refused_before(name: str) -> None:
    """pydantic copies the path for each error: 60 KB took 400 MB, and 1 MiB with a long key would take 80 GB."""
    body = LONG_PATHS[name].encode()
    decode, small = json_decoder(Branch), json_decoder(dict[str, Any])

    def refused() -> None:
        with pytest.raises(UnprocessableEntity) as error:
            decode(body)
        assert [each["code"] for each in error.value.extensions["errors"]] == ["nesting"]

    assert_costs_at_most(200, refused, lambda: small(body))


@pytest.mark.parametrize("rest", ["1" * 5000, "[" * 900 + "]" * 900], ids=["digits", "deep"])
def test_what_other_parsers_of_json_refuse_is_no_error_of_the_server(rest: str) -> None:
    body = f'{{"items":[""],"{"k" * 60}":[{"1," * 10_000}1],"rest":{rest}}}'
    with pytest.raises(HTTPError) as error:
        json_decoder(Free)(body.encode())
    assert error.value.status in (400, 422)


def test_a_form_whose_field_is_such_json_is_refused_too() -> None:
    with pytest.raises(UnprocessableEntity) as error:
        converter(Branch, "body")({"named": {"k" * 20_000: [""] * 10_000}})
    assert [each["location"] for each in error.value.extensions["errors"]] == ["/body"]


@pytest.mark.parametrize(
    "value", [{"k" * 2000: [1] * 10}, {"k" * 40: [1] * 20_000}, {str(each): [each] for each in range(9000)}]
)
def test_a_valid_value_with_usual_paths_is_accepted(value: dict[str, list[int]]) -> None:
    nested: Any = {"named": value}
    for _ in range(12):
        nested = {"branches": [nested]}
    branch = json_decoder(Branch)(msgspec.json.encode(nested))
    for _ in range(12):
        [branch] = branch.branches
    assert branch.named == value
