"""NaN and infinity are invalid input, wherever a type says `Decimal` or `float`."""

import dataclasses
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from msgspec import Meta, Struct

from kick import App, Controller, Cookie, Get, Header, Post, Query, Socket, WebSocket
from kick.exceptions import BadRequest, UnprocessableEntity
from kick.http.validation.conversion import converter, json_decoder
from kick.http.validation.number_errors import holds_not_finite
from kick.http.validation.number_range import range_check
from kick.testing import TestClient
from tests.http.support import app_of, ask
from tests.support.costs import assert_costs_at_most

OF_DECIMAL = [
    "NaN",
    "nan",
    "-sNaN",
    "sNaN123",
    "Infinity",
    "-inf",
    "+INF",
    " NaN ",
    "N_a_N",
    "\u2003sNaN\n",
    "NaN\u0663",
]
OF_FLOAT = ["NaN", "nan", "-nan", "inf", "-Infinity", "INF"]

Price = NewType("Price", Decimal)
Convert = Callable[[Any], Any]


class Line(Struct):
    price: Decimal
    weight: float = 1.0
    note: str = ""


class Order(Struct, rename="camel"):
    order_lines: list[Line]
    by_shelf: dict[str, Line] = {}


class Key(Struct, frozen=True):
    price: Decimal


class Row(Struct, array_like=True):
    name: str
    price: Decimal


class Tree(Struct):
    value: Decimal = Decimal(0)
    children: list["Tree"] = []


class Cash(Struct, tag=True):
    amount: Decimal


class Card(Struct, tag=True):
    number: str


class Positive(Struct):
    amount: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError("the amount must be positive")


class Whole(Struct):
    amount: float

    def __post_init__(self) -> None:
        round(self.amount)


@dataclasses.dataclass
class Page:
    price: Decimal = Decimal(1)
    sizes: list[float] = dataclasses.field(default_factory=list)


@attrs.define
class Part:
    price: Decimal


class Filter(TypedDict, total=False):
    lowest: float
    highest: Decimal | None


class Point(NamedTuple):
    x: Decimal
    y: Decimal


SHAPES: list[tuple[Any, Convert, str]] = [
    (Decimal, lambda n: n, "/body"),
    (Price, lambda n: n, "/body"),
    (Optional[Decimal], lambda n: n, "/body"),  # noqa: UP045
    (Decimal | int, lambda n: n, "/body"),
    (Annotated[Decimal, Meta(title="Price")], lambda n: n, "/body"),
    (list[Decimal], lambda n: ["1", n], "/body/1"),
    (list[Decimal | None], lambda n: [None, n], "/body/1"),
    (set[Decimal], lambda n: ["7", n], "/body/1"),
    (frozenset[Decimal], lambda n: [n], "/body/0"),
    (set[Key], lambda n: [{"price": "1"}, {"price": n}], "/body/1/price"),
    (set[tuple[int, Decimal]], lambda n: [[1, n]], "/body/0/1"),
    (tuple[str, Decimal], lambda n: ["a", n], "/body/1"),
    (tuple[Decimal, ...], lambda n: ["1", n], "/body/1"),
    (dict[str, Decimal], lambda n: {"a": "1", "b/c": n}, "/body/b~1c"),
    (dict[str, set[Decimal]], lambda n: {"a": ["1", n]}, "/body/a/1"),
    (Line, lambda n: {"price": n}, "/body/price"),
    (Order, lambda n: {"orderLines": [{"price": "1"}, {"price": n}]}, "/body/orderLines/1/price"),
    (Order, lambda n: {"orderLines": [], "byShelf": {"x": {"price": n}}}, "/body/byShelf/x/price"),
    (Page, lambda n: {"price": n}, "/body/price"),
    (Part, lambda n: {"price": n}, "/body/price"),
    (Filter, lambda n: {"highest": n}, "/body/highest"),
    (Point, lambda n: ["1", n], "/body/1"),
    (Row, lambda n: ["a", n], "/body/1"),
    (Tree, lambda n: {"children": [{"children": [{"value": n}]}]}, "/body/children/0/children/0/value"),
    (Cash | Card, lambda n: {"type": "Cash", "amount": n}, "/body/amount"),
    (Positive, lambda n: {"amount": n}, "/body/amount"),
    (list[Positive], lambda n: [{}, {"amount": n}], "/body/1/amount"),
]


def errors_of(call: Callable[[], Any]) -> dict[str, str]:
    try:
        call()
    except UnprocessableEntity as error:
        return {each["location"]: each["code"] for each in error.extensions["errors"]}
    return {}


