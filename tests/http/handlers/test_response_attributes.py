"""An object may hold more than the fields of its class: what was attached to it, or cached, leaves with no response."""

import dataclasses
import enum
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import attrs
import msgspec
import pytest

from kick import App, Controller, Get, RequestContext
from kick.http.handlers.response_types import ResponseType, writer_of
from kick.http.validation.encoding import JSONEncoder
from tests.http.support import app_of, ask
from tests.support.costs import assert_costs_at_most

T = TypeVar("T")


@attrs.define(slots=False)
class Loose:
    name: str


@attrs.define
class Caching:
    name: str

    @cached_property
    def key(self) -> str:
        return "secret"


@attrs.define
class CachingChild(Caching):
    number: int = 1


class WithDict:
    """A base without slots: the instances of its subclasses have a `__dict__`."""


@attrs.define
class OfLooseBase(WithDict):
    name: str


class WithSlot:
    __slots__ = ("key",)


@attrs.define
class OfSlottedBase(WithSlot):
    name: str


@attrs.frozen
class Frozen:
    name: str
    _hidden: int = 1

    @cached_property
    def key(self) -> str:
        return "secret"


@attrs.define
class GenericLoose(Generic[T], WithDict):
    item: T


@attrs.define
class Strict:
    """Nothing but its fields can be on it."""

    name: str
    _hidden: str = "secret"

    @property
    def key(self) -> str:
        return "secret"


class Page(msgspec.Struct, Generic[T]):
    items: list[T]
    first: T | None = None


@dataclasses.dataclass
class Box(Generic[T]):
    item: T


class Row(TypedDict):
    item: Loose


class Pair(NamedTuple):
    left: Loose
    right: int


def with_key(value: Any) -> Any:
    """Return an object on which there is a secret: a property was read, or an attribute attached."""
    if not hasattr(value, "key"):
        value.key = "secret"
    assert value.key == "secret"
    return value


def loose() -> Any:
    return with_key(Loose("a"))


def caching() -> Any:
    return with_key(Caching("a"))


def answering(response: Any, make: Callable[[], Any], by: str) -> App:
    """Return an application that promises a type by an annotation, or by the decorator and answers by the context."""
    if by == "annotation":

        @Controller("")
        class Promising:
            @Get("/")
            async def show(self) -> response:  # type: ignore[valid-type]
                return make()

        return app_of(Promising)

    @Controller("")
    class Declared:
        @Get("/", response=response)
        async def show(self, ctx: RequestContext) -> Any:
            return ctx.json(make())

    return app_of(Declared)


NAME = {"name": "a"}
HOLDING_MORE: list[tuple[Any, Callable[[], Any], Any]] = [
    (Loose, loose, NAME),
    (Caching, caching, NAME),
    (CachingChild, lambda: with_key(CachingChild("a")), NAME | {"number": 1}),
    (Caching, lambda: with_key(CachingChild("a")), NAME),
    (OfLooseBase, lambda: with_key(OfLooseBase("a")), NAME),
    (OfSlottedBase, lambda: with_key(OfSlottedBase("a")), NAME),
    (Frozen, lambda: with_key(Frozen("a")), NAME),
    (GenericLoose[int], lambda: with_key(GenericLoose(1)), {"item": 1}),
    (GenericLoose[Loose], lambda: with_key(GenericLoose(loose())), {"item": NAME}),
    (list[Loose], lambda: [Loose("a"), loose()], [NAME, NAME]),
    (list[Caching], lambda: [Caching("a"), caching()], [NAME, NAME]),
    (Sequence[Loose], lambda: (loose(),), [NAME]),
    (dict[str, Loose], lambda: {"x": loose()}, {"x": NAME}),
    (dict[str, list[Caching]], lambda: {"x": [caching()]}, {"x": [NAME]}),
    (tuple[Loose, ...], lambda: (loose(),), [NAME]),
    (tuple[Loose, int], lambda: (loose(), 1), [NAME, 1]),
    (Pair, lambda: Pair(loose(), 1), [NAME, 1]),
    (Row, lambda: {"item": loose()}, {"item": NAME}),
    (Loose | None, loose, NAME),
    (Loose | Caching, caching, NAME),
    (Loose | Page[int], loose, NAME),
    (list[Loose | int], lambda: [1, loose()], [1, NAME]),
    (Page[Loose], lambda: Page([loose()], loose()), {"items": [NAME], "first": NAME}),
    (Page[Caching], lambda: Page([caching()], None), {"items": [NAME], "first": None}),
    (Box[Loose], lambda: Box(loose()), {"item": NAME}),
    (list[Box[Caching]], lambda: [Box(caching())], [{"item": NAME}]),
    (Iterator[Loose], lambda: iter([loose()]), [NAME]),
]


