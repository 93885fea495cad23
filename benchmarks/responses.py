"""What declared responses cost: how many times the time that msgspec alone, or pydantic, takes for the same JSON.

`python -m benchmarks.responses` prints the least of many rounds for each kind of value. All are lists of 100 items.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pydantic

from kick.http.handlers.response_types import ResponseType, writer_of
from kick.http.validation.encoding import PLAIN_ENCODER

ITEMS = 100
ROUNDS = 60


class Line(msgspec.Struct):
    article: str
    price: int
    quantity: int = 1


class Order(msgspec.Struct):
    number: int
    customer: str
    lines: list[Line]
    address: dict[str, str]
    first: Line | None = None


class SecretLine(Line):
    cost: int = 5


class SecretOrder(Order):
    margin: int = 7


@dataclasses.dataclass
class Row:
    """An object of another class, as an ORM has them."""

    article: str
    price: int
    quantity: int
    cost: int


class Article(pydantic.BaseModel):
    article: str
    price: int
    quantity: int = 1


class SecretArticle(Article):
    cost: int = 5


class Case(NamedTuple):
    """A declared type, a value, and what writes the same JSON without a promise."""

    hint: Any
    value: Any
    bare: Callable[[Any], bytes]
    same: Any


def cases() -> dict[str, Case]:
    """The kinds of values."""
    encode = msgspec.json.Encoder().encode
    line = Line("tea", 3)
    lines = [Line("tea", number) for number in range(ITEMS)]
    orders = [Order(number, "Ada", [line, line], {"city": "Bern"}, line) for number in range(ITEMS)]
    secret = [SecretLine("tea", number) for number in range(ITEMS)]
    secrets = [
        SecretOrder(number, "Ada", [SecretLine("tea", 3)] * 2, {"city": "Bern"}, SecretLine("tea", 3))
        for number in range(ITEMS)
    ]
    rows = [Row("tea", number, 1, 5) for number in range(ITEMS)]
    dicts = [{"article": "tea", "price": number, "quantity": 1, "cost": 5} for number in range(ITEMS)]
    articles = [Article(article="tea", price=number) for number in range(ITEMS)]
    models = [SecretArticle(article="tea", price=number) for number in range(ITEMS)]
    mixed = [(SecretLine if number % 2 else Line)("tea", number) for number in range(ITEMS)]
    short = [{"article": "tea", "price": number, "cost": 5} for number in range(ITEMS)]
    dump = pydantic.TypeAdapter(list[Article]).dump_json
    return {
        "Structs": Case(list[Line], lines, encode, lines),
        "Structs within Structs": Case(list[Order], orders, encode, orders),
        "instances of a subclass": Case(list[Line], secret, encode, lines),
        "instances of a subclass, nested": Case(list[Order], secrets, encode, orders),
        "instances of the class and a subclass": Case(list[Line], mixed, encode, lines),
        "objects of another class": Case(list[Line], rows, encode, lines),
        "dictionaries": Case(list[Line], dicts, encode, lines),
        "dictionaries without a field": Case(list[Line], short, encode, lines),
        "pydantic models": Case(list[Article], articles, dump, articles),
        "pydantic models of a subclass": Case(list[Article], models, dump, articles),
    }


def ratio(case: Case) -> float:
    """Return how many times the bare encoding a declared response takes."""
    write = writer_of(ResponseType(case.hint), PLAIN_ENCODER, "the benchmark").encode
    assert write(case.value) == case.bare(case.same)
    return _least(lambda: write(case.value)) / _least(lambda: case.bare(case.same))


def _least(call: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(5):
            call()
        times.append(time.thread_time() - began)
    return min(times)


if __name__ == "__main__":
    for name, case in cases().items():
        print(f"{name:40} {ratio(case):6.2f}")