def errors_in_body(hint: Any, given: Any) -> dict[str, str]:
    return errors_of(lambda: json_decoder(hint)(msgspec.json.encode(given)))


class TestBodies:
    @pytest.mark.parametrize(("hint", "shape", "location"), SHAPES)
    @pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity"])
    def test_one_of_them_is_an_error_at_its_place(self, hint: Any, shape: Convert, location: str, number: str) -> None:
        assert errors_in_body(hint, shape(number)) == {location: "range"}
        assert errors_in_body(hint, shape("1.5")) == {}

    @pytest.mark.parametrize("number", OF_DECIMAL)
    @pytest.mark.parametrize("before", [0, 500])
    def test_each_spelling_is_found(self, number: str, before: int) -> None:
        given = {"note": "x" * before, "price": number}
        assert errors_in_body(Line, given) == {"/body/price": "range"}
        escaped = "".join(f"\\u{ord(each):04x}" for each in number)
        text = f'{{"note": "{"x" * before}", "price": "{escaped}"}}'
        assert errors_of(lambda: json_decoder(Line)(text.encode())) == {"/body/price": "range"}

    @pytest.mark.parametrize("key", ["nan", "inf", "-Infinity"])
    def test_the_keys_of_objects_are_numbers_too(self, key: str) -> None:
        assert errors_in_body(dict[float, int], {"1.5": 1, key: 1}) == {"/body": "range"}
        assert errors_in_body(dict[str, dict[float, int]], {"a": {key: 1}}) == {"/body/a": "range"}

    def test_keys_are_checked_where_the_values_need_no_check(self) -> None:
        class Shelf(Struct):
            weight: float
            by_size: dict[float, list[float]] = {}

        assert errors_in_body(Shelf, {"weight": 1.5, "by_size": {"nan": [1.5]}}) == {"/body/by_size": "range"}
        assert errors_in_body(Shelf, {"weight": 1.5, "by_size": {"1.5": [1.5]}}) == {}

    @pytest.mark.parametrize("number", ["1e309", "-1e309", "1.7976931348623159e308", "0.1e310", "9" * 150 + "e160"])
    @pytest.mark.parametrize("hint", [list[float], list[float | None], dict[str, float]])
    def test_no_json_number_becomes_infinite(self, hint: Any, number: str) -> None:
        text = f'{{"a": {number}}}' if hint == dict[str, float] else f"[{number}]"
        with pytest.raises(BadRequest, match="out of range"):
            json_decoder(hint)(text.encode())

    def test_all_of_them_are_reported_beside_other_errors(self) -> None:
        given = {"orderLines": [{"price": "NaN"}, {"price": "x"}, {"price": "sNaN"}, {}]}
        assert errors_in_body(Order, given) == {
            "/body/orderLines/0/price": "range",
            "/body/orderLines/1/price": "invalid",
            "/body/orderLines/2/price": "range",
            "/body/orderLines/3/price": "missing",
        }

    def test_one_that_cannot_be_hashed_is_reported_beside_other_errors(self) -> None:
        class Both(Struct):
            count: int
            prices: set[Decimal]
            names: list[str] = []

        assert errors_in_body(Both, {"count": "x", "prices": ["sNaN"]}).get("/body/prices/0") == "range"
        assert errors_in_body(Both, {"count": 1, "prices": ["sNaN"], "names": [1]}).get("/body/prices/0") == "range"

    @pytest.mark.parametrize("hint", [set[Decimal], list[Decimal]])
    def test_one_in_a_long_list_is_found(self, hint: Any) -> None:
        assert set(errors_in_body(hint, [str(each) for each in range(5000)] + ["sNaN"]).values()) == {"range"}

    @pytest.mark.parametrize(
        ("hint", "given"),
        [
            (str, "NaN"),
            (float | str, "nan"),
            (Literal["NaN"], "NaN"),
            (dict[str, Any], {"a": "NaN"}),
            (dict[str, Decimal], {"nan": "1"}),
            (Cash | Card, {"type": "Card", "number": "NaN"}),
            (Decimal, "1e400"),
            (float, 1e308),
        ],
    )
    def test_other_values_are_what_they_were(self, hint: Any, given: Any) -> None:
        assert errors_in_body(hint, given) == {}

    def test_a_default_of_the_application_is_its_own_affair(self) -> None:
        class Range(Struct):
            highest: float = math.inf
            lowest: Decimal = Decimal("-Infinity")
            step: float = 1.0

        assert json_decoder(Range)(b"{}").highest == math.inf
        assert converter(Range, "query")({"step": "2"}).lowest == Decimal("-Infinity")
        assert errors_in_body(Range, {"lowest": "-Infinity"}) == {"/body/lowest": "range"}
        assert errors_of(lambda: converter(Range, "query")({"highest": "inf"})) == {"/query/highest": "range"}

    def test_an_error_of_the_application_stays_one(self) -> None:
        class Broken(Struct):
            name: str
            price: Decimal

            def __post_init__(self) -> None:
                raise ZeroDivisionError

        for name in ("x", "NaN"):
            with pytest.raises(ZeroDivisionError):
                json_decoder(Broken)(msgspec.json.encode({"name": name, "price": "1"}))
            with pytest.raises(ZeroDivisionError):
                converter(Broken, "query")({"name": name, "price": "1"})

    def test_pydantic_keeps_its_own_rules(self) -> None:
        class Model(pydantic.BaseModel):
            number: float
            price: Decimal = Decimal(1)
            count: int = 1
            finite: pydantic.FiniteFloat = 1.0

        assert math.isnan(json_decoder(Model)(b'{"number": "nan"}').number)
        assert converter(Model, "query")({"number": "inf"}).number == math.inf
        assert errors_in_body(Model, {"number": 1, "price": "NaN"}) == {"/body/price": "finite_number"}
        assert errors_in_body(Model, {"number": 1, "finite": "NaN"}) == {"/body/finite": "finite_number"}
        assert errors_in_body(Model, {"number": "nan", "count": 2**63}) == {"/body/count": "range"}

    def test_types_without_such_numbers_pay_nothing(self) -> None:
        for hint in (str, list[str], dict[str, bool], Card):
            assert range_check(hint) is None

    @pytest.mark.parametrize(
        "text", ["name", "tenant", '{"finance": 1}', '{"info": "nano"}', r'"a\u00e9"', '["-1.5e7"]']
    )
    def test_most_texts_are_passed_over(self, text: str) -> None:
        assert not holds_not_finite(text)

    @pytest.mark.parametrize("hint", [list[Line], list[float]])
    def test_valid_bodies_cost_little(self, hint: Any) -> None:
        """They cost 1.5 times what msgspec alone takes, which reads a float in 45 nanoseconds."""
        lines: Any = [Line(Decimal("1.5"), 2.5, "a note of some length") for _ in range(2000)]
        body = msgspec.json.encode(lines if hint == list[Line] else [1.5] * 20_000)
        bare, decode = msgspec.json.Decoder(hint).decode, json_decoder(hint)
        assert_costs_at_most(2, lambda: decode(body), lambda: bare(body))


