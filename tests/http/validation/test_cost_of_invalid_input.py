"""An invalid value costs at most five times the processor time of a valid one of the same size."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
import pytest
from msgspec import Meta
from starlette.datastructures import QueryParams

from kick.exceptions import HTTPError
from kick.http.validation.conversion import converter, json_decoder
from kick.http.validation.errors import MOST_CHARACTERS, MOST_ERRORS
from kick.http.validation.fields import collector
from tests.support.costs import assert_costs_at_most

MOST_TIMES = 5
MOST_WITH_INTEGER_KEYS = 3.5
MOST_WITH_LARGE_INTEGERS = 8
"""Each part is checked by two functions in Python, where msgspec does the rest."""


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    tricks: list[str]


class Row(msgspec.Struct):
    number: int
    name: str = ""
    tags: list[str] = []


class Node(msgspec.Struct):
    items: list[int] = []
    child: "Node | None" = None
    named: "dict[str, Node]" = {}


class Search(msgspec.Struct):
    number: list[int]


class Shirt(msgspec.Struct):
    size: Literal["s", "m"]
    color: Literal["red", "blue"]


def list_of(valid: str, invalid: str, size: int, where: str) -> tuple[str, str]:
    items = [valid] * size
    wrong = {"last": [size - 1], "first": [0], "spread": range(0, size, size // 50), "all": range(size)}[where]
    broken = items.copy()
    for index in wrong:
        broken[index] = invalid
    return f"[{','.join(items)}]", f"[{','.join(broken)}]"


def dict_of(valid: str, invalid: str, size: int, where: str) -> tuple[str, str]:
    good, bad = (texts[1:-1].split(",") for texts in list_of(valid, invalid, size, where))
    both = ("{" + ",".join(f'"{index}":{each}' for index, each in enumerate(texts)) + "}" for texts in (good, bad))
    return next(both), next(both)


def wrong_key(size: int, value: str = "1") -> tuple[str, str]:
    valid, invalid = dict_of("1", value, size, "first")
    return valid, invalid[:-1] + ',"x":1}'


def nested(start: str, end: str, depth: int, size: int) -> tuple[str, str]:
    good, bad = list_of("1", '"x"', size, "last")
    return (start * depth + f'{{"items":{good}}}' + end * depth, start * depth + f'{{"items":{bad}}}' + end * depth)


LISTS: dict[str, tuple[Any, str, str]] = {
    "optional numbers": (list[int | None], "1", '""'),
    "constrained": (list[Annotated[int, Meta(ge=0)]], "1", "-1"),
    "union of five": (list[int | str | bool | dict[str, int] | None], "1000", "1.25"),
    "tagged union": (list[Cat | Dog], '{"type":"dog","tricks":["t"]}', '{"type":"dog","tricks":[1]}'),
    "structs": (list[Row], '{"number":1,"name":"n","tags":["t"]}', '{"number":"x","name":"n","tags":["t"]}'),
    "missing": (list[Row], '{"number":1,"name":"n"}', '{"name":"n"}'),
    "set": (set[int], "1", '""'),
    "tuples": (list[tuple[int, int]], "[1,2]", '[1,"x"]'),
    "lists": (list[list[int]], "[1]", '["x"]'),
}
BODIES: dict[str, Callable[[], tuple[Any, tuple[str, str]]]] = {
    f"{name}, {where}": lambda name=name, where=where: (  # type: ignore[misc]
        LISTS[name][0],
        list_of(*LISTS[name][1:], 20_000 if len(LISTS[name][1]) > 5 else 200_000, where),
    )
    for name in LISTS
    for where in ("last", "first", "spread", "all")
}
BODIES |= {
    f"integers beyond 64 bits in {hint}, {name}": lambda name=name, hint=hint, one=one: (  # type: ignore[misc]
        hint,
        list_of(one % (2**63 - 1), one % 2**63, 20_000, name),
    )
    for hint, one in ((list[int], "%d"), (list[Row], '{"number":%d,"name":"n"}'), (list[list[int]], "[%d]"))
    for name in ("last", "first", "spread", "all")
}
BODIES |= {
    f"NaN in {hint}, {name}": lambda name=name, hint=hint: (hint, list_of('"1.5"', '"NaN"', 20_000, name))  # type: ignore[misc]
    for hint in (list[Decimal], set[Decimal])
    for name in ("last", "first", "spread", "all")
}
BODIES |= {
    "deep Structs, an integer beyond 64 bits": lambda: (
        Node,
        tuple('{"items":[1],"child":' * 98 + f'{{"items":[{each}]}}' + "}" * 98 for each in (2**63 - 1, 2**63)),  # type: ignore[return-value]
    ),
    "dictionary, last": lambda: (dict[str, int], dict_of("1", '"x"', 200_000, "last")),
    "dictionary, spread": lambda: (dict[str, int | None], dict_of("1", '"x"', 200_000, "spread")),
    "dictionary with keys, spread": lambda: (dict[int, int], dict_of("1", '"x"', 200_000, "spread")),
    "dictionary with a wrong key": lambda: (dict[int, int], wrong_key(200_000)),
    "dictionary with a wrong value and a wrong key": lambda: (dict[int, int], wrong_key(200_000, '"x"')),
    "dictionary with keys, last": lambda: (dict[int, int], dict_of("1", '"x"', 200_000, "last")),
    "deep Structs": lambda: (Node, nested('{"items":[1],"child":', "}", 48, 300_000)),
    "deep dictionaries": lambda: (Node, nested('{"named":{"a":', "}}", 48, 300_000)),
    "deep dictionaries of two": lambda: (Node, nested('{"named":{"a":{},"b":', "}}", 48, 300_000)),
}


def refused(call: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        with pytest.raises(HTTPError) as error:
            call()
        assert 0 < len(error.value.extensions["errors"]) <= MOST_ERRORS

    return run


@pytest.mark.parametrize("name", BODIES)
def test_an_invalid_body_costs_little_more_than_a_valid_one(name: str) -> None:
    hint, (valid, invalid) = BODIES[name]()
    decode = json_decoder(hint)
    good, bad = valid.encode(), invalid.encode()
    most = MOST_WITH_INTEGER_KEYS if hint == dict[int, int] else MOST_TIMES
    most = MOST_WITH_LARGE_INTEGERS if "64 bits" in name else most
    assert_costs_at_most(most, refused(lambda: decode(bad)), lambda: decode(good))


@pytest.mark.parametrize("part", ["query", "body"])
@pytest.mark.parametrize("hint", [Search, dict[str, list[int]]], ids=["Struct", "dictionary"])
def test_an_invalid_query_or_form_costs_little_more_than_a_valid_one(part: str, hint: Any) -> None:
    convert, collect = converter(hint, part), collector(hint)
    texts = [urlencode([("number", 1)] * 20_000 + [("number", end)]) for end in ("1", "x")]

    def read(text: str) -> Any:
        return convert(collect(QueryParams(text)))

    assert_costs_at_most(MOST_TIMES, refused(lambda: read(texts[1])), lambda: read(texts[0]))


@pytest.mark.parametrize("part", ["json", "form", "header"])
def test_a_text_that_looks_like_the_end_of_a_message_costs_little_more_than_another(part: str) -> None:
    """A message of msgspec quotes it. 128 KiB of this took 6.6 seconds, and 1 MiB seven minutes."""

    def read(text: str) -> object:
        if part == "json":
            return json_decoder(Shirt)(msgspec.json.encode({"size": "", "color": text}))
        if part == "form":
            return converter(Shirt, "body")({"size": "", "color": text})
        return converter(Literal["red", "blue"], "header/color")(text)

    forged = " - at `$" * 8000
    assert_costs_at_most(MOST_TIMES, refused(lambda: read(forged)), refused(lambda: read("x" * len(forged))))


@pytest.mark.parametrize("item", [str(2**63), '"x"'])
def test_a_long_key_is_not_repeated_for_each_error_below_it(item: str) -> None:
    """A body of 0.9 MiB got a response of 90 MB."""
    key = "k" * 2 * MOST_CHARACTERS
    with pytest.raises(HTTPError) as error:
        json_decoder(dict[str, list[int]])(f'{{"{key}":[{",".join([item] * MOST_ERRORS)}]}}'.encode())
    [told] = error.value.extensions["errors"]
    assert told["location"] == f"/body/{key}/0"


def test_long_keys_that_do_not_fit_are_not_repeated_for_each_of_them() -> None:
    key, large = "k" * 2 * MOST_CHARACTERS, ",".join(f'"{2**63 + each}":1' for each in range(MOST_ERRORS))
    with pytest.raises(HTTPError) as error:
        json_decoder(dict[str, dict[int, int]])(f'{{"{key}":{{{large}}}}}'.encode())
    assert len(error.value.extensions["errors"]) == 1
