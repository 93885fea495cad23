"""Keys that all have one hash: a set or dictionary of them takes quadratic time, so they are refused before."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from ipaddress import IPv6Address
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID, uuid4

import attrs
import msgspec
import pydantic
import pytest
import typing_extensions
from starlette.datastructures import FormData, QueryParams

from kick.exceptions import BadRequest, HTTPError, UnprocessableEntity
from kick.http import BigInt
from kick.http.validation.conversion import converter, json_decoder
from kick.http.validation.fields import collector
from kick.http.validation.hash_collisions import FEW
from kick.http.websocket.messages import InvalidMessage, frames_of
from tests.support.costs import assert_costs_at_most

MODULUS = (1 << 61) - 1
"""Of the hash of numbers (Python, "Hashing of numeric types")."""
SIZE = 6000
MOST_TIMES = 5
ARABIC = {ord(str(digit)): chr(0x660 + digit) for digit in range(10)}


class Basket(msgspec.Struct):
    lines: dict[UUID, int]


class Point(msgspec.Struct, frozen=True):
    x: int


@dataclass(frozen=True)
class Spot:
    x: int


class Pair(NamedTuple):
    x: int
    y: int


class Named(msgspec.Struct):
    names: list[list[int]] = []
    ids: set[tuple[int, int]] = set()


class Order(pydantic.BaseModel):
    lines: dict[UUID, int] = {}
    numbers: set[int] = set()
    counts: dict[int, int] = {}


class Hosts(pydantic.BaseModel):
    addresses: set[IPv6Address] = set()
    names: dict[IPv6Address, str] = {}
    prices: set[Decimal] = set()
    ids: frozenset[UUID] = frozenset()
    points: set[tuple[int, str]] = set()


class Tag(pydantic.BaseModel, frozen=True):
    id: int


class Texts(pydantic.BaseModel):
    numbers: pydantic.Json[set[int]]
    tags: set[Tag] = set()


class Extra(pydantic.BaseModel, extra="allow"):
    __pydantic_extra__: dict[str, set[int]]  # pyright: ignore[reportIncompatibleVariableOverride]


@attrs.frozen
class Label:
    id: int


class Late(typing_extensions.TypedDict):
    numbers: set[int]


def uuids(size: int = SIZE) -> list[str]:
    return [str(UUID(int=each * MODULUS)) for each in range(1, size + 1)]


def numbers(size: int = SIZE) -> list[int]:
    return [each * MODULUS for each in range(1, size + 1)]


def texts(size: int = SIZE) -> list[str]:
    return list(map(str, numbers(size)))


def ones(keys: list[Any]) -> dict[Any, int]:
    return dict.fromkeys(keys, 1)


def walkers() -> list[str]:
    """Integers with different hashes that lead from one taken place of a dictionary to the next.

    Each place of a table leads to another one in the end, and all places are on one way (CPython, `dictobject.c`). The
    first integers take the beginning of it; each of the others meets them, and then goes along the way to its end.
    """
    size, first, limit = 1 << 14, 7000, 1 << 17
    way = [0]
    while len(way) < size:
        way.append((way[-1] * 5 + 1) % size)
    taken, found = set(way[:first]), way[:first]
    early = set(way[: first // 8])
    for key in range(size, limit):
        place, rest = key % size, key
        while place in taken and (rest := rest >> 5):
            place = (place * 5 + rest + 1) % size
        if not rest and place in early and len(found) < 10_500:
            found.append(key)
            taken.add(way[len(found) - 1])
    assert len(found) > 7500
    return list(map(str, found))


BODIES: dict[str, tuple[Any, Callable[[], Any]]] = {
    "set of UUIDs": (set[UUID], uuids),
    "UUIDs without dashes": (set[UUID], lambda: [each.replace("-", "").upper() for each in uuids()]),
    "frozen set": (frozenset[Annotated[UUID, "product"]] | None, uuids),
    "UUIDs as keys": (dict[UUID, int], lambda: ones(uuids())),
    "integers as keys": (dict[int, int], lambda: ones(texts())),
    "integers": (set[int], numbers),
    "negative integers": (set[int], lambda: [-each for each in numbers()]),
    "anything": (set[Any], numbers),
    "bare set": (set, numbers),
    "union": (set[int | str | None], lambda: [None, "x", *numbers()]),
    "decimals": (set[Decimal], texts),
    "decimals as numbers": (set[Decimal], numbers),
    "decimals as keys": (dict[Decimal, int], lambda: ones(texts())),
    "tuples": (set[tuple[int, int]], lambda: [[each, 7] for each in numbers()]),
    "named tuples": (set[Pair], lambda: [[each, 7] for each in numbers()]),
    "Structs": (set[Point], lambda: [{"x": each} for each in numbers()]),
    "dataclasses": (set[Spot], lambda: [{"x": each} for each in numbers()]),
    "a field": (Basket, lambda: {"lines": ones(uuids())}),
    "deep": (list[dict[str, Basket]], lambda: [{"a": {"lines": {}}}, {"b": {"lines": ones(uuids())}}]),
    "many small sets": (list[set[UUID]], lambda: [uuids(FEW)] * 20),
    "other keys in each set": (list[set[UUID]], lambda: [uuids()[start::15] for start in range(15)]),
    "small dictionaries": (dict[str, dict[UUID, int]], lambda: {str(each): ones(uuids(FEW)) for each in range(20)}),
    "small sets of Structs": (list[set[Point]], lambda: [[{"x": each} for each in numbers(FEW)]] * 20),
    "two classes": (set[Point | str | tuple[int, int]], lambda: ["x", *([each, 7] for each in numbers()), {"x": 1}]),
    "tuples after one that is no key": (Named, lambda: {"names": [[], []] * 20, "ids": [[x, 7] for x in numbers()]}),
    "a model": (Order, lambda: {"lines": ones(uuids())}),
    "a set in a model": (Order, lambda: {"numbers": numbers()}),
    "integers that go a long way": (dict[int, int], lambda: ones(walkers())),
    "the same as decimals": (dict[Decimal, int], lambda: ones(walkers())),
    "the same in a model": (Order, lambda: {"counts": ones(walkers())}),
    "the same within others": (list[dict[str, dict[int, str]]], lambda: [{}, {"a": dict.fromkeys(walkers(), "x")}]),
    "models": (Texts, lambda: {"numbers": "[]", "tags": [{"id": each} for each in numbers()]}),
    "attrs classes": (set[Label], lambda: [{"id": each} for each in numbers()]),
    "JSON in a text": (Texts, lambda: {"numbers": f" {numbers()}"}),
    "other fields of a model": (Extra, lambda: {"any": numbers()}),
    "the TypedDict of typing_extensions": (Late, lambda: {"numbers": numbers()}),
    "UUIDs as names, in a model": (Hosts, lambda: {"ids": [f"urn:uuid:{each}" for each in uuids()]}),
    "UUIDs in braces, in a model": (Hosts, lambda: {"ids": [f"{{{each}}}" for each in uuids()]}),
    "integers with a point, in a model": (Order, lambda: {"numbers": [f"{each}.0" for each in texts()]}),
    "integers with spaces, in a model": (Order, lambda: {"numbers": [f"\xa0{each}\t" for each in texts()]}),
    "keys with a point, in a model": (Order, lambda: {"counts": ones([f"{each}.0" for each in texts()])}),
    "decimals with spaces, in a model": (Hosts, lambda: {"prices": [f"\u2003{each}" for each in texts()]}),
    "tuples with a point, in a model": (Hosts, lambda: {"points": [[f"{each}.0", "x"] for each in texts()]}),
    "addresses, in a model": (Hosts, lambda: {"addresses": [str(IPv6Address(each)) for each in numbers()]}),
    "addresses as keys, in a model": (Hosts, lambda: {"names": ones([str(IPv6Address(each)) for each in numbers()])}),
    "decimals with spaces": (set[Decimal], lambda: [f"\xa0{each}" for each in texts()]),
    "decimals of another alphabet": (set[Decimal], lambda: [each.translate(ARABIC) for each in texts()]),
    "a wrong one first, in a model": (Order, lambda: {"lines": ones(["x", *uuids()])}),
}


@pytest.mark.parametrize("name", BODIES)
def test_they_are_refused(name: str) -> None:
    hint, make = BODIES[name]
    with pytest.raises(UnprocessableEntity) as error:
        json_decoder(hint)(msgspec.json.encode(make()))
    assert [each["code"] for each in error.value.extensions["errors"]] == ["collisions"]


@pytest.mark.parametrize(
    "spoil",
    [lambda body: body, lambda body: body[:-1], lambda body: body[:-1] + b',"x"]', lambda body: b"\xef\xbb\xbf" + body],
    ids=["valid", "cut off", "wrong at the end", "byte order mark"],
)
def test_they_cost_little_more_than_others(spoil: Callable[[bytes], bytes]) -> None:
    """Without the check, 6,000 of them cost 400 times as much as others, and 25,000, which is 1 MiB, 25 seconds."""
    decode = json_decoder(set[UUID])
    good = msgspec.json.encode([str(uuid4()) for _ in range(SIZE)])
    bad = spoil(msgspec.json.encode(uuids()))

    def refused() -> None:
        with pytest.raises(HTTPError):
            decode(bad)

    assert_costs_at_most(MOST_TIMES, refused, lambda: decode(good))


def test_long_ways_cost_little_more_than_short_ones() -> None:
    """Without the check, 78,000 such integers, which are 0.9 MB, cost 16 seconds."""
    decode = json_decoder(dict[int, int])
    bad = msgspec.json.encode(ones(walkers()))
    good = msgspec.json.encode(ones([str(each * each) for each in range(len(walkers()))]))

    def refused() -> None:
        with pytest.raises(HTTPError):
            decode(bad)

    assert_costs_at_most(MOST_TIMES, refused, lambda: decode(good))


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (set[UUID], [str(uuid4()) for _ in range(SIZE)]),
        (set[UUID], [str(UUID(int=7))] * SIZE),
        (set[int], list(range(SIZE))),
        (set[BigInt], numbers(FEW)),
        (set[BigInt], [1 << 70] * SIZE),
        (dict[int, int], ones([str(1 << 60 | each) for each in range(SIZE)])),
        (set[Decimal], [f"{each}.25" for each in range(SIZE)]),
        (list[BigInt], numbers()),
        (dict[str, int], ones(uuids())),
        (dict[int, int], ones([str(each << 20) for each in range(SIZE)])),
        (set[float], [each / 7 for each in range(SIZE)]),
        (set[timedelta], [f"PT{each}H" for each in range(SIZE)]),
        (Basket, {"lines": ones([str(uuid4()) for _ in range(SIZE)])}),
        (list[set[UUID]], [[str(UUID(int=each)) for each in range(40)]] * 200),
    ],
    ids=[
        *("UUIDs", "the same UUID", "small integers", "few", "the same integer"),
        *(
            "snowflakes",
            "decimals",
            "list",
            "texts",
            "even integers",
            "floats",
            "durations",
            "field",
            "the same small sets",
        ),
    ],
)
def test_what_costs_little_is_accepted(hint: Any, value: Any) -> None:
    assert json_decoder(hint)(msgspec.json.encode(value)) == msgspec.convert(value, hint, strict=False, str_keys=True)


class Own:
    pass


class Arbitrary(pydantic.BaseModel, arbitrary_types_allowed=True):
    owners: set[Own] = set()
    numbers: list[int] = []


def test_other_models_are_read_as_before() -> None:
    assert len(json_decoder(Arbitrary)(msgspec.json.encode({"numbers": numbers()[:0] + [7] * SIZE})).numbers) == SIZE
    tags = [{"id": each} for each in range(SIZE)]
    assert len(json_decoder(Texts)(msgspec.json.encode({"numbers": "[1, 1]", "tags": tags})).tags) == SIZE


@pytest.mark.parametrize("names", [[1] * 60_000, ["."] * 60_000], ids=["numbers", "dots"])
def test_what_is_no_key_costs_little(names: list[Any]) -> None:
    """To try whether each of them is a key took 1.5 microseconds: 1 MiB of numbers cost 0.4 s."""
    hint = msgspec.defstruct("Hint", [("names", list[Any]), ("ids", set[tuple[int, int]]), ("prices", set[Decimal])])
    body = msgspec.json.encode({"names": names, "ids": [[1, 2]], "prices": ["1.5"]})
    with_keys, without = json_decoder(hint), json_decoder(dict[str, Any])
    assert_costs_at_most(80, lambda: with_keys(body), lambda: without(body))


def test_a_long_text_that_begins_like_a_decimal_costs_little() -> None:
    """It took two seconds for 10 KB, and quadratic time."""

    def read(text: str) -> None:
        with pytest.raises(UnprocessableEntity):
            json_decoder(set[Decimal])(msgspec.json.encode([text] + ["1"] * 6000))

    assert_costs_at_most(MOST_TIMES, lambda: read("1" * 4000 + "x"), lambda: read("x" * 4001))


@pytest.mark.parametrize("text", ["1" + " " * 20_000, '"' + "x" * 20_000 + '"', "null" + " " * 20_000, "[" * 20_000])
def test_other_large_bodies_get_the_usual_errors(text: str) -> None:
    with pytest.raises((UnprocessableEntity, BadRequest)) as error:
        json_decoder(set[UUID])(text.encode())
    assert error.value.extensions["errors"][0]["code"] != "collisions"


def test_a_field_of_a_form_that_is_json_is_looked_at() -> None:
    form = FormData([("lines", msgspec.json.encode(ones(uuids())).decode())])
    with pytest.raises(UnprocessableEntity, match="wrong") as error:
        converter(Basket, "body")(collector(Basket)(form))
    assert error.value.extensions["errors"][0]["location"] == "/body"


@pytest.mark.parametrize("hint", [dict[UUID, str], Order], ids=["msgspec", "pydantic"])
def test_a_query_is_looked_at(hint: Any) -> None:
    pairs = [(each, "1") for each in uuids(1500)] if hint is not Order else [("numbers", each) for each in texts(1500)]
    with pytest.raises(UnprocessableEntity) as error:
        converter(hint, "query")(collector(hint)(QueryParams(urlencode(pairs))))
    assert error.value.extensions["errors"][0]["code"] == "collisions"
    assert error.value.extensions["errors"][0]["location"] == "/query"


def test_a_message_of_a_socket_is_looked_at() -> None:
    with pytest.raises(InvalidMessage) as error:
        frames_of(dict[int, int], Any).decode(msgspec.json.encode(ones(texts())).decode())
    assert error.value.errors[0]["code"] == "collisions"


@pytest.mark.parametrize("hint", [dict[str, list[str]], dict[str, list[int]]], ids=["texts", "numbers"])
def test_many_names_in_a_query_cost_as_much_as_one_name_many_times(hint: Any) -> None:
    """65,000 bytes of them cost 3 seconds when each name was looked for among all."""
    collect, convert = collector(hint), converter(hint, "query")
    many, one = (QueryParams([(f"n{each * several}", "1") for each in range(8000)]) for several in (1, 0))
    assert_costs_at_most(30, lambda: convert(collect(many)), lambda: convert(collect(one)))