TEXTS: list[tuple[Any, Any, str]] = [
    (Filter, {"lowest": "{}"}, "/query/lowest"),
    (Page, {"sizes": ["1", "{}"]}, "/query/sizes/1"),
    (Line, {"price": "1", "weight": "{}"}, "/query/weight"),
    (dict[str, float], {"a": "{}"}, "/query/a"),
    (dict[float, str], {"{}": "a"}, "/query"),
    (dict[Decimal, str], {"{}": "a"}, "/query"),
    (float, "{}", "/query"),
    (float | None, "{}", "/query"),
    (int | float, "{}", "/query"),
    (list[float], ["{}"], "/query/0"),
    (set[float], ["1", "{}"], "/query/1"),
    (set[Decimal], ["1", "{}"], "/query/1"),
]


class TestTexts:
    @pytest.mark.parametrize(("hint", "given", "location"), TEXTS)
    @pytest.mark.parametrize("number", OF_FLOAT)
    def test_one_of_them_is_an_error_at_its_place(self, hint: Any, given: Any, location: str, number: str) -> None:
        convert = converter(hint, "query")

        def sent(number: str) -> Any:
            return msgspec.json.decode(msgspec.json.encode(given).decode().replace("{}", number))

        assert errors_of(lambda: convert(sent(number))) == {location: "range"}
        convert(sent("1.5"))

    def test_one_that_cannot_be_hashed_is_an_error(self) -> None:
        for hint in (set[Decimal], frozenset[Decimal]):
            assert errors_of(lambda: converter(hint, "query")(["1", "sNaN"])) == {"/query/1": "range"}  # noqa: B023
        assert errors_of(lambda: converter(dict[Decimal, str], "query")({"sNaN": "a"})) == {"/query": "range"}

    def test_it_is_reported_beside_other_errors(self) -> None:
        errors = errors_of(lambda: converter(Filter, "query")({"lowest": "x", "highest": "NaN"}))
        assert errors == {"/query/lowest": "type", "/query/highest": "range"}

    def test_one_that_a_check_of_the_application_cannot_take_is_an_error(self) -> None:
        assert errors_of(lambda: converter(Whole, "query")({"amount": "inf"})) == {"/query/amount": "range"}
        assert errors_of(lambda: converter(Positive, "query")({"amount": "NaN"})) == {"/query/amount": "range"}

    def test_a_bound_does_not_let_them_through(self) -> None:
        for hint, text in ((Annotated[float, Meta(ge=0)], "inf"), (Annotated[float, Meta(le=0)], "-inf")):
            assert errors_of(lambda: converter(hint, "query")(text)) == {"/query": "range"}  # noqa: B023


