"""Integers beyond 64 bits are invalid input, wherever a type says `int`: no database driver gets one."""

import dataclasses
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, Union

import msgspec
import pydantic
import pytest
from msgspec import Meta, Struct
from pydantic import AliasChoices, AliasPath, Field

from kick import App, Controller, Cookie, Get, Header, Post, Query, Socket, WebSocket
from kick.exceptions import UnprocessableEntity
from kick.http import BigInt
from kick.http.validation.conversion import converter, json_decoder
from kick.http.validation.number_errors import may_be_large, range_errors
from kick.http.validation.number_range import range_check
from kick.testing import TestClient
from tests.http.support import app_of, ask
from tests.support.costs import assert_costs_at_most

TOO_LARGE = [2**63, -(2**63) - 1, 2**64, 10**19, 10**30, -(10**40)]
WITHIN = [2**63 - 1, -(2**63), 0, 10**18]

Number = NewType("Number", int)


class Line(Struct):
    article: int
    note: str = ""


class Order(Struct, rename="camel"):
    order_lines: list[Line]
    by_shelf: dict[str, Line] = {}
    first: Line | None = None


class Nested(Struct):
    line: Line


@dataclasses.dataclass
class Page:
    number: int = 1
    sizes: list[int] = dataclasses.field(default_factory=list)


class Filter(TypedDict, total=False):
    minimum: int
    maximum: int | None


class Point(NamedTuple):
    x: int
    y: int


class Tree(Struct):
    value: int = 0
    children: list["Tree"] = []


class Ping(Struct, tag=True):
    number: int


class Pong(Struct, tag=True):
    number: BigInt


class Row(Struct, array_like=True):
    name: str
    number: int


class Item(pydantic.BaseModel):
    count: int = Field(alias="itemCount", default=1)


class Cart(pydantic.BaseModel):
    items: list[Item]
    total: int | None = None


class Box(pydantic.BaseModel):
    kind: Literal["box"]
    size: Annotated[int, Field(ge=1)]


class Tube(pydantic.BaseModel):
    kind: Literal["tube"]
    size: int = Field(le=2**100, ge=-(2**100))


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Aliased(pydantic.BaseModel):
    width: int = Field(validation_alias=AliasChoices("w", AliasPath("size", 0)))


@pydantic.dataclasses.dataclass
class Measure:
    value: pydantic.PositiveInt


def errors_of(hint: Any, given: Any) -> dict[str, str]:
    try:
        json_decoder(hint)(msgspec.json.encode(given))
    except UnprocessableEntity as error:
        return {each["location"]: each["code"] for each in error.extensions["errors"]}
    return {}


SHAPES: list[tuple[Any, Any, str]] = [
    (int, lambda n: n, "/body"),
    (Number, lambda n: n, "/body"),
    (Optional[int], lambda n: n, "/body"),  # noqa: UP045
    (int | str, lambda n: n, "/body"),
    (list[int], lambda n: [1, n, 2], "/body/1"),
    (list[int | None], lambda n: [None, n], "/body/1"),
    (Sequence[int], lambda n: [1, n], "/body/1"),
    (set[int], lambda n: [7, n], "/body/1"),
    (frozenset[int], lambda n: [n], "/body/0"),
    (tuple[str, int], lambda n: ["a", n], "/body/1"),
    (tuple[int, ...], lambda n: [1, n], "/body/1"),
    (dict[str, int], lambda n: {"a": 1, "b/c": n}, "/body/b~1c"),
    (dict[str, list[int]], lambda n: {"a": [1, n]}, "/body/a/1"),
    (dict[int, str], lambda n: {n: "a"}, "/body"),
    (Line, lambda n: {"article": n}, "/body/article"),
    (Order, lambda n: {"orderLines": [{"article": 1}, {"article": n}]}, "/body/orderLines/1/article"),
    (Order, lambda n: {"orderLines": [], "byShelf": {"x": {"article": n}}}, "/body/byShelf/x/article"),
    (Order, lambda n: {"orderLines": [], "first": {"article": n}}, "/body/first/article"),
    (Page, lambda n: {"number": n}, "/body/number"),
    (Page, lambda n: {"sizes": [n]}, "/body/sizes/0"),
    (Filter, lambda n: {"maximum": n}, "/body/maximum"),
    (list[Filter], lambda n: [{}, {"minimum": n}], "/body/1/minimum"),
    (Point, lambda n: [1, n], "/body/1"),
    (Row, lambda n: ["a", n], "/body/1"),
    (Tree, lambda n: {"children": [{"children": [{"value": n}]}]}, "/body/children/0/children/0/value"),
    (Ping | Pong, lambda n: {"type": "Ping", "number": n}, "/body/number"),
    (list[Ping | Pong], lambda n: [{"type": "Pong", "number": n}, {"type": "Ping", "number": n}], "/body/1/number"),
    (Cart, lambda n: {"items": [{"itemCount": 1}, {"itemCount": n}]}, "/body/items/1/itemCount"),
    (Cart, lambda n: {"items": [], "total": n}, "/body/total"),
    (list[Cart], lambda n: [{"items": [], "total": n}], "/body/0/total"),
    (Union[Box, Tube], lambda n: {"kind": "box", "size": n}, "/body/size"),  # noqa: UP007
    (Numbers, lambda n: [1, n], "/body/1"),
    (Aliased, lambda n: {"w": n}, "/body/w"),
    (Aliased, lambda n: {"size": [n]}, "/body/size/0"),
    (Measure, lambda n: {"value": n}, "/body/value"),
]


