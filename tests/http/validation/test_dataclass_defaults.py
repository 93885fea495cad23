"""Defaults of dataclasses: what was decoded has them, whatever way it came."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from kick import Controller, Post
from kick.http.validation.conversion import converter, json_decoder
from kick.http.validation.dataclass_defaults import filler
from tests.http.support import app_of, ask


@dataclass
class Page:
    page: int = 1
    size: int = 20
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    page: int = 7


@dataclass(slots=True)
class Slots:
    page: int = 1


@dataclass
class Plain:
    page: int


@dataclass
class Tree:
    name: str = "leaf"
    children: "list[Tree]" = field(default_factory=list["Tree"])


@dataclass
class Outer:
    inner: Page
    title: str = "t"


class Holder(msgspec.Struct):
    pages: dict[str, Page]


PAGE = {"page": 1, "size": 20, "tags": []}


@pytest.mark.parametrize(
    ("hint", "given", "decoded"),
    [
        (Page, {}, PAGE),
        (Page, {"page": 3}, {**PAGE, "page": 3}),
        (Frozen, {}, {"page": 7}),
        (Outer, {"inner": {}}, {"title": "t", "inner": PAGE}),
        (Holder, {"pages": {"a": {}}}, {"pages": {"a": PAGE}}),
        (list[Page], [{}], [PAGE]),
        (tuple[Page, int], [{}, 1], (PAGE, 1)),
        (Page | None, None, None),
        (Tree, {"children": [{}]}, {"name": "leaf", "children": [{"name": "leaf", "children": []}]}),
    ],
    ids=str,
)
def test_defaults_are_on_the_instance(hint: Any, given: Any, decoded: Any) -> None:
    text = msgspec.json.encode(given)
    assert msgspec.to_builtins(json_decoder(hint)(text)) == decoded
    assert msgspec.to_builtins(converter(hint, "query")(given)) == decoded


@pytest.mark.parametrize("hint", [int, list[int], dict[str, str], Any, Slots, Plain])
def test_types_without_such_defaults_cost_nothing(hint: Any) -> None:
    assert filler(hint) is None


def test_a_deep_value_is_filled_too() -> None:
    value = Tree()
    for _ in range(5000):
        value = Tree(children=[value])
    fill = filler(Tree)
    assert fill is not None
    assert fill(value) is value


async def test_a_dataclass_is_echoed_whole() -> None:
    @Controller()
    class Echo:
        @Post()
        async def echo(self, body: Page) -> dict[str, Any]:
            return vars(body)

    assert (await ask(app_of(Echo), "/", method="POST", json={"page": 2})).json() == {**PAGE, "page": 2}