@Controller("/numbers")
class Sums:
    """Whatever is validated is compared and hashed."""

    def total(self, *values: Decimal | float) -> str:
        assert len({*values}) <= len(values)
        assert all(value < 10**9 for value in values)
        return str(sum(map(float, values)))

    @Get("/query")
    async def by_query(self, query: Filter) -> str:
        return self.total(query.get("highest") or 0)

    @Get("/float")
    async def by_float(self, query: Filter) -> str:
        return self.total(query.get("lowest") or 0)

    @Get("/named")
    async def by_name(self, price: Query[Page]) -> str:
        return self.total(price.price, *price.sizes)

    @Get("/header")
    async def by_header(self, x_number: Header[Decimal]) -> str:
        return self.total(x_number)

    @Get("/headers")
    async def by_headers(self, x_number: Header[list[float]]) -> str:
        return self.total(*x_number)

    @Get("/cookie")
    async def by_cookie(self, number: Cookie[Decimal]) -> str:
        return self.total(number)

    @Post("/body")
    async def by_body(self, body: Order) -> str:
        return self.total(*(line.price for line in body.order_lines))

    @Post("/form")
    async def by_form(self, body: Page) -> str:
        return self.total(body.price, *body.sizes)

    @WebSocket("/socket")
    async def by_socket(self, socket: Socket[Line, str]) -> None:
        async for line in socket:
            await socket.send(self.total(line.price))

    @Get("/{number}")
    async def by_path(self, number: float) -> str:
        return self.total(number)


@pytest.fixture
def app() -> App:
    return app_of(Sums)


class TestRequests:
    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-inf"])
    async def test_none_of_them_reaches_a_handler(self, app: App, number: str) -> None:
        answers = [
            await ask(app, f"/numbers/query?highest={number}"),
            await ask(app, f"/numbers/float?lowest={number}"),
            await ask(app, f"/numbers/named?sizes=1&sizes={number}"),
            await ask(app, "/numbers/header", headers={"x-number": number}),
            await ask(app, "/numbers/headers", headers={"x-number": f"1, {number}"}),
            await ask(app, "/numbers/cookie", headers={"cookie": f"number={number}"}),
            await ask(app, "/numbers/body", method="POST", json={"orderLines": [{"price": number}]}),
            await ask(app, "/numbers/form", method="POST", form=f"price={number}"),
            await ask(app, "/numbers/form", method="POST", form=f"sizes=1&sizes={number}"),
        ]
        assert [answer.status for answer in answers] == [422] * len(answers)
        assert {code for answer in answers for code in answer.errors.values()} == {"range"}
        assert (await ask(app, f"/numbers/{number}")).status == 404

    async def test_a_signaling_nan_reaches_none_either(self, app: App) -> None:
        assert (await ask(app, "/numbers/query?highest=sNaN")).status == 422
        assert (await ask(app, "/numbers/form", method="POST", form="price=sNaN")).status == 422

    def test_a_message_of_a_websocket_with_one_closes_it(self, app: App) -> None:
        with TestClient(app) as client, client.websocket_connect("/numbers/socket") as socket:
            socket.send_json({"price": "1.5"})
            assert socket.receive_text() == "1.5"
            socket.send_json({"price": "sNaN"})
            assert socket.receive() == {
                "type": "websocket.close",
                "code": 1007,
                "reason": "/message/price: Expected a finite number",
            }

    @pytest.mark.parametrize("number", ["1.5", "-2", "1e3"])
    async def test_all_others_do(self, app: App, number: str) -> None:
        assert (await ask(app, f"/numbers/query?highest={number}")).json() == str(float(number))
        assert (await ask(app, "/numbers/header", headers={"x-number": number})).json() == str(float(number))
        assert (await ask(app, "/numbers/form", method="POST", form=f"price={number}")).json() == str(float(number))
        assert (await ask(app, f"/numbers/{number}")).json() == str(float(number))