class TestBodies:
    @pytest.mark.parametrize(("hint", "shape", "location"), SHAPES)
    @pytest.mark.parametrize("number", [2**63, 10**40])
    def test_an_integer_beyond_64_bits_is_an_error_at_its_place(
        self, hint: Any, shape: Any, location: str, number: int
    ) -> None:
        assert errors_of(hint, shape(number)) == {location: "range"}
        assert errors_of(hint, shape(2**63 - 1)) == {}

    @pytest.mark.parametrize("number", TOO_LARGE)
    def test_both_ends_are_closed(self, number: int) -> None:
        assert errors_of(Line, {"article": number}) == {"/body/article": "range"}
        assert errors_of(Cart, {"items": [], "total": number}) == {"/body/total": "range"}

    @pytest.mark.parametrize("hint", [Annotated[int, Meta(ge=1)], Annotated[int, Meta(gt=0, multiple_of=5)]])
    def test_a_side_without_a_bound_ends_at_64_bits(self, hint: Any) -> None:
        assert errors_of(hint, 10**30) == {"/body": "range"}
        assert errors_of(hint, 10**18) == {}
        assert errors_of(hint, -(10**30)) == {"/body": "range"}

    def test_the_upper_bound_leaves_the_lower_end(self) -> None:
        assert errors_of(Annotated[int, Meta(le=9)], -(10**30)) == {"/body": "range"}

    @pytest.mark.parametrize(
        ("hint", "given"),
        [
            (BigInt, 10**30),
            (BigInt | None, -(10**30)),
            (list[BigInt], [10**30]),
            (Pong, {"type": "Pong", "number": 10**30}),
            (Union[Box, Tube], {"kind": "tube", "size": 2**99}),  # noqa: UP007
            (Any, 10**30),
            (dict[str, Any], {"a": 10**30}),
            (float, 10**30),
        ],
    )
    def test_other_types_take_what_they_took(self, hint: Any, given: Any) -> None:
        assert errors_of(hint, given) == {}

    def test_all_of_them_are_reported_beside_other_errors(self) -> None:
        given = {"orderLines": [{"article": 2**63}, {"article": "x"}, {"article": -(2**70)}, {}]}
        assert errors_of(Order, given) == {
            "/body/orderLines/0/article": "range",
            "/body/orderLines/1/article": "type",
            "/body/orderLines/2/article": "range",
            "/body/orderLines/3/article": "missing",
        }

    def test_a_default_of_the_application_is_its_own_affair(self) -> None:
        class Wide(Struct):
            limit: int = 2**80
            name: str = ""

        class WideModel(pydantic.BaseModel):
            limit: int = 2**80

        assert json_decoder(Wide)(b"{}").limit == 2**80
        assert errors_of(Wide, {"limit": 2**80}) == {"/body/limit": "range"}
        assert json_decoder(WideModel)(b"{}").limit == 2**80
        assert errors_of(WideModel, {"limit": 2**80}) == {"/body/limit": "range"}

    def test_a_default_of_another_type_is_no_failure(self) -> None:
        @dataclasses.dataclass
        class Sloppy:
            sizes: list[int] = None  # type: ignore[assignment]
            lines: list[Line] = None  # type: ignore[assignment]
            line: Line = None  # type: ignore[assignment]
            named: dict[str, int] = None  # type: ignore[assignment]
            point: tuple[int, int] = None  # type: ignore[assignment]

        assert json_decoder(Sloppy)(b"{}").sizes is None

    def test_an_integer_that_a_validator_made_is_refused_too(self) -> None:
        class Hexadecimal(pydantic.BaseModel):
            number: int

            @pydantic.model_validator(mode="before")
            @classmethod
            def read(cls, given: Any) -> Any:
                return {"number": int(given["hex"], 16)}

        assert errors_of(Hexadecimal, {"hex": "f" * 20}) == {"/body/number": "range"}
        assert errors_of(Hexadecimal, {"hex": "ff"}) == {}

    def test_a_value_may_be_nested_deeply(self) -> None:
        text = b'{"children":[' * 49 + b'{"value":%d}' + b"]}" * 49
        assert json_decoder(Tree)(text % 1).children
        with pytest.raises(UnprocessableEntity):
            json_decoder(Tree)(text % 2**63)

    def test_texts_of_many_digits_are_texts(self) -> None:
        assert errors_of(dict[str, str | int], {"card": "9" * 30}) == {}

    @pytest.mark.parametrize("before", ["", "é" * 500])
    def test_texts_of_websockets_are_checked_as_well(self, before: str) -> None:
        decode: Any = json_decoder(Line)
        text = '{"note": "%s", "article": %d}'
        assert decode(text % (before, 2**63 - 1)).article == 2**63 - 1
        with pytest.raises(UnprocessableEntity) as error:
            decode(text % (before, 2**63))
        assert error.value.extensions["errors"][0]["location"] == "/body/article"

    @pytest.mark.parametrize("before", range(3))
    def test_a_large_number_in_a_large_body_is_found(self, before: int) -> None:
        text = b" " * (500 + before)
        assert may_be_large(text + b"%d" % 2**63)
        assert not may_be_large(text + b"[123456789012345]")
        with pytest.raises(UnprocessableEntity):
            json_decoder(Line)(b'%s{"article": %d}' % (text, 2**63))

    def test_types_without_integers_pay_nothing(self) -> None:
        for hint in (str, list[str], dict[str, bool], Pong, Annotated[int, Meta(ge=0, le=10)]):
            assert range_check(hint) is None

    def test_valid_bodies_cost_little(self) -> None:
        body = msgspec.json.encode([Line(number, "a note of some length") for number in range(2000)])
        bare, decode = msgspec.json.Decoder(list[Line]).decode, json_decoder(list[Line])
        assert_costs_at_most(1.6, lambda: decode(body), lambda: bare(body))