@pytest.mark.parametrize("by", ["annotation", "context"])
@pytest.mark.parametrize(("response", "make", "wanted"), HOLDING_MORE, ids=itertools.count())
async def test_only_the_declared_fields_of_an_attrs_instance_leave(
    response: Any, make: Callable[[], Any], wanted: Any, by: str
) -> None:
    answer = await ask(answering(response, make, by), "/")
    assert (answer.status, answer.json()) == (200, wanted)


@pytest.mark.parametrize(("item", "make"), [(Loose, loose), (Caching, caching), (list[Loose], lambda: [loose()])])
async def test_only_the_declared_fields_of_an_attrs_instance_leave_in_an_event(
    item: Any, make: Callable[[], Any]
) -> None:
    async def events() -> AsyncIterator[Any]:
        yield make()

    @Controller("")
    class Events:
        @Get("/", response=AsyncIterator[item])
        async def show(self, ctx: RequestContext) -> Any:
            return ctx.sse(events())

    text = (await ask(app_of(Events), "/")).text
    assert '{"name":"a"}' in text
    assert "secret" not in text


async def test_a_response_that_promises_nothing_has_all_that_is_on_an_attrs_instance() -> None:
    assert (await ask(answering(Any, loose, "annotation"), "/")).json() == NAME | {"key": "secret"}


@dataclasses.dataclass
class Plain:
    name: str

    @cached_property
    def key(self) -> str:
        return "secret"


@dataclasses.dataclass(slots=True)
class SlottedPlain(WithSlot):
    name: str


class WithAttributes(msgspec.Struct, dict=True):
    name: str


class Members(dict[str, str]):
    """A mapping with attributes."""


class Names(list[str]):
    """A list with attributes."""


class Text(str):
    """A text with attributes."""


class Point(NamedTuple):
    left: int


class AttributedPoint(Point):
    """A named tuple with attributes."""


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


OTHERS: list[tuple[Any, Callable[[], Any], Any]] = [
    (Plain, lambda: with_key(Plain("a")), NAME),
    (SlottedPlain, lambda: with_key(SlottedPlain("a")), NAME),
    (WithAttributes, lambda: with_key(WithAttributes("a")), NAME),
    (dict[str, str], lambda: with_key(Members(NAME)), NAME),
    (list[str], lambda: with_key(Names(["a"])), ["a"]),
    (str, lambda: with_key(Text("a")), "a"),
    (Text, lambda: with_key(Text("a")), "a"),
    (Point, lambda: with_key(AttributedPoint(1)), [1]),
    (AttributedPoint, lambda: with_key(AttributedPoint(1)), [1]),
]


@pytest.mark.parametrize("within", ["itself", "list", "dict", "field"])
@pytest.mark.parametrize(("response", "make", "wanted"), OTHERS, ids=itertools.count())
async def test_no_attribute_of_another_kind_of_object_leaves(
    response: Any, make: Callable[[], Any], wanted: Any, within: str
) -> None:
    hint, value, expected = {
        "itself": lambda: (response, make(), wanted),
        "list": lambda: (list[response], [make()], [wanted]),
        "dict": lambda: (dict[str, response], {"x": make()}, {"x": wanted}),
        "field": lambda: (Box[response], Box(make()), {"item": wanted}),
    }[within]()
    answer = await ask(answering(hint, lambda: value, "annotation"), "/")
    assert (answer.status, answer.json()) == (200, expected)


@pytest.mark.parametrize("member", [Colour.RED, Level.LOW])
async def test_no_attribute_of_a_member_of_an_enum_leaves(member: enum.Enum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member, "key", "secret", raising=False)
    answer = await ask(answering(list[type(member)], lambda: [member], "annotation"), "/")
    assert answer.json() == [member.value]


def test_an_attrs_class_whose_instances_hold_only_its_fields_is_written_by_msgspec_alone() -> None:
    encoder = JSONEncoder()
    writer = writer_of(ResponseType(Strict), encoder, "show()")
    assert writer.kinds == {Strict}
    assert writer.write is encoder.write
    assert writer.write(Strict("a")) == b'{"name":"a"}'


def test_an_attrs_instance_that_may_hold_more_costs_a_small_multiple_of_msgspec() -> None:
    encoder = JSONEncoder()
    encode = writer_of(ResponseType(list[Loose]), encoder, "show()").encode
    values = [Loose("a") for _ in range(100)]
    assert encode(values) == encoder.write(values)
    assert_costs_at_most(
        20, lambda: [encode(values) for _ in range(20)], lambda: [encoder.write(values) for _ in range(20)]
    )