class TestTexts:
    @pytest.mark.parametrize(
        ("hint", "given", "location"),
        [
            (dict[str, int], {"a": "{}"}, "/query/a"),
            (Page, {"number": "{}"}, "/query/number"),
            (Page, {"sizes": ["1", "{}"]}, "/query/sizes/1"),
            (Filter, {"minimum": "{}"}, "/query/minimum"),
            (Line, {"article": "{}"}, "/query/article"),
            (Item, {"itemCount": "{}"}, "/query/itemCount"),
            (int, "{}", "/query"),
            (int | None, "{}", "/query"),
            (list[int], ["{}"], "/query/0"),
        ],
    )
    @pytest.mark.parametrize("number", [2**63, -(10**30)])
    def test_the_text_of_a_large_integer_is_an_error_at_its_place(
        self, hint: Any, given: Any, location: str, number: int
    ) -> None:
        convert = converter(hint, "query")

        def sent(number: int) -> Any:
            return msgspec.json.decode(msgspec.json.encode(given).decode().replace("{}", str(number)))

        with pytest.raises(UnprocessableEntity) as error:
            convert(sent(number))
        assert [each["location"] for each in error.value.extensions["errors"]] == [location]
        convert(sent(7))

    def test_it_is_reported_beside_other_errors(self) -> None:
        with pytest.raises(UnprocessableEntity) as error:
            converter(Filter, "query")({"minimum": "x", "maximum": str(2**64)})
        assert [each["location"] for each in error.value.extensions["errors"]] == ["/query/minimum", "/query/maximum"]

    def test_a_text_stays_one(self) -> None:
        assert converter(dict[str, str], "query")({"card": "9" * 30}) == {"card": "9" * 30}


@Controller("/numbers")
class Rows:
    """Whatever is validated goes into SQLite."""

    def store(self, *values: int) -> list[int]:
        with closing(sqlite3.connect(":memory:")) as database:
            return [database.execute("SELECT ?", (value,)).fetchone()[0] for value in values]

    @Get("/query")
    async def by_query(self, query: Filter) -> list[int]:
        return self.store(query.get("minimum", 0))

    @Get("/model")
    async def by_model(self, page: Query[Item]) -> list[int]:
        return self.store(page.count)

    @Get("/header")
    async def by_header(self, x_number: Header[int]) -> list[int]:
        return self.store(x_number)

    @Get("/headers")
    async def by_headers(self, x_number: Header[list[int]]) -> list[int]:
        return self.store(*x_number)

    @Get("/cookie")
    async def by_cookie(self, number: Cookie[int]) -> list[int]:
        return self.store(number)

    @Post("/body")
    async def by_body(self, body: Order) -> list[int]:
        return self.store(*(line.article for line in body.order_lines))

    @Post("/form")
    async def by_form(self, body: Page) -> list[int]:
        return self.store(body.number, *body.sizes)

    @Post("/cart")
    async def by_cart(self, body: Cart) -> list[int]:
        return self.store(*(item.count for item in body.items))

    @Post("/nested")
    async def by_nested(self, body: Nested) -> list[int]:
        return self.store(body.line.article)

    @Get("/lists")
    async def by_lists(self, query: dict[str, list[int]]) -> list[int]:
        return self.store(*query["n"])

    @WebSocket("/socket")
    async def by_socket(self, socket: Socket[Line, list[int]]) -> None:
        async for line in socket:
            await socket.send(self.store(line.article))

    @Get("/{number}")
    async def by_path(self, number: int) -> list[int]:
        return self.store(number)

    @Get("/positive/{number}")
    async def by_positive(self, number: Annotated[int, Field(ge=1)]) -> list[int]:
        return self.store(number)


@pytest.fixture
def app() -> App:
    return app_of(Rows)


class TestDatabases:
    """End to end: each integer that comes through reaches the driver, and no other one does."""

    @pytest.mark.parametrize("number", TOO_LARGE)
    async def test_no_large_integer_reaches_the_driver(self, app: App, number: int) -> None:
        lines = {"orderLines": [{"article": number}]}
        answers = [
            await ask(app, f"/numbers/query?minimum={number}"),
            await ask(app, f"/numbers/model?itemCount={number}"),
            await ask(app, "/numbers/header", headers={"x-number": str(number)}),
            await ask(app, "/numbers/headers", headers={"x-number": f"1, {number}"}),
            await ask(app, "/numbers/cookie", headers={"cookie": f"number={number}"}),
            await ask(app, "/numbers/body", method="POST", json=lines),
            await ask(app, "/numbers/form", method="POST", form=f"number={number}&sizes=1"),
            await ask(app, "/numbers/form", method="POST", form=f"number=1&sizes=1&sizes={number}"),
            await ask(app, "/numbers/form", method="POST", json={"number": number}),
            await ask(app, "/numbers/cart", method="POST", json={"items": [{"itemCount": number}]}),
            await ask(app, "/numbers/nested", method="POST", form=f'line={{"article":{number}}}'),
            await ask(app, f"/numbers/lists?n=1&n={number}"),
        ]
        assert [answer.status for answer in answers] == [422] * len(answers)
        assert {code for answer in answers for code in answer.errors.values()} == {"range"}
        assert (await ask(app, f"/numbers/{number}")).status == 404
        assert (await ask(app, f"/numbers/positive/{number}")).status == 404

    def test_a_message_of_a_websocket_with_one_closes_it(self, app: App) -> None:
        with TestClient(app) as client, client.websocket_connect("/numbers/socket") as socket:
            socket.send_json({"article": 2**63 - 1})
            assert socket.receive_json() == [2**63 - 1]
            socket.send_text(f'{{"article": {2**63}}}')
            assert socket.receive() == {
                "type": "websocket.close",
                "code": 1007,
                "reason": "/message/article: Expected `int` <= 9223372036854775807",
            }

    @pytest.mark.parametrize("number", WITHIN)
    async def test_all_others_do(self, app: App, number: int) -> None:
        assert (await ask(app, f"/numbers/query?minimum={number}")).json() == [number]
        assert (await ask(app, "/numbers/header", headers={"x-number": str(number)})).json() == [number]
        assert (await ask(app, "/numbers/cookie", headers={"cookie": f"number={number}"})).json() == [number]
        lines = {"orderLines": [{"article": number}]}
        assert (await ask(app, "/numbers/body", method="POST", json=lines)).json() == [number]
        assert (await ask(app, "/numbers/form", method="POST", form=f"number={number}")).json() == [number]
        assert (await ask(app, f"/numbers/{number}")).json() == [number]


def test_no_more_errors_are_found_than_are_read() -> None:
    assert len(range_errors(list[int], [2**63] * 1000, "/body")) == 100
